//! The permissions in a token's claims.

use serde_json::{Map, Value};

/// Where issuers put them: the original family (`permissions`), and OAuth as it is spoken (RFC 8693
/// has `scope`; Microsoft and Okta `scp`).
const USUAL: [&str; 4] = ["permissions", "scopes", "scope", "scp"];

/// Those of the first usual claim that is there; `None` if that names none.
pub(super) fn usual(claims: &Map<String, Value>) -> Option<Vec<String>> {
    let given = USUAL.iter().filter_map(|name| claims.get(*name));
    given.into_iter().find(|claim| !claim.is_null()).map_or_else(|| Some(Vec::new()), names)
}

/// Those of all claims at these paths that are there; `None` if one of them names none.
pub(super) fn all(claims: &Map<String, Value>, paths: &[String]) -> Option<Vec<String>> {
    let given = paths.iter().filter_map(|path| at(claims, path)).filter(|claim| !claim.is_null());
    given.map(names).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// The claim at a path: a name, or names with dots between them. A name may have dots itself, as
/// those that are URLs do.
fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let deeper = || {
        let dots = path.match_indices('.');
        let split = dots.map(|(dot, _)| (&path[..dot], &path[dot + 1..]));
        split.into_iter().find_map(|(name, rest)| at(claims.get(name)?.as_object()?, rest))
    };
    claims.get(path).or_else(deeper)
}

/// A list of texts, or a text as OAuth writes them, with blanks.
fn names(claim: &Value) -> Option<Vec<String>> {
    match claim {
        Value::String(text) => Some(text.split_whitespace().map(Into::into).collect()),
        Value::Array(list) => list.iter().map(|name| name.as_str().map(Into::into)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

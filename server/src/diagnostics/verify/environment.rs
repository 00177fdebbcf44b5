//! Variables of the environment that have another effect than intended.

use std::ffi::OsString;

use crate::diagnostics::check_report::{Outcome, warn};
use crate::settings::{ENV_PREFIX, nearest};

const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];

/// Variables that no setting reads, and proxies between clients here and `host`.
pub(super) fn misleading(
    environment: &[(OsString, OsString)],
    host: &str,
    known: &[String],
) -> Outcome {
    let text = |text: &OsString| text.to_string_lossy().into_owned();
    let set = environment.iter().filter(|(_, value)| !value.is_empty());
    let set: Vec<(String, String)> = set.map(|(name, value)| (text(name), text(value))).collect();
    let unknown = set
        .iter()
        .map(|(name, _)| name)
        .find(|name| name.starts_with(ENV_PREFIX) && !known.iter().any(|known| known == *name));
    if let Some(name) = unknown {
        let nearest = nearest(name, known.iter().map(String::as_str));
        return warn(
            format!("{name} is no setting: a server started with it refuses to"),
            format!("unset {name}, or did you mean {nearest}?"),
        );
    }
    let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted);
    let proxy = set.iter().find(|(name, _)| PROXIES.iter().any(|proxy| is(name, proxy)));
    let mut exempt = set.iter().filter(|(name, _)| is(name, "no_proxy"));
    match proxy {
        Some((name, _)) if !exempt.any(|(_, list)| covers(list, host)) => warn(
            format!("{name} is set: clients here that heed it reach {host} through the proxy"),
            format!("Add {host} to NO_PROXY. (verify connects directly.)"),
        ),
        _ => Ok("nothing that stands in the way".into()),
    }
}

/// Whether a NO_PROXY list names a host, or a domain that it is in.
fn covers(list: &str, host: &str) -> bool {
    list.split([',', ' ']).map(|entry| entry.trim_start_matches(['*', '.'])).any(|entry| {
        list.trim() == "*"
            || !entry.is_empty()
                && (entry == host || host.strip_suffix(entry).is_some_and(|sub| sub.ends_with('.')))
    })
}

#[cfg(test)]
mod tests;

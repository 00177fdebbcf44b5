//! Reading members of JSON documents without building them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The named members of the object in `json`, each as it was written. Unknown members are ignored;
/// of several with one name the last counts, as in Python.
///
/// # Errors
/// [`NotObject`] when the text is anything but one JSON object, or a name in it is no text, such as
/// half a surrogate pair.
pub(super) fn members<'a, const N: usize>(
    json: &'a str,
    names: &[&str; N],
) -> Result<[Option<&'a RawValue>; N], NotObject> {
    let mut found = [None; N];
    for_each_member(json, |name, value| {
        let name = string(name)?;
        if let Some(index) = names.iter().position(|known| *known == name) {
            found[index] = Some(value);
        }
        Some(())
    })?;
    Ok(found)
}

/// Members by their names, each as it was written.
pub(super) type Named = BTreeMap<String, Box<RawValue>>;

/// All members of the object in `json`; of several with one name the last counts. A name that is
/// no text, such as half a surrogate pair, is left out.
///
/// # Errors
/// [`NotObject`] when the text is anything but one JSON object.
pub(super) fn all_members(json: &str) -> Result<Named, NotObject> {
    let mut found = Named::new();
    for_each_member(json, |name, value| {
        if let Some(name) = string(name) {
            found.insert(name.into_owned(), value.to_owned());
        }
        Some(())
    })?;
    Ok(found)
}

/// The text is not one JSON object.
#[derive(Debug)]
pub(super) struct NotObject;

/// A JSON string's text, or `None` if the value is something else.
pub(super) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(value.get()).ok().map(Cow::Owned)
    } else {
        // The parser has checked the rest: without an escape a string is its own text.
        Some(Cow::Borrowed(inner))
    }
}

/// Whether the value is `null`.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Whether the value is a string.
pub(super) fn is_string(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// Whether the value is an object.
pub(super) fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// Gives the name and value of each member of the object in `json` to `visit`, in their order.
///
/// # Errors
/// [`NotObject`] when the text is anything but one JSON object, or `visit` returns `None`.
fn for_each_member<'a>(
    json: &'a str,
    visit: impl FnMut(&'a RawValue, &'a RawValue) -> Option<()>,
) -> Result<(), NotObject> {
    let mut json = serde_json::Deserializer::from_str(json);
    json.deserialize_map(Members(visit)).and_then(|()| json.end()).map_err(|_| NotObject)
}

struct Members<F>(F);

impl<'de, F> Visitor<'de> for Members<F>
where
    F: FnMut(&'de RawValue, &'de RawValue) -> Option<()>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry()? {
            (self.0)(name, value).ok_or_else(|| A::Error::custom("a name that is no text"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Reading members of JSON documents without building them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The named members of the object in `json`, each as it was written. Unknown members are ignored;
/// of several with one name the last counts, as in Python.
///
/// # Errors
/// [`NotObject`] when the text is anything but one JSON object.
pub(super) fn members<'a, const N: usize>(
    json: &'a str,
    names: &[&str; N],
) -> Result<[Option<&'a RawValue>; N], NotObject> {
    let mut json = serde_json::Deserializer::from_str(json);
    let found = json.deserialize_map(Members(names)).map_err(|_| NotObject)?;
    json.end().map_err(|_| NotObject)?;
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
    serde_json::Deserializer::from_str(json).deserialize_map(All).map_err(|_| NotObject)
}

/// The members of the object in `json` in their order, each as it was written; `None` if there are
/// more than `most`.
///
/// # Errors
/// [`NotObject`] when the text is anything but one JSON object.
pub(super) fn entries(json: &str, most: usize) -> Result<Option<Entries<'_>>, NotObject> {
    let mut json = serde_json::Deserializer::from_str(json);
    let found = json.deserialize_map(AtMost(most)).map_err(|_| NotObject)?;
    json.end().map_err(|_| NotObject)?;
    Ok(found)
}

/// Members in their order.
pub(super) type Entries<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

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

struct All;

impl<'de> Visitor<'de> for All {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
        let mut found = Named::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if let Some(name) = string(name) {
                found.insert(name.into_owned(), value.to_owned());
            }
        }
        Ok(found)
    }
}

struct AtMost(usize);

impl<'de> Visitor<'de> for AtMost {
    type Value = Option<Entries<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            if found.len() == self.0 {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            found.push((name, value));
        }
        Ok(Some(found))
    }
}

struct Members<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(Name(name)) = map.next_key()? {
            match self.0.iter().position(|known| *known == name) {
                Some(index) => found[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// The name of a member: borrowed, unless it has an escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;

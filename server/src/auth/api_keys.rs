//! Keys of publishers: kept as hashes, compared in constant time, each with a name for logs and
//! metrics and the channels it is good for.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;
use uringcast_engine::ChannelPattern;

use crate::settings::value::{Invalid, MASK, Secret, Value, invalid};

/// How a file gives a key's hash instead of the key.
const HASHED: &str = "sha256:";
/// Bytes of a SHA-256 hash.
const HASH: usize = digest::SHA256_OUTPUT_LEN;

/// A key that may be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called in logs and metrics.
    pub name: Box<str>,
    /// The only service it is for; `None` for all.
    pub service: Option<Box<str>>,
    hash: [u8; HASH],
    /// Channels it may publish to; empty for all.
    channels: Vec<ChannelPattern>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiKey").field(&self.name).finish()
    }
}

impl ApiKey {
    /// The only key there is, good for everything.
    pub fn sole(key: &Secret) -> ApiKey {
        let hash = hash(key.expose().as_bytes());
        ApiKey { name: "default".into(), service: None, hash, channels: Vec::new() }
    }

    /// Whether it may publish to a channel.
    pub fn covers(&self, channel: &str) -> bool {
        self.covers_all() || self.channels.iter().any(|pattern| pattern.matches(channel))
    }

    /// Whether it is good for every channel.
    pub fn covers_all(&self) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|pattern| pattern.as_str() == "*")
    }
}

fn hash(key: &[u8]) -> [u8; HASH] {
    let mut out = [0; HASH];
    out.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
    out
}

/// All keys; none means that nobody is asked for one.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(Arc<[Arc<ApiKey>]>);

impl ApiKeys {
    /// A set of keys, each with a name of its own.
    ///
    /// # Errors
    /// What is there twice: a name, or a key, of which only one line could count.
    pub fn new(keys: Vec<ApiKey>) -> Result<ApiKeys, String> {
        for (place, key) in keys.iter().enumerate() {
            for other in &keys[..place] {
                if other.name == key.name {
                    return Err(format!("two keys named {}", key.name));
                }
                if other.hash == key.hash {
                    return Err(format!("one key with two names, {} and {}", other.name, key.name));
                }
            }
        }
        Ok(ApiKeys(keys.into_iter().map(Arc::new).collect()))
    }

    /// A key of none of these services, and the one that it names.
    pub fn for_unknown_service(&self, services: &[&str]) -> Option<(&str, &str)> {
        let mut named = self.0.iter().filter_map(|key| Some((&*key.name, key.service.as_deref()?)));
        named.find(|(_, service)| !services.contains(service))
    }

    /// Whether nobody is asked for a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that was shown. Looks at every one, in constant time.
    pub fn find(&self, shown: &[u8]) -> Option<&Arc<ApiKey>> {
        let shown = hash(shown);
        let mut found = None;
        for key in self.0.iter() {
            if bool::from(key.hash.ct_eq(&shown)) {
                found = Some(key);
            }
        }
        found
    }
}

/// A key as it is written in a list or a file: `NAME[@SERVICE] KEY [PATTERN…]`, the key itself or
/// `sha256:` and its hash in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine(pub ApiKey);

impl Value for KeyLine {
    const HINT: &'static str = "'NAME[@SERVICE] KEY [PATTERN…]'";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "Write NAME KEY and, if it is not for all channels, patterns such as orders:";
        let mut words = text.split_whitespace();
        let (Some(name), Some(key)) = (words.next(), words.next()) else {
            return Err(invalid("is not a name and a key", form));
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let good = |part: &str| !part.is_empty() && part.bytes().all(plain);
        let (own, service) = match name.split_once('@') {
            Some((own, service)) => (own, Some(service)),
            None => (name, None),
        };
        if name.len() > 64 || !good(own) || !service.is_none_or(good) {
            let remedy = "Name keys with letters, digits and - _ . and, if it is for one service \
                          only, @ and its name; up to 64 in all.";
            return Err(invalid("has a name that cannot be a label", remedy));
        }
        let hash = match key.strip_prefix(HASHED) {
            Some(digits) => unhex(digits).ok_or_else(|| {
                invalid("has a hash that is not 64 hexadecimal digits", "Take it from sha256sum.")
            })?,
            None => hash(Secret::parse(key)?.expose().as_bytes()),
        };
        let channels = words.map(ChannelPattern::parse).collect::<Result<_, _>>();
        let channels =
            channels.map_err(|error| invalid(format!("has a pattern that {error}"), form))?;
        let service = service.map(Into::into);
        Ok(KeyLine(ApiKey { name: name.into(), service, hash, channels }))
    }

    fn show(&self) -> Option<String> {
        Some(format!("{MASK:?}"))
    }
}

fn unhex(digits: &str) -> Option<[u8; HASH]> {
    let mut out = [0; HASH];
    if digits.len() != 2 * HASH || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str) -> ApiKey {
        KeyLine::parse(line).unwrap().0
    }

    #[test]
    fn each_key_opens_its_own_channels() {
        let keys = ApiKeys::new(vec![key("ci 0123456789 a: b"), key("all 98765432 *")]);
        let keys = keys.unwrap();
        let ci = keys.find(b"0123456789").expect("known");
        assert_eq!(&*ci.name, "ci");
        assert!(ci.covers("a:1") && ci.covers("b:2") && !ci.covers("c") && !ci.covers_all());
        assert!(keys.find(b"98765432").is_some_and(|all| all.covers("c")));
        assert!(keys.find(b"").is_none() && keys.find(b"012345678").is_none());
        assert!(!format!("{keys:?}").contains("0123456789"));
    }

    #[test]
    fn a_hash_stands_for_its_key() {
        let digits: String = hash(b"0123456789").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(key(&format!("x sha256:{digits}")), key("x 0123456789"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        for line in [
            "",
            "name",
            "na=me 0123456789",
            "n@ 0123456789",
            "@s 0123456789",
            "n@s@t 0123456789",
            "n short",
            "n sha256:12",
            "n 12345678 \u{7}",
        ] {
            let Invalid { reason, remedy } = KeyLine::parse(line).unwrap_err();
            assert!(!reason.contains("0123456789") && !remedy.is_empty(), "{line:?}");
        }
        let twice = vec![key("a 0123456789"), key("a 9876543210")];
        assert_eq!(ApiKeys::new(twice).unwrap_err(), "two keys named a");
        let twice = vec![key("a@x 0123456789 c"), key("a@y 0123456789")];
        assert_eq!(ApiKeys::new(twice).unwrap_err(), "one key with two names, a@x and a@y");
    }

    #[test]
    fn a_key_may_be_for_one_service_only() {
        let keys = ApiKeys::new(vec![key("ci@a.b 0123456789 c:"), key("ops 98765432")]).unwrap();
        let ci = keys.find(b"0123456789").expect("known");
        assert_eq!((&*ci.name, ci.service.as_deref()), ("ci@a.b", Some("a.b")));
        assert_eq!(keys.for_unknown_service(&["x", "a.b"]), None);
        assert_eq!(keys.for_unknown_service(&["x"]), Some(("ci@a.b", "a.b")));
    }
}

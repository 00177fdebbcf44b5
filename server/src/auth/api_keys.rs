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
        ApiKey { name: "default".into(), hash, channels: Vec::new() }
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
    /// A set of keys; of two with one name the later one is given back.
    ///
    /// # Errors
    /// The name that is used twice.
    pub fn new(keys: Vec<ApiKey>) -> Result<ApiKeys, String> {
        for (place, key) in keys.iter().enumerate() {
            if keys[..place].iter().any(|other| other.name == key.name) {
                return Err(key.name.to_string());
            }
        }
        Ok(ApiKeys(keys.into_iter().map(Arc::new).collect()))
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

/// A key as it is written in a list or a file: `NAME KEY [PATTERN…]`, the key itself or `sha256:`
/// and its hash in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine(pub ApiKey);

impl Value for KeyLine {
    const HINT: &'static str = "'NAME KEY [PATTERN…]'";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "Write NAME KEY and, if it is not for all channels, patterns such as orders:";
        let mut words = text.split_whitespace();
        let (Some(name), Some(key)) = (words.next(), words.next()) else {
            return Err(invalid("is not a name and a key", form));
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.len() > 64 || !name.bytes().all(plain) {
            let remedy = "Name keys with up to 64 letters, digits and - _ .";
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
        Ok(KeyLine(ApiKey { name: name.into(), hash, channels }))
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
        for line in ["", "name", "na=me 0123456789", "n short", "n sha256:12", "n 12345678 \u{7}"] {
            let Invalid { reason, remedy } = KeyLine::parse(line).unwrap_err();
            assert!(!reason.contains("0123456789") && !remedy.is_empty(), "{line:?}");
        }
        let twice = vec![key("a 0123456789"), key("a 9876543210")];
        assert_eq!(ApiKeys::new(twice).unwrap_err(), "a");
    }
}

//! An API key with its name and scope, kept as a hash and compared in constant time.

use std::fmt;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;
use uringcast_engine::ChannelPattern;

use super::{Invalid, MASK, Right, Rights, Secret, Value, invalid, is_plain, quoted};

/// The prefix of a hash that a file gives instead of the key.
const HASHED: &str = "sha256:";
/// Bytes of a SHA-256 hash.
const HASH: usize = digest::SHA256_OUTPUT_LEN;

/// A key of publishers, as a list or a file writes it: `NAME[@SERVICE] KEY [[RIGHTS]] [PATTERN…]`.
/// KEY is the key itself, or `sha256:` and its hash in hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name in logs and metrics.
    pub name: Box<str>,
    /// The only service it is valid for; `None` for all.
    pub service: Option<Box<str>>,
    hash: [u8; HASH],
    rights: Rights,
    /// Channels it may publish to; empty for all.
    channels: Vec<ChannelPattern>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiKey").field(&self.name).finish()
    }
}

impl ApiKey {
    /// The key of `api_key`: valid for every service and channel.
    pub fn sole(key: &Secret) -> ApiKey {
        let hash = ApiKey::hash(key.expose().as_bytes());
        let rights = Rights::ALL;
        ApiKey { name: "default".into(), service: None, hash, rights, channels: Vec::new() }
    }

    /// The hash of a key, as [`ApiKey::has`] takes it.
    pub fn hash(key: &[u8]) -> [u8; HASH] {
        let hash = digest::digest(&digest::SHA256, key);
        hash.as_ref().try_into().expect("the length of a SHA-256 hash")
    }

    /// Whether this is the hash of the key. Takes the same time for every hash.
    pub fn has(&self, hash: &[u8; HASH]) -> bool {
        self.hash.ct_eq(hash).into()
    }

    /// Whether both are the same key, whatever their names.
    pub fn is_same_key(&self, other: &ApiKey) -> bool {
        self.hash == other.hash
    }

    /// Whether it is good for requests of this kind.
    pub fn grants(&self, right: Right) -> bool {
        self.rights.has(right)
    }

    /// Whether it may publish to a channel.
    pub fn covers(&self, channel: &str) -> bool {
        self.covers_all() || self.channels.iter().any(|pattern| pattern.matches(channel))
    }

    /// Whether it may publish to every channel.
    pub fn covers_all(&self) -> bool {
        self.channels.is_empty() || self.channels.iter().any(ChannelPattern::is_all)
    }
}

impl Value for ApiKey {
    const HINT: &'static str = "'NAME[@SERVICE] KEY [[RIGHTS]] [PATTERN…]'";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "Write NAME KEY and, if it is not for all channels, patterns such as orders:*";
        let mut words = text.split_whitespace().peekable();
        let (Some(name), Some(key)) = (words.next(), words.next()) else {
            return Err(invalid("is not a name and a key", form));
        };
        let good = |part: &str| is_plain(part, b"-_.");
        let (own, service) = match name.split_once('@') {
            Some((own, service)) => (own, Some(service)),
            None => (name, None),
        };
        if name.len() > 64 || !good(own) || !service.is_none_or(good) {
            let remedy = "Name keys with letters, digits and - _ . and, if it is for one service \
                          only, @ and its name; up to 64 in all.";
            return Err(invalid("has a name that cannot be a label", remedy));
        }
        let mut hash = [0; HASH];
        match key.strip_prefix(HASHED) {
            Some(digits) => hex::decode_to_slice(digits, &mut hash).map_err(|_| {
                invalid("has a hash that is not 64 hexadecimal digits", "Take it from sha256sum.")
            })?,
            None => hash = ApiKey::hash(Secret::parse(key)?.expose().as_bytes()),
        }
        let rights = match words.peek().and_then(|word| Rights::parse(word)) {
            Some(rights) => {
                words.next();
                rights?
            }
            None => Rights::ALL,
        };
        let channels = words.map(ChannelPattern::parse).collect::<Result<_, _>>();
        let channels =
            channels.map_err(|error| invalid(format!("has a pattern that {error}"), form))?;
        let service = service.map(Into::into);
        Ok(ApiKey { name: name.into(), service, hash, rights, channels })
    }

    fn show(&self) -> Option<String> {
        quoted(MASK)
    }
}

#[cfg(test)]
mod tests;

//! What an API key is good for.

use axum::http::Method;

use super::{Invalid, invalid};

/// One thing that a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Publishing, and putting documents on channels.
    Publish,
    /// Seeing connections, channels and figures.
    Read,
    /// All else: sending clients away, revoking tokens, draining.
    Manage,
}

/// The words of the rights, in the order of [`Right`].
const WORDS: [&str; 3] = ["publish", "read", "manage"];

impl Right {
    /// The right that a request needs. What is not known needs the strongest.
    pub fn needed(method: &Method, path: &str) -> Right {
        let (before, last) = path.rsplit_once('/').unwrap_or(("", path));
        let publishes = last == "publish" || (last == "raw" && before.ends_with("/publish"));
        match *method {
            Method::GET | Method::HEAD => Right::Read,
            Method::POST if publishes => Right::Publish,
            Method::PUT | Method::DELETE if path.contains("/channels/") => Right::Publish,
            _ => Right::Manage,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        WORDS[self as usize]
    }
}

/// A set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Every right.
    pub const ALL: Rights = Rights(0b111);

    /// Reads a list in brackets, `[read,publish]`; `None` where there are no brackets.
    pub(super) fn parse(text: &str) -> Option<Result<Rights, Invalid>> {
        let list = text.strip_prefix('[')?;
        let words = list.strip_suffix(']').unwrap_or_default().split(',');
        let bit = |word: &str| WORDS.iter().position(|known| *known == word);
        let sum = words.map(bit).try_fold(0, |all, bit| bit.map(|bit| all | (1 << bit)));
        Some(sum.map(Rights).ok_or_else(|| {
            let remedy = "Write some of publish, read and manage in brackets, with commas and \
                          without blanks: [read,publish].";
            invalid("has rights that there are not", remedy)
        }))
    }

    /// Whether this right is among them.
    pub fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }
}

#[cfg(test)]
mod tests;

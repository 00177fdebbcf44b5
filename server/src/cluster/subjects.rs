//! How channels stand in a stream's subjects.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in a subject as it is. A dot would part it, `*` and `>` are patterns, and a space
/// ends it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'~')
    .remove(b'=')
    .remove(b'+')
    .remove(b'-');

/// A service's channel, as the last two tokens of a subject.
pub(crate) fn tokens(service: &str, channel: &str) -> String {
    format!("{}.{}", escape(service), escape(channel))
}

/// A text as it may stand in a token, or in a header.
pub(crate) fn escape(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, ESCAPED)
}

/// The text of a token; `None` where [`escape`] would not have written it.
pub(crate) fn unescape(token: &str) -> Option<String> {
    let text = percent_decode_str(token).decode_utf8().ok()?.into_owned();
    let is_own = escape(&text).to_string() == token;
    is_own.then_some(text)
}

/// The subjects of one stream: those of messages, and those by which they reach the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    /// The name of the stream.
    pub(crate) stream: String,
    stored: String,
    live: String,
    /// The message that is never dropped, so that no answer of a replica is empty.
    pub(crate) sentinel: String,
}

impl Subjects {
    /// Of the stream with one part of the channels.
    pub(crate) fn new(prefix: &str, partition: usize) -> Subjects {
        Subjects {
            stream: format!("{prefix}_{partition}"),
            stored: format!("{prefix}.ch.{partition}."),
            live: format!("{prefix}.live.{partition}."),
            sentinel: format!("{prefix}.sentinel.{partition}"),
        }
    }

    /// Where a channel's messages are stored.
    pub(crate) fn stored(&self, tokens: &str) -> String {
        format!("{}{tokens}", self.stored)
    }

    /// All of them.
    pub(crate) fn all_stored(&self) -> String {
        format!("{}>", self.stored)
    }

    /// All of those by which messages reach the nodes.
    pub(crate) fn all_live(&self) -> String {
        format!("{}>", self.live)
    }

    /// The channel's tokens of a subject of either kind.
    pub(crate) fn tokens<'a>(&self, subject: &'a str) -> Option<&'a str> {
        subject.strip_prefix(&*self.stored).or_else(|| subject.strip_prefix(&*self.live))
    }
}

/// Which part of the channels this one is in; the same on all nodes.
pub(crate) fn partition(tokens: &str, partitions: usize) -> usize {
    let hash = fnv1a(tokens.bytes());
    // Folded, as its low bits are its weakest.
    ((hash ^ (hash >> 32)) % partitions as u64) as usize
}

/// FNV-1a with 64 bits: a hash that is the same everywhere.
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests;

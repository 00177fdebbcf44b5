//! Messages of which some, but not all, has come: their memory, and since when.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::limits::MESSAGE_TIMEOUT;
use crate::types::{ConnectionKey, Time};

/// The unfinished messages of a shard.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    of: HashMap<ConnectionKey, Part>,
    /// By what they hold.
    sizes: BTreeSet<(usize, ConnectionKey)>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    since: Time,
    bytes: usize,
}

impl Unfinished {
    /// A connection holds so many bytes of an unfinished message, 0 without one.
    pub(super) fn set(&mut self, key: ConnectionKey, bytes: usize, now: Time) {
        if bytes == 0 && self.of.is_empty() {
            return;
        }
        let before = self.of.remove(&key);
        if let Some(before) = before {
            self.bytes -= before.bytes;
            self.sizes.remove(&(before.bytes, key));
        }
        if bytes > 0 {
            let since = before.map_or(now, |before| before.since);
            self.of.insert(key, Part { since, bytes });
            self.sizes.insert((bytes, key));
            self.bytes += bytes;
        }
    }

    /// Bytes that all hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Who holds most.
    pub(super) fn largest(&self) -> Option<ConnectionKey> {
        self.sizes.last().map(|(_, key)| *key)
    }

    /// Who holds something, in an order that a seed repeats.
    pub(super) fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.sizes.iter().map(|(_, key)| *key)
    }

    /// Whether a connection that is received from at `byte_rate`, 0 for no limit, has had its time
    /// to finish a message.
    pub(super) fn is_late(&self, key: ConnectionKey, byte_rate: u32, now: Time) -> bool {
        self.of.get(&key).is_some_and(|part| {
            let held_back = (part.bytes as u64).checked_div(byte_rate.into()).unwrap_or(0);
            now.since(part.since) >= MESSAGE_TIMEOUT + Duration::from_secs(held_back)
        })
    }
}

//! Messages of which some, but not all, has come: their memory, and since when. Where all hold too
//! much, the service with clients that hold most gives way, by the client that holds most of it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::limits::MESSAGE_TIMEOUT;
use crate::types::{ConnectionKey, ServiceId, Time};

/// The unfinished messages of a shard.
#[derive(Debug)]
pub(super) struct Unfinished {
    of: HashMap<ConnectionKey, Part>,
    /// By service.
    services: Vec<OfService>,
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct OfService {
    /// By what they hold.
    sizes: BTreeSet<(usize, ConnectionKey)>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    since: Time,
    bytes: usize,
    service: ServiceId,
}

impl Unfinished {
    /// None, of connections of so many services.
    pub(super) fn new(services: usize) -> Unfinished {
        let services = vec![OfService::default(); services];
        Unfinished { of: HashMap::new(), services, bytes: 0 }
    }

    /// A connection of a service holds so many bytes of an unfinished message, 0 without one.
    pub(super) fn set(&mut self, key: ConnectionKey, service: ServiceId, bytes: usize, now: Time) {
        if bytes == 0 && self.of.is_empty() {
            return;
        }
        let before = self.of.remove(&key);
        if let Some(before) = before {
            self.bytes -= before.bytes;
            let own = &mut self.services[before.service.index()];
            own.bytes -= before.bytes;
            own.sizes.remove(&(before.bytes, key));
        }
        if bytes > 0 {
            let since = before.map_or(now, |before| before.since);
            self.of.insert(key, Part { since, bytes, service });
            let own = &mut self.services[service.index()];
            own.sizes.insert((bytes, key));
            own.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Bytes that all hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when a connection's message is unfinished, if one is.
    pub(super) fn since(&self, key: ConnectionKey) -> Option<Time> {
        self.of.get(&key).map(|part| part.since)
    }

    /// The client that holds most of the service that holds most.
    pub(super) fn largest(&self) -> Option<ConnectionKey> {
        let most = self.services.iter().max_by_key(|own| own.bytes)?;
        most.sizes.last().map(|(_, key)| *key)
    }

    /// The connections that hold something, in an order that a seed repeats.
    pub(super) fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.services.iter().flat_map(|own| &own.sizes).map(|(_, key)| *key)
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

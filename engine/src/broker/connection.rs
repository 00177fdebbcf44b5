//! A shard's connections: one small record each, in a table indexed like the ring's slots.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use uuid::Uuid;

use super::auth::Auth;
use super::close::Phase;
use super::laggard::Laggard;
use super::rate::{Bucket, ByteBucket};
use crate::limits::{CONNECTION_RECORD, SUBSCRIPTION_RECORD};
use crate::types::{ConnectionKey, ServiceId, ShardId};
use crate::wire::frame::Reader;

/// No operation.
pub(crate) const NO_OPERATION: u32 = u32::MAX;

/// One connection. What is rare is boxed; limits.rs adds it up.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) generation: u16,
    pub(crate) phase: Phase,
    pub(crate) flags: Flags,
    pub(crate) service: ServiceId,
    /// The random part of the connection's id.
    pub(crate) nonce: u64,
    ip: [u8; 16],
    port: u16,
    pub(crate) rate: Bucket,
    pub(crate) bytes: ByteBucket,
    /// Subscribe or unsubscribe under way; later ones wait for it.
    pub(crate) operation: u32,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) reader: Reader,
    pub(crate) laggard: Option<Box<Laggard>>,
    pub(crate) auth: Option<Box<Auth>>,
}

const _: () = assert!(size_of::<Connection>() <= CONNECTION_RECORD);

/// What is on or off about a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// Our close frame is in the kernel.
    pub(crate) close_sent: bool,
    /// The peer's close frame came.
    pub(crate) close_seen: bool,
    /// It is not received from for a while.
    pub(crate) paused: bool,
    /// A PING waits for anything to come.
    pub(crate) pinged: bool,
    /// TLS is on.
    pub(crate) secure: bool,
    /// It is no client.
    pub(crate) probe: bool,
}

impl Connection {
    pub(crate) fn set_peer(&mut self, peer: SocketAddr) {
        self.ip = match peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        self.port = peer.port();
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.ip).to_canonical(), self.port)
    }

    /// Whether it is not received from: for a while, or until it is known who it is.
    pub(crate) fn is_held(&self) -> bool {
        self.flags.paused || self.auth.as_deref().is_some_and(Auth::is_asked)
    }

    /// Makes a legal move, or aborts: an illegal one is our own bug.
    pub(crate) fn become_phase(&mut self, next: Phase) {
        assert!(self.phase.may_become(next), "{:?} -> {next:?}", self.phase);
        self.phase = next;
    }
}

/// One channel of a connection: where it stands in the channel's live set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) channel: u32,
    pub(crate) position: u32,
}

const _: () = assert!(size_of::<Subscription>() <= SUBSCRIPTION_RECORD);

/// Subscriptions ordered by channel index; most connections have one.
#[derive(Debug, Default)]
pub(crate) enum Subscriptions {
    #[default]
    None,
    One(Subscription),
    #[expect(clippy::box_collection, reason = "16 bytes in each connection's record, not 24")]
    Many(Box<Vec<Subscription>>),
}

impl Subscriptions {
    pub(crate) fn as_slice(&self) -> &[Subscription] {
        match self {
            Subscriptions::None => &[],
            Subscriptions::One(one) => std::slice::from_ref(one),
            Subscriptions::Many(many) => many,
        }
    }

    pub(crate) fn get(&self, channel: u32) -> Option<Subscription> {
        let all = self.as_slice();
        all.binary_search_by_key(&channel, |s| s.channel).ok().map(|i| all[i])
    }

    /// Adds one that is not there yet.
    pub(crate) fn insert(&mut self, new: Subscription) {
        match self {
            Subscriptions::None => *self = Subscriptions::One(new),
            Subscriptions::One(one) => {
                let mut many = Box::new(vec![*one, new]);
                many.sort_unstable_by_key(|s| s.channel);
                *self = Subscriptions::Many(many);
            }
            Subscriptions::Many(many) => {
                let place = many.partition_point(|s| s.channel < new.channel);
                many.insert(place, new);
            }
        }
    }

    pub(crate) fn remove(&mut self, channel: u32) -> Option<Subscription> {
        match self {
            Subscriptions::One(one) if one.channel == channel => {
                let one = *one;
                *self = Subscriptions::None;
                Some(one)
            }
            Subscriptions::Many(many) => {
                let place = many.binary_search_by_key(&channel, |s| s.channel).ok()?;
                let gone = many.remove(place);
                if many.is_empty() {
                    *self = Subscriptions::None;
                }
                Some(gone)
            }
            _ => None,
        }
    }

    /// Learns that the live set moved this connection.
    pub(crate) fn moved(&mut self, channel: u32, position: u32) {
        match self {
            Subscriptions::One(one) if one.channel == channel => one.position = position,
            Subscriptions::Many(many) => {
                if let Ok(place) = many.binary_search_by_key(&channel, |s| s.channel) {
                    many[place].position = position;
                }
            }
            _ => {}
        }
    }
}

/// The table. An index is reused only after `Phase::Ending` is over.
#[derive(Debug)]
pub(crate) struct Connections {
    slots: Vec<Connection>,
    free: Vec<u32>,
    capacity: usize,
}

impl Connections {
    pub(crate) fn new(capacity: usize) -> Connections {
        // All of the address space at once: only what is used is ever touched, and growing never
        // leaves copies behind.
        Connections { slots: Vec::with_capacity(capacity), free: Vec::new(), capacity }
    }

    /// Takes a free index.
    pub(crate) fn admit(&mut self) -> Option<ConnectionKey> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < self.capacity => {
                self.slots.push(Connection::default());
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        let connection = &mut self.slots[index as usize];
        connection.become_phase(Phase::Open);
        Some(ConnectionKey { index, generation: connection.generation })
    }

    /// Gives an index back.
    pub(crate) fn release(&mut self, index: u32) {
        let connection = &mut self.slots[index as usize];
        connection.become_phase(Phase::Vacant);
        let generation = connection.generation.wrapping_add(1);
        *connection = Connection { generation, ..Connection::default() };
        self.free.push(index);
    }

    /// The connection, unless the key is a former user's.
    pub(crate) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.slots
            .get_mut(key.index as usize)
            .filter(|c| c.generation == key.generation && c.phase != Phase::Vacant)
    }

    pub(crate) fn get(&self, key: ConnectionKey) -> Option<&Connection> {
        self.slots
            .get(key.index as usize)
            .filter(|c| c.generation == key.generation && c.phase != Phase::Vacant)
    }

    /// The connection with this public id.
    pub(crate) fn find(&self, shard: ShardId, id: &str) -> Option<ConnectionKey> {
        let bytes = Uuid::try_parse(id).ok()?.into_bytes();
        let index = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let key = ConnectionKey { index, generation: u16::from_be_bytes([bytes[4], bytes[5]]) };
        let connection = self.get(key)?;
        let known = connection_id(shard, key, connection.nonce);
        (*known.as_bytes() == bytes).then_some(key)
    }

    pub(crate) fn key(&self, index: u32) -> ConnectionKey {
        ConnectionKey { index, generation: self.slots[index as usize].generation }
    }

    /// Indices ever used.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Connections there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Connections not vacant.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl std::ops::Index<u32> for Connections {
    type Output = Connection;
    fn index(&self, index: u32) -> &Connection {
        &self.slots[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Connections {
    fn index_mut(&mut self, index: u32) -> &mut Connection {
        &mut self.slots[index as usize]
    }
}

/// The public id: a UUIDv4 whose random bits carry shard, index and generation, so that nothing
/// needs to map ids to connections.
pub(crate) fn connection_id(shard: ShardId, key: ConnectionKey, nonce: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&key.index.to_be_bytes());
    bytes[4..6].copy_from_slice(&key.generation.to_be_bytes());
    bytes[7] = shard.0;
    bytes[8..].copy_from_slice(&nonce.to_be_bytes());
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

impl ShardId {
    /// The shard that gave a connection this id.
    pub fn of_connection(id: &str) -> Option<ShardId> {
        let id = Uuid::try_parse(id).ok()?;
        Some(ShardId(id.as_bytes()[7]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_key_finds_nothing() {
        let mut table = Connections::new(1);
        let key = table.admit().unwrap();
        assert!(table.admit().is_none());
        table[key.index].become_phase(Phase::Ending);
        table.release(key.index);
        assert!(table.get(key).is_none());
        let next = table.admit().unwrap();
        assert_eq!(next.index, key.index);
        assert!(table.get(key).is_none());
    }

    #[test]
    fn an_id_tells_the_shard() {
        let key = ConnectionKey { index: u32::MAX, generation: 7 };
        for shard in [0, 5, 63] {
            let id = connection_id(ShardId(shard), key, u64::MAX).to_string();
            assert_eq!(ShardId::of_connection(&id), Some(ShardId(shard)));
        }
        assert_eq!(ShardId::of_connection("no id"), None);
    }

    #[test]
    fn subscriptions_are_found_whatever_their_number() {
        let mut all = Subscriptions::default();
        for channel in [5, 1, 9, 3] {
            all.insert(Subscription { channel, position: channel * 10 });
        }
        all.moved(9, 7);
        assert_eq!(all.get(9).unwrap().position, 7);
        assert_eq!(all.remove(1).unwrap().position, 10);
        assert!(all.get(1).is_none());
        assert_eq!(all.as_slice().len(), 3);
    }
}

//! A shard of a process that is to take over: its ring is there, and it does nothing until it is
//! told to serve.

use std::net::IpAddr;

use super::EventLoop;
use crate::handover::{Connection, Part, SecretBytes};
use crate::shard::clock;
use crate::shard::parts::ShardParts;
use crate::shard::standby_order::{ShardRing, Standby, StandbyOrder};
use crate::shard::tls::TlsSession;
use crate::types::{ConnectionKey, ServiceId};

impl EventLoop {
    /// Follows orders until the one to serve. Returns whether that came: the engine may be dropped
    /// before.
    pub(in crate::shard) fn stand_by(&mut self, orders: &Standby) -> bool {
        while let Ok(order) = orders.recv() {
            match order {
                StandbyOrder::ImportEarly { connections, reply } => {
                    let _ = reply.send(self.import_early(connections));
                }
                StandbyOrder::Import { part, reply } => {
                    // Fails if the other process is given up.
                    let _ = reply.send(self.import(*part));
                }
                StandbyOrder::Serve { used } => {
                    self.discard_others(used);
                    return true;
                }
            }
        }
        false
    }

    /// The ring of this shard.
    pub(in crate::shard) fn ring(&self) -> ShardRing {
        let ShardParts { id, slots, .. } = self.parts;
        ShardRing { shard: id, descriptor: self.slots.delivery.ring.own_descriptor(), slots }
    }

    /// Takes over connections that go early.
    fn import_early(&mut self, connections: Vec<Connection>) -> Result<(), String> {
        self.check_slots(&connections)?;
        let taken: Vec<_> = connections.iter().map(Taken::of).collect();
        self.hub.begin_iteration(clock::now(self.parts.started));
        self.hub.import_early(connections).map_err(|error| error.to_string())?;
        taken.into_iter().try_for_each(|taken| self.adopt(taken))
    }

    fn check_slots(&self, connections: &[Connection]) -> Result<(), String> {
        let slots = self.parts.slots;
        match connections.iter().any(|connection| connection.socket.slot as usize >= slots) {
            true => Err("a connection has a slot that this process lacks".to_owned()),
            false => Ok(()),
        }
    }

    /// Takes over the broker's state, and with it the sockets that are in the ring.
    fn import(&mut self, mut part: Part) -> Result<(), String> {
        self.check_slots(&part.connections)?;
        for slot in &part.retracted {
            self.disown(*slot);
        }
        let sealed = std::mem::take(&mut part.sealed);
        let taken: Vec<_> = part.connections.iter().map(Taken::of).collect();
        self.hub.begin_iteration(clock::now(self.parts.started));
        self.hub.import(part).map_err(|error| error.to_string())?;
        taken.into_iter().try_for_each(|taken| self.adopt(taken))?;
        let is_known =
            |&(slot, records): &(u32, u64)| self.slots.delivery.set_sealed(slot, records);
        match sealed.iter().all(is_known) {
            true => Ok(()),
            false => Err("a connection without its TLS was sent records".to_owned()),
        }
    }

    /// Takes back that a connection was adopted: it has ended, or is adopted again.
    fn disown(&mut self, slot: u32) {
        let key = ConnectionKey { index: slot, generation: 0 };
        if let Some(service) = self.slots.disown(key) {
            self.parts.limits.quotas[service.index()].release();
        }
        self.set_address_permit(slot, None);
    }

    fn adopt(&mut self, taken: Taken) -> Result<(), String> {
        let Taken { key, service, peer, tls, receive_ended } = taken;
        let limits = &self.parts.limits;
        // Its place is counted, however many there are: it has had it.
        let counted = limits.quotas[service.index()].try_acquire(usize::MAX);
        let by_address = limits.config[service].access.max_per_address > 0;
        let permit = by_address.then(|| limits.per_address[service.index()].take(peer, usize::MAX));
        self.set_address_permit(key.index, permit.flatten());
        if let Some(bytes) = &tls {
            let session = TlsSession::from_bytes(bytes).map_err(|error| error.to_string())?;
            if !self.slots.delivery.has_sessions() {
                return Err("a connection has TLS, and no service has here".to_owned());
            }
            self.slots.delivery.set_session(key.index, session.into());
        }
        self.slots.open(key, self.hub.is_metered(key), counted.then_some(service));
        self.slots.adopt(key, receive_ended);
        if self.hub.is_paused(key) {
            self.slots.pause(key);
        }
        Ok(())
    }

    /// Closes the sockets of connections that ended between their copy and the export.
    fn discard_others(&mut self, used: u32) {
        for index in (0..used).filter(|index| self.slots.is_empty(*index)).collect::<Vec<_>>() {
            self.slots.discard(ConnectionKey { index, generation: 0 });
        }
    }
}

/// What the shell keeps of a connection that is taken over.
struct Taken {
    key: ConnectionKey,
    service: ServiceId,
    peer: IpAddr,
    tls: Option<SecretBytes>,
    receive_ended: bool,
}

impl Taken {
    fn of(connection: &Connection) -> Taken {
        let Connection { socket, service, peer, .. } = connection;
        Taken {
            key: ConnectionKey { index: socket.slot, generation: 0 },
            service: *service,
            peer: peer.ip(),
            tls: socket.tls.clone(),
            receive_ended: socket.receive_ended,
        }
    }
}

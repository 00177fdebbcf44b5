//! Writing a shard's state down: what goes early, and the rest.

use super::{Handover, Stage};
use crate::handover::{Connection, Sent, ShardState, Socket};
use crate::limits::HANDOVER_PER_TURN;
use crate::shard::event_loop::EventLoop;
use crate::shard::handover_order::{Exported, Place};
use crate::shard::io::Slots;
use crate::shard::tls::TlsProgress;
use crate::types::ConnectionKey;

impl EventLoop {
    /// The connections of some slots, from this one on, that can go over early.
    pub(super) fn export_early(&mut self, from: u32) -> Option<Vec<Connection>> {
        let handover = self.handover.as_mut().filter(|of| matches!(of.stage, Stage::Holding))?;
        let Handover { travellers, places, early, .. } = handover;
        let mut cursor = Cursor::new(travellers, places);
        let slots = &self.slots;
        let went = self.hub.export_early(from..from + HANDOVER_PER_TURN as u32, |key| {
            let place = cursor.find(key)?;
            // What a TLS has yet to send changes before long.
            let is_steady = slots.delivery.progress(key.index) != Some(None);
            socket(slots, key, place).filter(|socket| is_steady && !socket.receive_ended)
        })?;
        let (keys, connections): (Vec<ConnectionKey>, Vec<_>) = went.into_iter().unzip();
        let progress = |key: ConnectionKey| (key, slots.delivery.progress(key.index).flatten());
        early.extend(keys.into_iter().map(progress));
        Some(connections)
    }

    /// The state of the shard.
    pub(super) fn export_rest(&mut self, handover: &mut Handover, sent: &Sent) -> Exported {
        let Handover { travellers, places, early, .. } = handover;
        let slots = &self.slots;
        let (mut kept, mut others) = (Vec::new(), Vec::new());
        let (mut cursor, mut went) = (Cursor::new(travellers, places), early.iter().peekable());
        let is_same = |key: ConnectionKey| {
            while went.next_if(|(before, _)| before.index < key.index).is_some() {}
            let Some((_, before)) = went.next_if(|(before, _)| *before == key) else {
                return false;
            };
            let sealed = match (before, slots.delivery.progress(key.index)) {
                (None, None) => None,
                (Some(before), Some(Some(now))) if now.continues(before) => Some(now.sent),
                _ => return false,
            };
            let is_same = slots.receive_ended(key) == Some(false);
            kept.extend(is_same.then_some((key, sealed)));
            is_same
        };
        let mut state = self.hub.export(sent, is_same, |key| {
            let socket = socket(slots, key, cursor.find(key)?)?;
            others.push(key);
            Some(socket)
        });
        let mut cursor = Cursor::new(travellers, places);
        for (key, records) in kept.iter().filter_map(|(key, sealed)| Some((*key, (*sealed)?))) {
            let place = cursor.find(key);
            state.sealed.extend(place.map(|Place { shard, slot }| (shard, slot, records)));
        }
        let mut exported: Vec<_> = kept.into_iter().map(|(key, _)| key).collect();
        exported.append(&mut others);
        exported.sort_unstable_by_key(|key| key.index);
        add_ended(&mut state, (early, &exported), Cursor::new(travellers, places));
        let clients = slots.unclosed().filter(|key| !self.hub.is_probe(*key));
        let staying = clients.count().saturating_sub(exported.len());
        handover.travellers = exported;
        let (epoch, is_degraded) = (self.hub.epoch(), self.hub.is_degraded());
        Exported { connections: handover.travellers.len(), state, staying, epoch, is_degraded }
    }
}

/// Adds the places of those that went early and are not there any more.
fn add_ended(
    state: &mut ShardState,
    (early, exported): (&[(ConnectionKey, Option<TlsProgress>)], &[ConnectionKey]),
    mut cursor: Cursor<'_>,
) {
    let mut left = exported.iter().peekable();
    for (key, _) in early {
        while left.next_if(|other| other.index < key.index).is_some() {}
        if left.peek() != Some(&key) {
            let place = cursor.find(*key);
            state.ended.extend(place.map(|Place { shard, slot }| (shard, slot)));
        }
    }
}

/// What the other process is told of a connection's socket, if it is not closing.
fn socket(slots: &Slots, key: ConnectionKey, Place { shard, slot }: Place) -> Option<Socket> {
    let receive_ended = slots.receive_ended(key)?;
    Some(Socket { shard, slot, tls: slots.delivery.session_bytes(key.index), receive_ended })
}

/// Finds the places of connections that are asked for by index, in order.
struct Cursor<'a> {
    travellers: &'a [ConnectionKey],
    places: &'a [Place],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(travellers: &'a [ConnectionKey], places: &'a [Place]) -> Cursor<'a> {
        Cursor { travellers, places, at: 0 }
    }

    /// Where a connection goes, if it does and that is known.
    fn find(&mut self, key: ConnectionKey) -> Option<Place> {
        let left = &self.travellers[self.at..];
        self.at += left.iter().take_while(|traveller| traveller.index < key.index).count();
        let is_next = self.travellers.get(self.at) == Some(&key);
        is_next.then(|| self.places.get(self.at).copied()).flatten()
    }
}

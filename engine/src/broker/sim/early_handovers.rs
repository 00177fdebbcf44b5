//! The part of a hand-over in which most connections go over, while everything goes on but ticks,
//! and no connection is admitted.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::world::World;
use crate::handover::{Connection, Early, Sent, ShardState, Socket};
use crate::types::{ConnectionKey, ShardId};

/// Places of connections, by client and key.
pub(super) type Places = HashMap<(usize, ConnectionKey), Socket>;
/// What went over early of each shard.
pub(super) type Went = Vec<Vec<(ConnectionKey, Connection)>>;

impl World {
    /// Sends connections early, at random moments; sometimes none.
    pub(super) fn send_early(&mut self, places: &Places) -> Went {
        let mut went: Went = (0..self.plan.shards).map(|_| Vec::new()).collect();
        if self.chance(20) {
            return went;
        }
        self.has_no_ticks = true;
        for (shard, went) in went.iter_mut().enumerate() {
            let mut from = 0;
            loop {
                let slots = from..from + self.rng.u32(1..8);
                from = slots.end;
                let clients: Vec<usize> =
                    self.ports[shard].iter().map(|port| port.client).collect();
                let place =
                    |key: ConnectionKey| places.get(&(clients[key.index as usize], key)).cloned();
                match self.hubs[shard].export_early(slots, place) {
                    Some(some) => went.extend(some),
                    None => break,
                }
                self.go_on_without_ticks();
            }
        }
        (0..self.rng.usize(..10)).for_each(|_| self.go_on_without_ticks());
        self.has_no_ticks = false;
        went
    }

    /// Something happens, but no connection.
    fn go_on_without_ticks(&mut self) {
        match self.rng.u8(..16) {
            0..4 => {
                let shard = self.rng.usize(..self.plan.shards);
                self.turn(shard, false);
            }
            4..7 => {
                let channel = self.rng.usize(..self.plan.channels);
                self.publish(channel);
            }
            7..10 if !self.clients.is_empty() => {
                let client = self.rng.usize(..self.clients.len());
                let most = self.rng.usize(1..2_000);
                self.read(client, most);
            }
            11..14 => self.for_some_client(World::speak),
            14 if self.plan.rough && self.chance(20) => self.expel(),
            15 if self.plan.changes => self.change_settings(),
            10 => {
                let ms = self.rng.u64(..5);
                self.pass_time(Duration::from_millis(ms));
            }
            _ => {}
        }
    }

    /// The state of a shard without what went early and is as it was; which must be so.
    pub(super) fn export_rest(
        &self,
        shard: usize,
        places: &Places,
        (sent, went): (&Sent, &[(ConnectionKey, Connection)]),
    ) -> ShardState {
        let (hub, ports) = (&self.hubs[shard], &self.ports[shard]);
        let place =
            |key: ConnectionKey| places.get(&(ports[key.index as usize].client, key)).cloned();
        let mut there = HashSet::new();
        let mut kept = Vec::new();
        let is_same = |key| {
            kept.push(key);
            true
        };
        let mut state = hub.export(sent, is_same, |key| {
            there.insert(key);
            place(key)
        });
        let all = hub.export(sent, |_| false, place).connections;
        let at = |socket: &Socket| (socket.shard, socket.slot);
        let all: HashMap<_, _> = all.iter().map(|one| (at(&one.socket), one)).collect();
        let gone =
            |(key, _): &&(ConnectionKey, Connection)| !there.contains(key) && !kept.contains(key);
        let ended = went.iter().filter(gone).map(|(_, early)| &early.socket);
        state.ended = ended.map(at).collect();
        for (_, early) in went.iter().filter(|(key, _)| kept.contains(key)) {
            let mut now = all[&at(&early.socket)].clone();
            for (now, before) in now.subscriptions.iter_mut().zip(&early.subscriptions) {
                let head = hub.head_of(&now.channel);
                assert_eq!(now.handed, head, "a connection that went early is behind");
                now.handed = before.handed;
            }
            assert_eq!(&now, early, "what went early is not true any more");
        }
        state
    }
}

/// What went early, as it goes over.
pub(super) fn early_of(went: &Went) -> Vec<Early> {
    let early = |(shard, went): (usize, &Vec<(ConnectionKey, Connection)>)| Early {
        shard: ShardId(shard as u8),
        connections: went.iter().map(|(_, connection)| connection.clone()).collect(),
    };
    went.iter().enumerate().map(early).collect()
}

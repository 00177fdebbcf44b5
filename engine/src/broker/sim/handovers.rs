//! All hubs are handed over to others in the middle of everything, through the bytes of the format,
//! to another number of shards.

use std::collections::HashMap;

use super::early_handovers::{Places, Went, early_of};
use super::external::External;
use super::net::{Pair, Port};
use super::plan::{Plan, Sabotage};
use super::world::World;
use super::{is_caught_in, run_meeting};
use crate::handover::{Channel, Connection, EarlyBook, EngineState, History, Sent, Socket, State};
use crate::types::{ConnectionKey, Homes, Seq, ShardId};

/// Shards at most, of those that take over.
const MOST_SHARDS: usize = 4;
/// Iterations of all shards within which everything comes to rest that other shards are asked for.
const PATIENCE: usize = 2_000;

/// What is wrong in what is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandoverFault {
    /// A subscriber that is behind goes on at the head.
    LostCursor,
    /// The rest of a write that was cut is forgotten.
    LostTail,
    /// Replies are forgotten.
    LostOutbox,
    /// The oldest message of a log is forgotten.
    LostMessage,
    /// A subscription is forgotten.
    LostSubscription,
    /// The last message that a subscriber has counts as missing.
    Repeated,
    /// What has come of a message is forgotten.
    LostStart,
    /// What waits behind a request is forgotten.
    LostRequest,
    /// A member that left while all went over is still there.
    LostRoster,
}

impl HandoverFault {
    pub(super) const ALL: [HandoverFault; 9] = [
        HandoverFault::LostCursor,
        HandoverFault::LostTail,
        HandoverFault::LostOutbox,
        HandoverFault::LostMessage,
        HandoverFault::LostSubscription,
        HandoverFault::Repeated,
        HandoverFault::LostStart,
        HandoverFault::LostRequest,
        HandoverFault::LostRoster,
    ];

    /// Spoils what is handed over.
    fn spoil(self, state: &mut State) {
        let channels = state.shards.iter().flat_map(|shard| &shard.channels);
        let heads: HashMap<_, Seq> =
            channels.map(|channel| (channel.name.clone(), channel.head)).collect();
        for shard in &mut state.shards {
            if self == HandoverFault::LostMessage {
                let logs = shard.channels.iter_mut();
                // The first ones may have gone over before.
                logs.for_each(|log| log.first = log.first.next().min(log.head.next()));
                let lacks =
                    |log: &&mut Channel| log.frames.first().is_some_and(|f| f.first < log.first);
                shard.channels.iter_mut().filter(lacks).for_each(|log| drop(log.frames.remove(0)));
            }
            if self == HandoverFault::LostRoster {
                shard.rosters.clear();
            }
            shard.connections.iter_mut().for_each(|connection| self.spoil_one(connection, &heads));
        }
        let early = state.early.iter_mut().flat_map(|early| &mut early.connections);
        early.for_each(|connection| self.spoil_one(connection, &heads));
    }

    fn spoil_one(
        self,
        connection: &mut Connection,
        heads: &HashMap<crate::types::ChannelName, Seq>,
    ) {
        let subscriptions = connection.subscriptions.iter_mut();
        match self {
            HandoverFault::LostCursor => {
                subscriptions.for_each(|of| of.handed = heads[&of.channel]);
            }
            HandoverFault::Repeated => {
                let moved = subscriptions.filter(|of| of.handed > Seq(0));
                moved.for_each(|of| of.handed = Seq(of.handed.0 - 1));
            }
            HandoverFault::LostSubscription => connection.subscriptions.truncate(0),
            HandoverFault::LostTail => {
                connection.debts.iter_mut().for_each(|debts| debts.tail = Box::default());
            }
            HandoverFault::LostOutbox => {
                connection.debts.iter_mut().for_each(|debts| debts.outbox = Box::default());
            }
            HandoverFault::LostStart => connection.inbound = Default::default(),
            HandoverFault::LostRequest => connection.session.waiting.clear(),
            HandoverFault::LostMessage | HandoverFault::LostRoster => {}
        }
    }
}

impl Plan {
    /// Hubs are handed over again and again, in worlds of all kinds.
    fn handed_over(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let plan = match seed % 8 {
            0 | 1 => Plan::new(seed, sabotage),
            2 => Plan::sharing(seed, sabotage),
            3 => Plan::patterned(seed, sabotage),
            4 => Plan::attended(seed, sabotage),
            5 => Plan::deflating(seed, sabotage),
            6 => Plan::returning(seed, sabotage),
            _ => Plan::stating(seed, sabotage),
        };
        Plan { handovers: true, changes: seed % 8 == 1, ..plan }
    }
}

impl World {
    /// Other hubs take over.
    pub(super) fn hand_over(&mut self) {
        (0..self.plan.shards).for_each(|shard| self.take_settings(shard));
        let epoch = self.epoch();
        let (histories, sent) = self.send_histories();
        let shards = self.rng.usize(1..=MOST_SHARDS);
        let mut places = self.places(shards);
        let went = self.send_early(&places);
        (0..self.plan.shards).for_each(|shard| self.take_settings(shard));
        self.external.iter_mut().for_each(External::begin_handover);
        if !(self.come_to_rest() && self.may_hand_over(epoch)) {
            return self.resume();
        }
        // Some have ended since.
        places.retain(|(client, key), _| self.hubs[self.clients[*client].shard].is_open(*key));
        let mut state = self.export(&places, (histories, &sent), &went);
        if let Some(Sabotage::Handover(fault)) = self.plan.sabotage {
            fault.spoil(&mut state);
        }
        let bytes = state.encode();
        self.former.add(&mut self.hubs, self.plan.services);
        self.leave_behind(&places);
        let state = State::decode(&bytes).expect("it was written by this program");
        self.import(state, shards);
        for (&(client, _), socket) in &places {
            self.move_client(client, socket);
        }
        for shard in 0..shards {
            self.take_effects(shard);
            self.hubs[shard].check();
        }
        self.truth.observe(&self.hubs);
        let connections = places.len();
        self.note(|| format!("{connections} connections are handed over to {shards} shards"));
    }

    /// A part of the logs goes over before, while everything goes on.
    fn send_histories(&mut self) -> (Vec<History>, Vec<Sent>) {
        let (mut histories, mut sent) = (Vec::new(), Vec::new());
        for shard in 0..self.plan.shards {
            let mut of_shard = Sent::default();
            for _ in 0..self.rng.usize(..4) {
                let bytes = self.rng.usize(1..3_000);
                match self.hubs[shard].export_history(&mut of_shard, bytes) {
                    Some(history) => histories.push(history),
                    None => of_shard.begin_round(),
                }
                self.turn(shard, false);
            }
            sent.push(of_shard);
        }
        (histories, sent)
    }

    /// Nothing comes in, until no shard waits for another. An external order may not answer.
    fn come_to_rest(&mut self) -> bool {
        let answers = self.rng.bool();
        self.hubs.iter_mut().for_each(|hub| hub.freeze(true));
        for _ in 0..PATIENCE {
            for shard in 0..self.plan.shards {
                self.begin_iteration(shard);
                if answers {
                    self.verify(shard);
                }
                self.take_lanes(shard, true);
                self.end_feed(shard);
                self.truth.observe(&self.hubs);
                self.transmit(shard);
                self.truth.observe(&self.hubs);
                self.hubs[shard].check();
            }
            let mut lanes = self.lanes.iter().flatten();
            if self.hubs.iter().all(|hub| hub.may_be_exported())
                && lanes.all(|pair| pair.requests.is_empty() && pair.notices.is_empty())
            {
                return true;
            }
        }
        assert!(self.external.is_some(), "hubs that get nothing do not come to rest");
        false
    }

    /// Where each connection goes that may: any slot of any shard. One in twenty may not.
    fn places(&mut self, shards: usize) -> Places {
        let held: usize = self.hubs.iter().map(|hub| hub.connections()).sum();
        self.plan.capacity = self.plan.capacity.max(held);
        let mut free: Vec<(usize, u32)> = (0..shards)
            .flat_map(|shard| (0..self.plan.capacity as u32).map(move |slot| (shard, slot)))
            .collect();
        let mut places = HashMap::new();
        for port in self.ports.iter().flatten() {
            let Some(key) = port.key else { continue };
            if self.rng.u8(..20) == 0 {
                continue;
            }
            let (shard, slot) = free.swap_remove(self.rng.usize(..free.len()));
            let socket =
                Socket { shard: ShardId(shard as u8), slot, tls: None, receive_ended: !port.armed };
            places.insert((port.client, key), socket);
        }
        places
    }

    fn export(
        &self,
        places: &Places,
        (histories, sent): (Vec<History>, &[Sent]),
        went: &Went,
    ) -> State {
        let export = |shard: usize| self.export_rest(shard, places, (&sent[shard], &went[shard]));
        let engine = EngineState {
            epoch: self.epoch(),
            homes: Homes::new([self.plan.seed, 1], self.plan.shards),
            time: self.now,
            services: vec!["sim".into(); self.plan.services],
            is_ordered_outside: self.external.is_some(),
        };
        let shards = (0..self.plan.shards).map(export).collect();
        State { engine, histories, early: early_of(went), shards, blobs: Vec::new() }
    }

    /// The former hubs forget what was handed over. What is closing they would end; here it
    /// vanishes.
    fn leave_behind(&mut self, places: &Places) {
        for (shard, ports) in self.ports.iter().enumerate() {
            let hub = &mut self.hubs[shard];
            for port in ports {
                let Some(key) = port.key else { continue };
                if hub.is_open(key) && places.contains_key(&(port.client, key)) {
                    hub.abandon(key);
                    hub.handle_receive_ended(key);
                    continue;
                }
                self.clients[port.client].gone = true;
                let socket = &mut self.sockets[port.client];
                (socket.fin, socket.released) = (true, true);
            }
            while hub.poll_effect().is_some() {}
            hub.check();
        }
    }

    /// Other hubs, with other ports and lanes.
    fn import(&mut self, mut state: State, shards: usize) {
        (self.plan.shards, self.plan.handed_over) = (shards, self.plan.handed_over + 1);
        let unix_us = self.now().unix_us;
        self.external.iter_mut().for_each(|external| external.hand_over(shards, unix_us));
        let epoch = self.epoch();
        self.hubs = (0..shards).map(|shard| self.plan.hub(shard).with_epoch(epoch)).collect();
        let early = std::mem::take(&mut state.early);
        let early = EarlyBook::divide(early, shards, self.plan.services);
        let (book, early) = early.expect("it fits itself");
        for (shard, connections) in early.into_iter().enumerate() {
            self.begin_iteration(shard);
            self.hubs[shard].reconfigure(self.config.clone());
            self.hubs[shard].import_early(connections).expect("there is room for it");
        }
        let parts = state.divide(shards, book).expect("it fits itself");
        for (shard, part) in parts.into_iter().enumerate() {
            self.hubs[shard].import(part).expect("there is room for it");
        }
        let row = |_| (0..shards).map(|_| Pair::default()).collect();
        self.lanes = (0..shards).map(row).collect();
        self.busy = vec![true; shards];
        self.ticks = vec![self.now; shards];
        self.verdicts = vec![Vec::new(); shards];
        self.settings = vec![None; shards];
        let ports = |_| (0..self.plan.capacity).map(|_| Port::default()).collect();
        self.ports = (0..shards).map(ports).collect();
    }

    fn move_client(&mut self, client: usize, socket: &Socket) {
        if self.clients[client].gone && self.sockets[client].released {
            return;
        }
        let &Socket { shard, slot, receive_ended, .. } = socket;
        self.clients[client].shard = shard.index();
        let key = Some(ConnectionKey { index: slot, generation: 0 });
        let armed = !receive_ended;
        self.ports[shard.index()][slot as usize] = Port { key, client, armed, ..Port::default() };
    }
}

#[test]
fn hubs_that_are_handed_over_lose_and_repeat_nothing() {
    run_meeting(&[1636], 1, |seed| Plan::handed_over(seed, None), &["handed over"]);
}

#[test]
fn what_is_missing_in_a_handover_is_caught() {
    for fault in HandoverFault::ALL {
        let plan = |seed| Plan::handed_over(seed, Some(Sabotage::Handover(fault)));
        assert!(is_caught_in((0..50).map(plan)), "{fault:?} is not found");
    }
}

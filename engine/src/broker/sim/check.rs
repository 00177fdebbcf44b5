//! What must hold of a hub after every turn (invariants 2, 3, 11).

use std::collections::HashMap;

use crate::broker::channel::Link;
use crate::broker::close::Phase;
use crate::broker::connection::NO_OPERATION;
use crate::broker::hub::Hub;
use crate::broker::laggard::LagState;
use crate::broker::lifecycle::DrainState;
use crate::limits::{DUE_PER_CONNECTION, LANE_CREDITS};
use crate::types::ConnectionKey;

impl Hub {
    /// Cross-checks everything that is kept twice, and the bounds.
    pub(super) fn check(&self) {
        self.check_connections();
        self.check_channels();
        self.check_lists();
    }

    fn check_connections(&self) {
        let (mut laggards, mut bytes, mut subscriptions) = (0, 0, 0);
        for index in 0..self.connections.slots() as u32 {
            let connection = &self.connections[index];
            let talks = matches!(connection.phase, Phase::Open | Phase::Closing | Phase::Parting);
            let live = talks && connection.laggard.is_none();
            let said_bye = connection.phase == Phase::Closing && connection.flags.close_sent;
            let open = self.gate.is_open(index);
            assert!(open == live || said_bye, "gate of {index}: {:?}", connection.phase);
            let all = connection.subscriptions.as_slice();
            assert!(connection.phase == Phase::Open || all.is_empty());
            subscriptions += all.len();
            for s in all {
                let members = self.channels[s.channel].live.members();
                assert_eq!(members[s.position as usize], index, "position of {index}");
            }
            if connection.phase == Phase::Open && connection.operation != NO_OPERATION {
                let key = self.operations[connection.operation as usize].key;
                assert_eq!(key, self.connections.key(index));
            }
            let Some(laggard) = &connection.laggard else { continue };
            laggards += 1;
            bytes += laggard.charged;
            assert!(talks);
            assert_ne!(laggard.state, LagState::Writing, "no batch is open");
            let key = self.connections.key(index);
            let queued = self.ready.iter().filter(|k| **k == key).count();
            let ready = laggard.state == LagState::Ready;
            assert_eq!(queued, usize::from(ready), "ready list of {index}");
            let cursors: Vec<u32> = laggard.cursors.iter().map(|c| c.channel).collect();
            let channels: Vec<u32> = all.iter().map(|s| s.channel).collect();
            assert_eq!(cursors, channels, "cursors of {index}");
            assert_eq!(laggard.charged, laggard.bytes(), "charge of {index}");
            if laggard.state == LagState::Waiting {
                assert!(laggard.outbox.len() <= self.config.max_outbox + 100_000);
            }
        }
        assert_eq!(self.laggards, laggards);
        assert_eq!(self.laggard_bytes, bytes);
        assert_eq!(self.subscriptions, subscriptions);
    }

    fn check_channels(&self) {
        let mut holds: HashMap<u32, u32> = HashMap::new();
        for (_, operation) in &self.operations {
            operation.channels.iter().for_each(|c| *holds.entry(*c).or_default() += 1);
        }
        let (mut members, mut bytes, mut unswept) = (0, 0, 0);
        for index in 0..self.channels.slots() {
            let Some(channel) = self.channels.get(index) else { continue };
            members += channel.live.len();
            bytes += channel.log.bytes();
            unswept += channel.log.bytes_from(channel.live.delivered().next());
            assert_eq!(channel.holds, holds.get(&index).copied().unwrap_or(0));
            let listed = self.dirty.iter().filter(|d| **d == index).count();
            assert_eq!(listed, usize::from(channel.dirty), "dirty list");
            let behind = channel.log.head() != channel.live.delivered();
            assert!(channel.dirty || !behind, "somebody waits for a clean channel");
            if let Link::Home(interests) = &channel.link {
                for interest in interests {
                    let list = &self.lanes[interest.shard.index()].behind;
                    let listed = list.iter().filter(|b| **b == index).count();
                    assert_eq!(listed, usize::from(interest.behind), "list of the behind");
                    let level = interest.next > channel.log.head() && interest.gap.is_none();
                    assert!(level || interest.behind, "a shard is owed and nobody knows");
                }
                let open = channel.log.head().0 + 1 - channel.needed_from().0;
                assert!(open <= self.bounds.channel_frames, "{open} frames not swept");
                let most = self.config.retention.frames as u64 + self.bounds.channel_frames;
                assert!(channel.log.len() as u64 <= most + 1, "{} frames", channel.log.len());
            }
        }
        assert_eq!(members, self.subscriptions);
        assert_eq!(self.retained.bytes, bytes);
        assert_eq!(self.retained.unswept, unswept);
        // What comes is refused at the bound: the last one taken may pass it. (So may the past of a
        // channel that another shard is home of.)
        let most = self.bounds.shard_unswept + self.config.services[0].max_message + 1_000;
        assert!(self.shards > 1 || unswept <= most, "{unswept} bytes not swept");
    }

    fn check_lists(&self) {
        let entries = self.retained.oldest.len();
        assert!(entries <= 2 * self.channels.slots() as usize + 16, "{entries} ages of logs");
        for lane in &self.lanes {
            assert!(lane.open <= 2 * LANE_CREDITS);
            assert!(lane.publishes.len() + lane.asks.len() <= 4 * LANE_CREDITS);
        }
        assert!(self.answers.is_empty(), "answers wait");
        assert!(self.auth_counts().1 <= self.connections.len(), "expiries of nobody");
        assert!(self.effects.is_empty(), "effects wait");
        let most = DUE_PER_CONNECTION * (self.connections.capacity() + 1);
        assert!(self.agenda_len() <= most, "{} things are due", self.agenda_len());
    }

    /// Whether the shell was told that a connection is held, or not.
    pub(super) fn check_hold(&self, key: ConnectionKey, paused: bool) {
        let is_over = |phase| matches!(phase, Phase::Parting | Phase::Ending);
        let alive = self.connections.get(key).filter(|c| !is_over(c.phase));
        assert!(alive.is_none_or(|c| c.is_held() == paused), "{key:?} is received from wrongly");
    }

    /// Whether nothing is under way in this hub.
    pub(super) fn is_quiet(&self) -> bool {
        let still = |lane: &crate::broker::hub::LaneState| {
            lane.open == 0
                && lane.publishes.is_empty()
                && lane.asks.is_empty()
                && lane.behind.is_empty()
        };
        let finishing = matches!(self.drain, DrainState::Finishing(_));
        let idle = self.auth_counts().0 == 0
            && self.operations.is_empty()
            && self.laggards == 0
            && !finishing;
        idle && self.lanes.iter().all(still)
    }
}

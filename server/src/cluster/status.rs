//! What metrics, readiness and pages show of the cluster.

use super::delivery_lag::DeliveryLag;
use super::health::Health;
use super::partition::Partition;
use super::stream_view::Counts;

/// The cluster as it was a moment ago.
#[derive(Clone, Debug, Default)]
pub struct ClusterStatus {
    /// Whether a server is connected.
    pub is_connected: bool,
    /// Why publications are refused.
    pub degraded: Option<&'static str>,
    /// Of each stream.
    pub streams: Vec<StreamStatus>,
    /// Connections that came back.
    pub reconnects: u64,
    /// Times that messages came faster than they were taken.
    pub overruns: u64,
    pub(crate) shared: SharedCounts,
    /// Messages of nodes that none would have sent, and subscribers that rosters had no room for.
    pub(crate) presence_faults: (u64, u64),
}

/// What was counted of the streams that all nodes read, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedCounts {
    /// Messages that other nodes have stored.
    pub(crate) messages: u64,
    /// Messages that no node would have stored.
    pub(crate) bad: u64,
    /// Messages that this node had no room for.
    pub(crate) refused: u64,
}

impl SharedCounts {
    /// Both together.
    pub(super) fn plus(self, other: SharedCounts) -> SharedCounts {
        SharedCounts {
            messages: self.messages + other.messages,
            bad: self.bad + other.bad,
            refused: self.refused + other.refused,
        }
    }
}

/// One stream as it was a moment ago.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// Its name.
    pub name: String,
    /// Channels that are followed.
    pub channels: usize,
    /// Of those, how many have messages missing, or have not begun.
    pub behind: usize,
    /// Bytes of messages that wait for those in front of them.
    pub held_bytes: usize,
    /// Publications that wait for their outcome.
    pub pending: usize,
    /// The newest position that is known.
    pub floor: u64,
    pub(crate) counts: Counts,
    pub(crate) lag: DeliveryLag,
    /// Publications that were handed to the engine.
    pub delivered: u64,
    /// Messages that another program has stored.
    pub foreign: u64,
    /// Publications of which it is not known whether they were stored.
    pub unknown_outcomes: u64,
}

impl ClusterStatus {
    /// What was counted since the start, by the name of the event.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let sum = |of: fn(&StreamStatus) -> u64| self.streams.iter().map(of).sum();
        let all = [
            ("hole", sum(|stream| stream.counts.holes)),
            ("fill", sum(|stream| stream.counts.fills)),
            ("gap", sum(|stream| stream.counts.gaps)),
            ("audit", sum(|stream| stream.counts.audits)),
            ("find", sum(|stream| stream.counts.finds)),
            ("unseen", sum(|stream| stream.counts.missed)),
            ("refused_channel", sum(|stream| stream.counts.refused)),
            ("stale_answer", sum(|stream| stream.counts.stale)),
            ("new_life", sum(|stream| stream.counts.restarts)),
            ("delivery", sum(|stream| stream.delivered)),
            ("foreign_message", sum(|stream| stream.foreign)),
            ("unknown_outcome", sum(|stream| stream.unknown_outcomes)),
            ("shared_message", self.shared.messages),
            ("bad_shared_message", self.shared.bad),
            ("refused_shared_message", self.shared.refused),
            ("bad_node_message", self.presence_faults.0),
            ("refused_member", self.presence_faults.1),
            ("reconnect", self.reconnects),
            ("overrun", self.overruns),
        ];
        all.into_iter()
    }

    pub(super) fn of(
        health: &Health,
        partitions: &[Partition],
        (shared, presence_faults): (SharedCounts, (u64, u64)),
    ) -> ClusterStatus {
        let stream = |one: &Partition| StreamStatus {
            name: one.subjects.stream.clone(),
            channels: one.view.channels(),
            behind: one.view.behind(),
            held_bytes: one.view.held_bytes(),
            pending: one.outbox.len(),
            floor: one.view.floor(),
            counts: one.view.counts(),
            lag: one.counts.lag,
            delivered: one.counts.delivered,
            foreign: one.counts.foreign,
            unknown_outcomes: one.counts.unknown_outcomes,
        };
        ClusterStatus {
            is_connected: health.is_connected(),
            degraded: health.degraded(),
            streams: partitions.iter().map(stream).collect(),
            reconnects: health.reconnects,
            overruns: health.overruns,
            shared,
            presence_faults,
        }
    }
}

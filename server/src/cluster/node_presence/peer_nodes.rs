//! Which nodes keep presence together: each tells the others every second that it is there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cluster::subjects::fnv1a;
use crate::limits::{
    PRESENCE_BEAT, PRESENCE_NODES, PRESENCE_QUIET, PRESENCE_SILENCE, PRESENCE_STALL,
};

/// One start of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct NodeId(pub(crate) u64);

/// What is known of another node.
#[derive(Debug)]
struct Other {
    heard: Duration,
    /// The nodes that it knows, as it said last.
    view: Option<u64>,
}

/// What a node may have missed that was without a connection, or stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missed {
    /// What others told it.
    Messages,
    /// That it was gone for the others, which may have published to its channels.
    Absence,
}

/// The nodes that are there, as this one sees it.
#[derive(Debug)]
pub(super) struct Members {
    me: NodeId,
    others: BTreeMap<NodeId, Other>,
    view: u64,
    has_begun: bool,
    is_connected: bool,
    /// Others have not said yet what they know.
    quiet_until: Duration,
    next_beat: Duration,
    last_beat: Duration,
    looked: Duration,
    /// What may have been missed since this was taken.
    missed: Option<Missed>,
    /// When a node was heard last that there was no room for.
    refused: Option<Duration>,
}

impl Members {
    pub(super) fn new(me: NodeId) -> Members {
        Members {
            me,
            others: BTreeMap::new(),
            view: view_of([me].into_iter()),
            has_begun: false,
            is_connected: true,
            quiet_until: Duration::ZERO,
            next_beat: Duration::ZERO,
            last_beat: Duration::ZERO,
            looked: Duration::ZERO,
            missed: None,
            refused: None,
        }
    }

    pub(super) fn me(&self) -> NodeId {
        self.me
    }

    /// This node takes part from now on. Returns whether it did not before.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        if std::mem::replace(&mut self.has_begun, true) {
            return false;
        }
        (self.next_beat, self.looked) = (now, now);
        self.listen_again(now);
        true
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// All nodes, this one among them.
    pub(super) fn all(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.others.keys().copied().chain([self.me])
    }

    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.others.keys().copied()
    }

    pub(super) fn has(&self, node: NodeId) -> bool {
        node == self.me || self.others.contains_key(&node)
    }

    /// Stands for this set of nodes.
    pub(super) fn view(&self) -> u64 {
        self.view
    }

    /// The node that keeps the roster of a channel, by the hash of the channel's name: the same at
    /// all nodes that know the same nodes, and another one for few channels if one comes or goes.
    pub(super) fn home(&self, hash: u64) -> NodeId {
        let weight = |node: &NodeId| (mix(hash ^ node.0), *node);
        self.all().max_by_key(weight).unwrap_or(self.me)
    }

    /// Whether all nodes know the same nodes.
    pub(super) fn agree(&self, now: Duration) -> bool {
        let agrees = |other: &Other| other.view == Some(self.view);
        self.has_listened(now) && self.others.values().all(agrees)
    }

    /// Whether others could say for long enough that they are there.
    pub(super) fn has_listened(&self, now: Duration) -> bool {
        self.is_connected && now >= self.quiet_until
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Whether there are more nodes than this one may know. It may be the one that the others have
    /// no room for: the homes that it knows of are not those of the others.
    pub(super) fn is_crowded(&self, now: Duration) -> bool {
        self.refused.is_some_and(|at| now < at + PRESENCE_SILENCE)
    }

    /// A node is there, and knows these nodes. Returns whether it is new here.
    pub(super) fn handle_beat(&mut self, now: Duration, from: NodeId, view: u64) -> bool {
        let is_new = !self.has(from);
        if from == self.me {
            return false;
        }
        if is_new && self.others.len() >= PRESENCE_NODES {
            self.refused = Some(now);
            return false;
        }
        self.others.insert(from, Other { heard: now, view: Some(view) });
        if is_new {
            self.change(now);
        }
        is_new
    }

    /// A node has ended. Returns whether it was known.
    pub(super) fn handle_bye(&mut self, now: Duration, from: NodeId) -> bool {
        let is_known = self.others.remove(&from).is_some();
        if is_known {
            self.change(now);
        }
        is_known
    }

    /// The connection to the servers is lost, or there again. Without one no node is missed: others
    /// may be there as before.
    pub(super) fn set_connected(&mut self, now: Duration, is_connected: bool) {
        if std::mem::replace(&mut self.is_connected, is_connected) != is_connected {
            self.listen_again(now);
        }
    }

    /// Time has passed. Returns the nodes that have been silent for too long.
    pub(super) fn handle_timers(&mut self, now: Duration) -> Vec<NodeId> {
        if now.saturating_sub(self.looked) > PRESENCE_STALL {
            // This node has heard no other because it stood still itself.
            self.listen_again(now);
        }
        self.looked = now;
        if !self.is_connected {
            return Vec::new();
        }
        let is_silent = |other: &Other| now >= other.heard + PRESENCE_SILENCE;
        let silent = self.others.iter().filter(|(_, other)| is_silent(other));
        let silent: Vec<NodeId> = silent.map(|(node, _)| *node).collect();
        if !silent.is_empty() {
            self.others.retain(|_, other| !is_silent(other));
            self.change(now);
        }
        silent
    }

    /// What this node may have missed.
    pub(super) fn take_missed(&mut self) -> Option<Missed> {
        self.missed.take()
    }

    /// Whether this node is to say now that it is there. It counts as said.
    pub(super) fn take_beat(&mut self, now: Duration) -> bool {
        let is_due = self.has_begun && self.is_connected && now >= self.next_beat;
        if is_due {
            (self.last_beat, self.next_beat) = (now, now + PRESENCE_BEAT);
        }
        is_due
    }

    /// What others know is to be said again before it counts.
    fn listen_again(&mut self, now: Duration) {
        self.quiet_until = now + PRESENCE_QUIET;
        self.next_beat = now;
        // With half of the time that the others wait, as they may have missed a beat.
        let was_gone = now.saturating_sub(self.last_beat) > PRESENCE_SILENCE / 2;
        let missed = if was_gone { Missed::Absence } else { Missed::Messages };
        self.missed = self.missed.max(Some(missed));
        for other in self.others.values_mut() {
            *other = Other { heard: now, view: None };
        }
    }

    fn change(&mut self, now: Duration) {
        self.view = view_of(self.all());
        // The others wait for that. Of many changes each is not told by itself.
        self.next_beat = now.max(self.last_beat + PRESENCE_BEAT / 10);
    }
}

fn view_of(nodes: impl Iterator<Item = NodeId>) -> u64 {
    let mut nodes: Vec<NodeId> = nodes.collect();
    nodes.sort_unstable();
    fnv1a(nodes.iter().flat_map(|node| node.0.to_be_bytes()))
}

/// Spreads a number over all of its bits (the finalizer of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests;

//! Whether publications can be ordered: the connection, and the streams' leaders.

use std::time::Duration;

use uringcast_engine::ExternalFeed;

use super::leadership::{Leadership, ServerChoice};
use super::partition::Partition;
use super::server_link::LinkEvent;
use crate::limits::{DISCONNECTED_PATIENCE, HEALTH_PROBE, LEADER_PROBE, LEADERLESS_PATIENCE};

/// Why nothing can be ordered, as clients and metrics have it.
pub(super) const DISCONNECTED: &str = "disconnected";
/// A stream has no leader: too few of its servers run.
pub(super) const NO_LEADER: &str = "no_leader";

/// Something that the engine is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Degraded(&'static str),
    Restored,
}

impl Change {
    pub(super) fn tell(self, feed: &ExternalFeed) {
        match self {
            Change::Degraded(why) => {
                tracing::warn!("the cluster takes no publications: {why}");
                feed.degrade(why);
            }
            Change::Restored => {
                tracing::info!("the cluster takes publications again");
                feed.restore();
            }
        }
    }
}

/// What is known of the connection and of leaders, and what the engine was told.
#[derive(Debug, Default)]
pub(super) struct Health {
    disconnected_since: Option<Duration>,
    degraded: Option<&'static str>,
    probed: Duration,
    /// When all streams were asked, not only those that fail.
    all_probed: Duration,
    server: ServerChoice,
    /// Connections that came back.
    pub(super) reconnects: u64,
    /// Times that messages came faster than they were taken.
    pub(super) overruns: u64,
}

impl Health {
    pub(super) fn handle_link(&mut self, now: Duration, event: LinkEvent) {
        match event {
            LinkEvent::Connected => {
                self.reconnects += u64::from(self.disconnected_since.take().is_some());
            }
            LinkEvent::Disconnected => _ = self.disconnected_since.get_or_insert(now),
            LinkEvent::TooSlow => self.overruns += 1,
        }
    }

    /// Why publications are refused.
    pub(super) fn degraded(&self) -> Option<&'static str> {
        self.degraded
    }

    pub(super) fn is_connected(&self) -> bool {
        self.disconnected_since.is_none()
    }

    /// The streams that are to be asked for their leader now.
    pub(super) fn probes(&mut self, now: Duration, partitions: &[Partition]) -> Vec<usize> {
        if now < self.probed + LEADER_PROBE || !self.is_connected() {
            return Vec::new();
        }
        self.probed = now;
        let is_round = now >= self.all_probed + HEALTH_PROBE;
        if is_round {
            self.all_probed = now;
        }
        let is_due = |(_, one): &(usize, &Partition)| is_round || one.failing_since.is_some();
        partitions.iter().enumerate().filter(is_due).map(|(place, _)| place).collect()
    }

    /// A question about a stream's leader has come to this.
    pub(super) fn handle_leadership(&mut self, now: Duration, leadership: Leadership) {
        self.server.handle(now, leadership);
    }

    /// It is time to go to another server. It counts as done.
    pub(super) fn take_move(&mut self, now: Duration) -> bool {
        self.is_connected() && self.server.take_move(now)
    }

    /// What has changed for publishers.
    pub(super) fn change(&mut self, now: Duration, partitions: &[Partition]) -> Option<Change> {
        let failing = partitions.iter().filter_map(|one| one.failing_since).min();
        let is_over =
            |since: Option<Duration>, patience| since.is_some_and(|since| now >= since + patience);
        let degraded = if is_over(self.disconnected_since, DISCONNECTED_PATIENCE) {
            Some(DISCONNECTED)
        } else if is_over(failing, LEADERLESS_PATIENCE) {
            Some(NO_LEADER)
        } else if self.degraded.is_some() && !(failing.is_none() && self.is_connected()) {
            // It has begun to recover, and is not there yet.
            self.degraded
        } else {
            None
        };
        if degraded == self.degraded {
            return None;
        }
        self.degraded = degraded;
        Some(degraded.map_or(Change::Restored, Change::Degraded))
    }

    /// When to look again.
    pub(super) fn next_due(&self, now: Duration) -> Duration {
        now.max(self.probed) + LEADER_PROBE / 4
    }
}

#[cfg(test)]
mod tests;

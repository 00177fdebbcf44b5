//! Subscribers that were not sent everything because they were behind: which, and how much.

use std::collections::HashMap;

use super::laggard::Laggard;
use super::reading::Brought;
use super::slow_policy::Behind;
use crate::telemetry::Skipped;
use crate::types::{ChannelIndex, ConnectionKey};

/// Where a laggard begins to be sent less than everything.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct SkipStart {
    pub(in crate::broker) key: ConnectionKey,
    pub(in crate::broker) channel: ChannelIndex,
    pub(super) behind: Behind,
}

/// What was skipped for the connections that are open.
#[derive(Debug, Default)]
pub(super) struct Skips {
    /// By connection index: those that something was skipped for.
    of: HashMap<u32, Skipped>,
    /// To be reported.
    started: Vec<SkipStart>,
    #[cfg(test)]
    pub(super) sabotage: Option<super::delivery_invariants::SkipFault>,
}

impl Skips {
    /// What was skipped for a connection since it was admitted.
    pub(super) fn of(&self, connection: u32) -> Skipped {
        self.of.get(&connection).copied().unwrap_or_default()
    }

    /// A laggard is too far behind: reported once until it is live again.
    pub(super) fn start(&mut self, laggard: &mut Laggard, start: SkipStart) {
        if !std::mem::replace(&mut laggard.skipping, true) {
            self.started.push(start);
        }
    }

    pub(super) fn next_started(&mut self) -> Option<SkipStart> {
        self.started.pop()
    }

    /// Adds what a reading passed over.
    pub(super) fn add(&mut self, connection: u32, brought: &Brought) {
        if brought.slow + brought.conflated > 0 {
            let skipped = self.of.entry(connection).or_default();
            skipped.slow += brought.slow;
            skipped.conflated += brought.conflated;
        }
    }

    /// Takes over what another process has skipped for a connection: what was passed over, and what
    /// newer messages replace.
    pub(super) fn take_over(&mut self, connection: u32, (slow, conflated): (u64, u64)) {
        if (slow, conflated) != (0, 0) {
            self.of.insert(connection, Skipped { slow, conflated });
        }
    }

    /// The connection is over.
    pub(super) fn forget(&mut self, connection: u32) {
        if !self.of.is_empty() {
            self.of.remove(&connection);
        }
    }
}

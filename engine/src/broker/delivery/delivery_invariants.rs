//! What must hold of a shard's laggards and chains after every iteration.

pub(in crate::broker) use super::chains::Met;
use super::laggard::LagState;
use super::{Channels, Delivery};
use crate::broker::context::Context;
use crate::types::ConnectionKey;

/// A fault of the chains that the simulation must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum ChainFault {
    /// A member of a marked sweep is not owed it.
    LostMark,
    /// Sweeps with equally many members are marked together, whichever these are.
    LooseGroup,
    /// What a laggard was handed in a chain is forgotten.
    BlindLaggard,
    /// A chain that was cut counts as written whole.
    WholeCut,
}

/// A fault of the policies for slow subscribers that the simulation must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum SkipFault {
    /// What is passed over is not told.
    Silent,
    /// The newest message of a key counts as replaced.
    LostNewest,
}

impl Delivery {
    /// Breaks the policies.
    pub(in crate::broker) fn break_skips(&mut self, fault: SkipFault) {
        self.skips.sabotage = Some(fault);
    }

    /// Cross-checks the sums and the list of those that may be written.
    pub(in crate::broker) fn check(
        &self,
        cx: &Context,
        channels: &Channels,
        connections: impl Iterator<Item = ConnectionKey>,
    ) {
        let (mut count, mut bytes) = (0, 0);
        for key in connections {
            let Some(laggard) = self.laggards.get(key.index) else { continue };
            (count, bytes) = (count + 1, bytes + laggard.charged);
            assert_ne!(laggard.state, LagState::Writing, "no batch is open");
            let ready = laggard.state == LagState::Ready;
            assert_eq!(self.laggards.times_ready(key), usize::from(ready), "ready list, {key:?}");
            let cursors = laggard.cursors.iter().map(|cursor| cursor.channel);
            let subscriptions = channels.subscriptions_of(key.index).iter().map(|s| s.channel);
            assert!(cursors.eq(subscriptions), "cursors of {key:?}");
            assert_eq!(laggard.charged, laggard.bytes(), "charge of {key:?}");
            if laggard.state == LagState::Waiting {
                assert!(laggard.outbox.len() <= cx.config.max_outbox + 100_000);
            }
        }
        self.chains.check(channels, |connection| self.gate.is_open(connection));
        assert!(self.swept.is_empty(), "no batch is open");
        assert_eq!(self.laggards.count(), count);
        assert_eq!(self.laggards.bytes().all(), bytes);
    }

    pub(in crate::broker) fn is_live(&self, connection: u32) -> bool {
        self.gate.is_open(connection)
    }

    pub(in crate::broker) fn has_laggards(&self) -> bool {
        self.laggards.count() > 0
    }

    /// What the chains have met.
    pub(in crate::broker) fn met(&self) -> Met {
        self.chains.met
    }

    /// Breaks the chains.
    pub(in crate::broker) fn break_chains(&mut self, fault: ChainFault) {
        self.chains.sabotage = Some(fault);
    }

    /// The saboteur of the simulation: two writes of one connection in a batch pass.
    pub(in crate::broker) fn leave_gate_open(&mut self) {
        self.gate.leave_open();
    }
}

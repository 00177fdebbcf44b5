//! What one seed makes of the world.

use fastrand::Rng;

/// A part that is broken on purpose, and must be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Nodes take messages as if nothing was before them.
    NoPrevious,
    /// Replicas say that they have everything.
    StaleAnswers,
    /// Audits are never answered.
    NoAudits,
    /// Gaps do not reach subscribers.
    SilentGaps,
    /// Every stream looks like the first.
    OneLife,
    /// What patterns have missed of the stream is not read.
    NoCoverage,
    /// Channels that appear behind a hole begin with what came.
    HastyAppearance,
    /// A process that goes on for another one looks for what patterns lack behind what is there.
    ForgottenSeen,
}

/// What one seed makes of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) nodes: usize,
    pub(super) channels: usize,
    pub(super) per_channel: usize,
    /// Of a hundred messages to a node, so many are lost unnoticed.
    pub(super) losses: u8,
    /// So many come late or twice.
    pub(super) late: u8,
    /// Of a hundred questions, so many are not answered.
    pub(super) failures: u8,
    /// Leaders are elected, nodes lose their connections, replicas fall behind.
    pub(super) is_rough: bool,
    /// Operators purge channels.
    pub(super) has_purges: bool,
    /// Streams are made anew, and disks rolled back.
    pub(super) has_lives: bool,
    /// Nodes have patterns.
    pub(super) watches: bool,
    /// Other processes go on in the places of nodes.
    pub(super) hands_over: bool,
}

impl Plan {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut rng = Rng::with_seed(seed);
        let per_channel = if rng.u8(..).is_multiple_of(3) { 3 } else { 0 };
        Plan {
            seed,
            sabotage,
            nodes: rng.usize(1..=3),
            channels: rng.usize(1..=4),
            per_channel,
            losses: *rng.choice(&[0, 0, 3, 20]).expect("some"),
            late: *rng.choice(&[0, 10, 30]).expect("some"),
            failures: *rng.choice(&[0, 5, 30]).expect("some"),
            is_rough: !rng.u8(..).is_multiple_of(4),
            // A purge hides that a channel had too many messages before.
            has_purges: per_channel == 0 && rng.u8(..).is_multiple_of(3),
            has_lives: rng.u8(..).is_multiple_of(3),
            watches: seed % 2 == 1,
            hands_over: !seed.is_multiple_of(4),
        }
    }

    /// Nothing that a gap could be about.
    pub(super) fn loses_nothing(&self) -> bool {
        let is_in_order = self.losses == 0 && self.late == 0 && self.failures == 0;
        let is_in_order = is_in_order && !self.hands_over;
        is_in_order && !self.is_rough && !self.has_purges && !self.has_lives
    }
}

//! Faults of what is taken from an external order, which the simulation must find.

use std::cell::Cell;

/// What is wrong about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamFault {
    /// What is missing in front of a message is not told.
    SilentHole,
    /// What an answer has behind the log's head is dropped.
    HalfAnswer,
    /// Older messages that a log has not are not asked for.
    Unasked,
    /// What comes of channels that are not followed is dropped, whatever patterns there are.
    Unseen,
    /// Updates are made of what was published before, when that comes again.
    Outdated,
    /// Updates are not made of what an answer has.
    Forgetful,
    /// Shards that have taken over do not all say what they watch.
    Unwatched,
    /// Shards that have taken over do not report their subscribers.
    Unreported,
}

thread_local! {
    /// Of the broker that this thread simulates.
    static PRESENT: Cell<Option<UpstreamFault>> = const { Cell::new(None) };
}

impl UpstreamFault {
    /// The brokers that this thread simulates from now on have this fault.
    pub(super) fn set(fault: Option<UpstreamFault>) {
        PRESENT.set(fault);
    }

    pub(super) fn is_present(self) -> bool {
        PRESENT.get() == Some(self)
    }
}

//! The only atomics of the engine: lanes and mailboxes between threads, the bell that wakes a
//! parked shard, and the counters that more than one thread touches.

mod atomics;
mod bell;
mod countdown;
mod lane;
mod lodgings;
mod mailbox;
mod parking;
mod room;
mod share;
mod shared;
mod tally;

pub use bell::Doorbell;
pub use countdown::Countdown;
pub use lane::{LaneReceiver, LaneSender, lane};
pub use lodgings::{AddressPermit, PerAddressLimit};
pub use mailbox::{Mailbox, MailboxReceiver, Permit, mailbox};
pub use share::PresplitArc;
pub use shared::{Heartbeat, Quota, Stage};
pub use tally::SingleWriterCounter;

/// Read-modify-writes and full fences of this thread since the last call.
#[cfg(test)]
pub(crate) fn take_count() -> u64 {
    atomics::counted::take()
}

/// Ends the process for a fault of our own, rather than strand a shard (invariant 9).
pub(crate) fn abort(what: &str) -> ! {
    // Not through `tracing` alone: nobody may be listening, and nothing runs after this.
    eprintln!("uringcast: internal error: {what}; aborting");
    std::process::abort()
}

//! The atomics of the engine, but for the ring's: lanes and mailboxes between threads, the doorbell
//! that wakes a parked shard, and the counters that more than one thread touches.

mod atomics;
mod capacity;
mod countdown;
mod doorbell;
mod heartbeat;
mod mailbox;
mod order_state;
mod parking;
mod per_address_limit;
mod presplit_arc;
mod quota;
mod room;
mod set_once;
mod single_writer_counter;
mod spsc;
mod stage;

pub use countdown::Countdown;
pub use doorbell::Doorbell;
pub use heartbeat::Heartbeat;
pub use mailbox::{Mailbox, MailboxReceiver, Permit, mailbox};
pub use order_state::OrderState;
pub use per_address_limit::{AddressPermit, PerAddressLimit};
pub use presplit_arc::PresplitArc;
pub use quota::Quota;
pub use room::Cost;
pub use set_once::SetOnce;
pub use single_writer_counter::SingleWriterCounter;
pub use spsc::{LaneReceiver, LaneSender, lane};
pub use stage::Stage;

use crate::limits::LAST_WORDS;

/// Read-modify-writes and full fences of this thread since the last call.
#[cfg(test)]
pub(crate) fn take_count() -> u64 {
    atomics::tests::take()
}

/// Ends the process after a bug of the engine, rather than strand a shard (invariant 9).
pub(crate) fn abort(what: &str) -> ! {
    // Not through `tracing`: there may be no subscriber, and nothing runs after this. Standard
    // error may take nothing: the process ends all the same.
    let text = format!("uringcast: internal error: {what}; aborting");
    let (written, waits) = std::sync::mpsc::channel();
    // Where no thread can be made there are no last words, and no wait for them.
    let _ = std::thread::Builder::new().spawn(move || {
        eprintln!("{text}");
        written.send(())
    });
    let _ = waits.recv_timeout(LAST_WORDS);
    std::process::abort()
}

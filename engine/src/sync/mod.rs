//! The only atomics of the engine: lanes and mailboxes between threads, the bell that wakes a
//! parked shard, and the counters that more than one shard touches.

mod bell;
mod countdown;
mod lane;
mod mailbox;
mod shared;

pub use bell::Bell;
pub use countdown::Countdown;
pub use lane::Lane;
pub use mailbox::{Mailbox, MailboxReceiver, mailbox};
pub use shared::{Heartbeat, Quota};

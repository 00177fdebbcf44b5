//! One shard's state and every decision about it, without I/O (invariant 8): see [`Hub`].

mod channel;
mod connection;
mod context;
mod core;
mod delivery;
pub mod effect;
mod hub;
mod link;
mod session;
pub mod shard_messages;
#[cfg(test)]
mod sim;
mod timers;
mod turn_limits;

pub use channel::{ChannelEntry, StatusSource};
pub use connection::{Admission, CloseReport, Exceeded};
pub use delivery::write_sink;
pub use hub::{Hub, ReceiveEnd};

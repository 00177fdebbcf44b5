//! Writes and reads of established connections on the delivery ring.
//!
//! `deliver` is the broker's write sink: one submission entry per write, sealed where there is TLS.
//! `receive` arms receives and polls, and hands their completions to the broker; what is armed on a
//! connection is a `slot`: its states and legal moves are two tables.

mod deliver;
mod receive;
mod slot;

pub use deliver::Delivery;
pub(super) use receive::Slots;

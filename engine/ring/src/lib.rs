//! An io_uring for many sockets that send the same bytes.

mod config;
pub mod ktls;
mod payloads;
pub mod probe;
mod queues;
mod receive_buffers;
mod ring;
mod send_batch;
mod slots;
mod user_data;
mod write_gate;

pub use config::Config;
pub use queues::RingStats;
pub use receive_buffers::Received;
pub use ring::{Completion, Ring};
pub use send_batch::{Exception, Refused, Sealed, Submitted};
pub use slots::{SLOT_BYTES, SlotKey};
pub use user_data::Operation;

//! Connections: one small record each, their states, and what the peer may send how fast.
//!
//! | file | type |
//! |---|---|
//! | `new_connection` | what the broker is told of a new one |
//! | `table` | [`Connections`]: all records of a shard |
//! | `record` | one of them |
//! | `former_ids` | ids that connections had with another process |
//! | `opening` | a stream of Server-Sent Events, and its request until that is answered |
//! | `state` | where a connection stands, and the table of legal moves |
//! | `connection_id` | the public id |
//! | `close_reason` | every reason to close: code, text, counter |
//! | `receive_end` | why receiving ended |
//! | `exceeded` | a limit that a peer has exceeded |
//! | `token_buckets` | token buckets of messages and bytes |
//! | `unfinished` | messages of which some has come |

mod close_reason;
mod connection_id;
mod exceeded;
mod former_ids;
mod new_connection;
mod opening;
mod receive_end;
mod record;
mod state;
mod table;
mod token_buckets;
mod unfinished;

pub(crate) use close_reason::CloseReason;
pub use exceeded::Exceeded;
pub use new_connection::Admission;
pub use receive_end::ReceiveEnd;
pub(crate) use record::{Connection, Pause};
pub(crate) use state::State;
pub(crate) use table::Connections;

//! Connections: one small record each, their states, and what the peer may send how fast.
//!
//! | file | type |
//! |---|---|
//! | `table` | [`Connections`]: all records of a shard |
//! | `record` | one of them |
//! | `state` | where a connection stands, and the table of legal moves |
//! | `close_reason` | every reason to close: code, text, counter |
//! | `close_report` | what the log says of a close that is the peer's fault |
//! | `rate_limit` | token buckets of messages and bytes |

mod close_reason;
mod close_report;
mod rate_limit;
mod record;
mod state;
mod table;

pub(crate) use close_reason::CloseReason;
pub use close_report::{CloseReport, Exceeded};
pub(crate) use record::{Connection, Pause};
pub(crate) use state::State;
pub use table::Admission;
pub(crate) use table::Connections;

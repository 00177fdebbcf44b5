//! What a running engine is, as plain data that another process can go on with: docs/HANDOVER.md.
//!
//! The predecessor's hubs make [`ShardState`]s of what they hold; the successor divides all of
//! them among its own shards, of which there may be another number, and makes hubs of the
//! [`Part`]s. Positions, epochs and times keep their meaning: the epoch is the same, the clock
//! counts from the same moment, and every subscription goes on behind what its socket was handed.
//!
//! | file | what |
//! |---|---|
//! | `engine_state` | [`EngineState`]: what is the same on all shards |
//! | `shard_state` | [`ShardState`]: what one of the predecessor's shards held |
//! | `homed_channel`, `roster_state` | [`Channel`] with its log, [`History`]; [`Roster`] |
//! | `connection_state` | [`Connection`], its [`Socket`], [`Subscription`]s, [`Debts`] |
//! | `session_state` | [`Session`]: identity, requests under way, what waits |
//! | `known_publication` | [`Published`]: ids of clients' publications |
//! | `inbound_state` | [`Inbound`]: a message of which some has come |
//! | `secret_bytes` | [`SecretBytes`]: keys and tokens |
//! | `blob` | [`Blob`]: state of the program around the engine |
//! | `byte_codec`, `format`, `document` | the bytes of all of it |
//! | `early_connections`, `early_division` | [`Early`]: connections that go over before the rest |
//! | `division`, `placement`, `shard_part` | [`State::divide`] and its [`Part`]s |
//! | `handover_error` | [`HandoverError`] |

mod blob;
mod byte_codec;
mod connection_state;
mod division;
mod document;
mod early_connections;
mod early_division;
mod engine_state;
mod format;
mod handover_error;
mod homed_channel;
mod inbound_state;
mod known_publication;
mod placement;
mod roster_state;
mod secret_bytes;
mod session_state;
mod shard_part;
mod shard_state;

pub use blob::Blob;
pub use connection_state::{
    Allowance, Attendance, Connection, Deadline, DeadlineKind, Debts, DeflateTerms, Socket, Stream,
    StreamRequest, Subscription,
};
#[cfg(any(test, fuzzing))]
pub(crate) use document::reseal;
pub use document::{FORMAT_VERSION, READABLE_FROM, State, head};
pub use early_connections::{Early, EarlyBook, EarlyPlace};
pub use engine_state::EngineState;
pub use handover_error::HandoverError;
pub use homed_channel::{Channel, History, Sent};
pub use inbound_state::{BegunFrame, BegunMessage, Inbound};
pub use known_publication::Published;
pub use roster_state::{Roster, RosterMember};
pub use secret_bytes::SecretBytes;
pub use session_state::{
    Action, CloseCause, Departure, EndKind, Fault, Identity, Order, SentMessage, Session,
    Verification, Waiting,
};
pub use shard_part::{EarlySubscription, Part, PlacedChannel, PlacedRole};
pub use shard_state::ShardState;

#[cfg(test)]
pub(crate) mod tests;

//! Bytes to types and back, without I/O and without a clock (invariant 8).
//!
//! In: [`upgrade`] takes the HTTP request, [`frame::Reader`] the stream behind it, with
//! [`deflate::Inflater`] where messages are compressed,
//! [`envelope::Inbound`] one message, [`request::Request`] its request.
//! Out: [`encoder::Encoder`] makes envelopes as ready WebSocket frames, [`reply`] their `data`;
//! [`event_stream`] makes Server-Sent Events of them.

pub mod availability;
pub mod client_hello;
pub mod deflate;
pub mod encoder;
pub mod envelope;
pub mod event_stream;
pub mod frame;
pub mod history;
mod json_members;
mod message;
pub mod proxy_protocol;
pub mod reply;
pub mod request;
mod secret;
pub mod status;
pub mod upgrade;

pub use history::{HistoryAnswer, HistoryMessage};
pub use message::{Message, OwnedMessage};
pub use reply::NotRecovered;
pub use secret::Secret;

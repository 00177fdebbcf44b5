//! Uringcast's engine.

pub mod broker;
mod config;
pub mod engine;
pub mod limits;
mod shard;
pub mod sync;
pub mod telemetry;
mod types;
pub mod wire;

pub use config::{Config, Correlation, Protocol, Retention};
pub use engine::{
    BatchTicket, ChannelInfo, DrainReport, Engine, Lost, Publisher, Saturated, StartError, Ticket,
};
pub use types::{
    ChannelName, ConnectionKey, Epoch, EventName, JsonObject, JsonObjectError, NameError, Now,
    Publication, Seq, ShardId, Time,
};

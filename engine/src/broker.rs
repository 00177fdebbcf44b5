//! One shard's state and every decision about it, without I/O (invariant 8): see [`Hub`].
//!
//! * `hub`: composition, and the contract with the event loop; `core`: what needs two components;
//! * `session`, `delivery`, `link`, `connection`, `channel`: the components, from the top down;
//! * `patterns`, `pattern_set`, `reach`: subscriptions to all channels with the same name prefix;
//! * `presence`, `presence_turn`: the members of channels, where these are kept;
//! * `context`, `timers`, `turn_limits`: time, settings, and what components ask of those above;
//! * `reconnects`: clients that are told to reconnect, and when their connections are closed;
//! * `shared_count`: what the services of a fleet share, and how much of it each may take;
//! * `log_page`: what is read of a log by request;
//! * `handover`, `early_marks`: what goes over to another process, and what comes from one;
//! * `inbound`, `lifecycle`, `tick`, `disconnect`, `reconfigure`: moves that need all components;
//! * `connection_query`, `connection_info`: what operators ask of connections, and are told;
//! * `effect`, `client_report`: what leaves the broker for its event loop;
//! * `shard_messages`, `from_shards`: what passes between shards;
//! * `upstream_messages`, `from_upstream`, `degradation`: the same with an external order;
//! * `sim`: a seeded simulation of several shards; `recovery_faults` and `upstream_faults` are
//!   planted for it to find.

mod channel;
mod client_report;
mod connection;
mod connection_info;
mod connection_query;
mod context;
mod core;
mod degradation;
mod delivery;
mod disconnect;
mod early_marks;
pub mod effect;
mod from_shards;
mod from_upstream;
mod handover;
mod hub;
mod inbound;
mod lifecycle;
mod link;
mod log_page;
mod pattern_set;
mod patterns;
mod presence;
mod presence_turn;
mod published_ids;
mod reach;
mod reconfigure;
mod reconnects;
#[cfg(test)]
mod recovery_faults;
mod session;
pub mod shard_messages;
mod shared_count;
#[cfg(test)]
mod sim;
mod tick;
mod timers;
mod turn_limits;
#[cfg(test)]
mod upstream_faults;
pub mod upstream_messages;

pub use channel::{ChannelEntry, ChannelState};
pub use connection::{Admission, Exceeded, ReceiveEnd};
pub use connection_info::{ConnectionDetail, ConnectionInfo, LagInfo};
pub use connection_query::{AddressFilter, ConnectionQuery};
pub use delivery::write_sink;
pub use effect::ClientReport;
pub use hub::Hub;
pub use log_page::{HistoryPosition, HistoryRange, LogPage};

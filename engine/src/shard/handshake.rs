//! From the listener to an upgraded connection.

pub(super) mod accept;
mod budget;
mod idle_eviction;
pub(super) mod queue;
mod rejection;
mod upgrade;

//! What is the same on all shards of an engine.

use crate::types::{Epoch, Homes, Time};

/// What is the same on all shards of an engine.
#[derive(Clone, Debug)]
pub struct EngineState {
    /// Of all its logs.
    pub epoch: Epoch,
    /// The predecessor's homes of channels: their key, which stays secret, goes over.
    pub(crate) homes: Homes,
    /// The predecessor's clock when the state was made. The successor's goes on from there: all
    /// times of the state count from the same moment.
    pub time: Time,
    /// The services by name, in their order.
    pub services: Vec<String>,
    /// An external order gives messages their positions.
    pub is_ordered_outside: bool,
}

impl EngineState {
    /// The homes of an engine that takes over with so many shards.
    pub(crate) fn homes(&self, shards: usize) -> Homes {
        self.homes.with_shards(shards)
    }
}

//! What a channel's messages have come to.

use super::{Epoch, JsonObject, Seq};

/// What a channel's messages up to a position have come to, as its service says.
#[derive(Clone, Debug)]
pub struct StateDocument {
    /// The document.
    pub state: JsonObject,
    /// The epoch of the position.
    pub epoch: Epoch,
    /// The last message that is in it.
    pub seq: Seq,
}

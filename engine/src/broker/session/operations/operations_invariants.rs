//! What tests and the simulation look at.

use super::Operations;
use crate::types::{ChannelIndex, ConnectionKey};

impl Operations {
    pub(in crate::broker::session) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The connection of the operation that another connection's record names.
    pub(in crate::broker::session) fn owner(&self, connection: u32) -> Option<ConnectionKey> {
        let id = self.current.get(connection as usize)?;
        Some(self.all.get(id.index())?.key)
    }

    /// What each operation holds.
    pub(in crate::broker::session) fn held(&self) -> impl Iterator<Item = ChannelIndex> + '_ {
        self.all.iter().flat_map(|(_, operation)| operation.channels.iter().copied())
    }
}

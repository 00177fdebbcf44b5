//! Ids of connections that another process has welcomed: they name places of that one.

use std::collections::HashMap;

use uuid::Uuid;

/// The ids that connections had before they were handed over, which they keep.
#[derive(Debug, Default)]
pub(super) struct FormerIds {
    /// By index.
    of: HashMap<u32, Uuid>,
    indices: HashMap<Uuid, u32>,
}

impl FormerIds {
    pub(super) fn insert(&mut self, index: u32, id: Uuid) {
        self.of.insert(index, id);
        self.indices.insert(id, index);
    }

    /// The connection is over.
    pub(super) fn remove(&mut self, index: u32) {
        if let Some(id) = self.of.remove(&index) {
            self.indices.remove(&id);
        }
    }

    pub(super) fn of(&self, index: u32) -> Option<Uuid> {
        self.of.get(&index).copied()
    }

    /// The index of the connection with this id.
    pub(super) fn find(&self, id: Uuid) -> Option<u32> {
        self.indices.get(&id).copied()
    }
}

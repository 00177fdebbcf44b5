//! Which connections have gone over to another process early, and whether what was said of them is
//! still true: docs/HANDOVER.md.

/// A mark for each connection, while there is a hand-over.
#[derive(Debug, Default)]
pub(super) struct EarlyMarks {
    /// By index. Empty without a hand-over.
    are_true: Vec<bool>,
}

impl EarlyMarks {
    /// None has gone over yet, of so many.
    pub(super) fn begin(&mut self, connections: usize) {
        self.are_true.clear();
        self.are_true.resize(connections, false);
    }

    /// There is no hand-over.
    pub(super) fn clear(&mut self) {
        self.are_true = Vec::new();
    }

    /// What was said just now of a connection is true.
    pub(super) fn set(&mut self, connection: u32) {
        if let Some(is_true) = self.are_true.get_mut(connection as usize) {
            *is_true = true;
        }
    }

    /// Something else than its position changes, that goes over.
    pub(super) fn touch(&mut self, connection: u32) {
        if let Some(is_true) = self.are_true.get_mut(connection as usize) {
            *is_true = false;
        }
    }

    /// Something may change of all.
    pub(super) fn touch_all(&mut self) {
        self.are_true.fill(false);
    }

    /// Whether some may have gone over.
    pub(super) fn has_some(&self) -> bool {
        !self.are_true.is_empty()
    }

    /// Whether what was said of a connection is true.
    pub(super) fn is_true(&self, connection: u32) -> bool {
        self.are_true.get(connection as usize).is_some_and(|is_true| *is_true)
    }
}

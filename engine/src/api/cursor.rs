//! Where a listing continues.

/// A shard, and a slot of the table that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub shard: usize,
    pub slot: u32,
}

impl Cursor {
    pub(super) fn decode(cursor: u64) -> Cursor {
        Cursor { shard: (cursor >> 32) as usize, slot: cursor as u32 }
    }

    pub(super) fn encode(self) -> u64 {
        (self.shard as u64) << 32 | u64::from(self.slot)
    }

    /// Behind a page of this shard that ends before `slot`, or with the shard's table.
    pub(super) fn next(self, slot: Option<u32>) -> Cursor {
        match slot {
            Some(slot) => Cursor { slot, ..self },
            None => Cursor { shard: self.shard + 1, slot: 0 },
        }
    }
}

#[cfg(test)]
mod tests;

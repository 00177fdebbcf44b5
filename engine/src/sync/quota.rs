//! Places for connections, taken and given back on every shard.

use super::capacity::Capacity;

/// Places for connections of the whole engine.
#[derive(Debug)]
pub struct Quota {
    room: Capacity,
    max: usize,
}

impl Quota {
    /// `max` places, all free.
    pub fn new(max: usize) -> Quota {
        Quota { room: Capacity::default(), max }
    }

    /// Takes a place. Returns whether there was one; then [`release`](Quota::release) it once.
    #[must_use]
    pub fn try_acquire(&self) -> bool {
        self.room.try_take(1, self.max)
    }

    /// Gives a place back.
    pub fn release(&self) {
        self.room.give_back(1);
    }

    /// Places taken now.
    pub fn in_use(&self) -> usize {
        self.room.used()
    }
}

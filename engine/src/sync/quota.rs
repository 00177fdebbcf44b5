//! Places for connections, taken and given back on every shard.

use super::capacity::Capacity;

/// Places for connections of the whole engine.
#[derive(Debug, Default)]
pub struct Quota {
    room: Capacity,
}

impl Quota {
    /// Takes one of `max` places. Returns whether there was one; then
    /// [`release`](Quota::release) it once. `max` may be another one each time.
    #[must_use]
    pub fn try_acquire(&self, max: usize) -> bool {
        self.room.try_take(1, max)
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

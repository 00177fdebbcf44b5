//! The name of one life of a slot.

/// One life of a slot: from [`crate::Ring::place`] to [`crate::Ring::clear`].
///
/// ```
/// use uringcast_ring::SlotKey;
///
/// let first = SlotKey::new(7);
/// assert_eq!(first.next_life(), SlotKey { index: 7, generation: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotKey {
    /// Index into the ring's registered files.
    pub index: u32,
    /// How often the slot was used before, modulo 2^16.
    pub generation: u16,
}

impl SlotKey {
    /// The first life of a slot.
    pub fn new(index: u32) -> SlotKey {
        SlotKey { index, generation: 0 }
    }

    /// The key to place the next socket under, once this life is over.
    #[must_use]
    pub fn next_life(self) -> SlotKey {
        SlotKey { generation: self.generation.wrapping_add(1), ..self }
    }
}

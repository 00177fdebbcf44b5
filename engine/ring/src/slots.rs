//! The slots: which life each is in, and what is armed on it.

use crate::slot_key::SlotKey;
use crate::user_data::Operation;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    generation: u16,
    is_occupied: bool,
    /// A bit for each [`Operation`] whose final completion has not been reported.
    armed: u8,
}

/// Bytes of memory that a ring needs for each slot, beside the kernel's.
pub const SLOT_BYTES: usize = size_of::<Slot>();

/// All slots of a ring, by index.
#[derive(Debug)]
pub(crate) struct Slots(Vec<Slot>);

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        Slots(vec![Slot::default(); count])
    }

    /// A life begins.
    pub(crate) fn occupy(&mut self, key: SlotKey) {
        let slot = &mut self.0[key.index as usize];
        assert!(!slot.is_occupied, "{key:?} is placed into an occupied slot");
        *slot = Slot { generation: key.generation, is_occupied: true, armed: 0 };
    }

    /// The life of a key is over. Returns whether it was not before.
    pub(crate) fn vacate(&mut self, key: SlotKey) -> bool {
        let Some(slot) = self.current(key) else { return false };
        assert!(slot.armed == 0, "{key:?} is cleared while an operation is armed on it");
        slot.is_occupied = false;
        true
    }

    pub(crate) fn is_current(&self, key: SlotKey) -> bool {
        self.armed(key).is_some()
    }

    /// An operation is about to be submitted.
    pub(crate) fn arm(&mut self, operation: Operation, key: SlotKey) {
        let slot = self.current(key);
        let slot = slot.unwrap_or_else(|| panic!("{operation:?} on {key:?}, which is over"));
        assert!(slot.armed & bit(operation) == 0, "{operation:?} is armed on {key:?} already");
        slot.armed |= bit(operation);
    }

    /// An operation has completed, for the last time unless `more`. Returns whether its life is
    /// the slot's present one.
    pub(crate) fn complete(&mut self, operation: Operation, key: SlotKey, more: bool) -> bool {
        let Some(slot) = self.current(key) else { return false };
        if !more {
            slot.armed &= !bit(operation);
        }
        true
    }

    pub(crate) fn is_armed(&self, operation: Operation, key: SlotKey) -> bool {
        self.armed(key).is_some_and(|armed| armed & bit(operation) != 0)
    }

    /// Whether nothing is armed in this life.
    pub(crate) fn is_idle(&self, key: SlotKey) -> bool {
        self.armed(key).is_none_or(|armed| armed == 0)
    }

    /// What is armed in this life; `None` if it is over.
    fn armed(&self, key: SlotKey) -> Option<u8> {
        let slot = self.0.get(key.index as usize)?;
        (slot.is_occupied && slot.generation == key.generation).then_some(slot.armed)
    }

    fn current(&mut self, key: SlotKey) -> Option<&mut Slot> {
        let slot = self.0.get_mut(key.index as usize)?;
        (slot.is_occupied && slot.generation == key.generation).then_some(slot)
    }
}

fn bit(operation: Operation) -> u8 {
    1 << operation as u8
}

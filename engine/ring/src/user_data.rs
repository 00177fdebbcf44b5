//! What an entry of the ring carries to its completion: kind (8 bits), spare (8), generation or
//! entry of the batch (16), slot (32).

use crate::slot_key::SlotKey;

/// An operation that may outlast the submission that starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// A receive, multishot or of one buffer.
    Receive = 1,
    /// A one-shot poll for room to write.
    Poll,
    /// The shutdown of the writing half (FIN).
    Shutdown,
    /// The copy of the slot's socket into another ring.
    Copy,
}

/// What a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reported to the caller.
    Armed(Operation),
    /// A send that was not whole.
    Send,
    /// A cancellation that found nothing.
    Cancel,
    /// One of the operations that [`crate::ktls`] waits for.
    Control,
}

/// The 64 bits themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserData(pub u64);

impl UserData {
    const SEND: u8 = 5;
    const CANCEL: u8 = 6;
    const CONTROL: u8 = 7;

    /// Of an operation that may outlast its submission.
    pub(crate) fn armed(operation: Operation, key: SlotKey) -> UserData {
        UserData::pack(operation as u8, key.generation, key.index)
    }

    /// Of a send: it ends inside its submission, so it carries its place in the batch instead
    /// of the generation.
    pub(crate) fn send(entry: u16, slot: u32) -> UserData {
        UserData::pack(UserData::SEND, entry, slot)
    }

    pub(crate) fn cancel(key: SlotKey) -> UserData {
        UserData::pack(UserData::CANCEL, key.generation, key.index)
    }

    pub(crate) fn control(slot: u32) -> UserData {
        UserData::pack(UserData::CONTROL, 0, slot)
    }

    fn pack(kind: u8, middle: u16, slot: u32) -> UserData {
        UserData(u64::from(kind) << 56 | u64::from(middle) << 32 | u64::from(slot))
    }

    pub(crate) fn kind(self) -> Kind {
        match (self.0 >> 56) as u8 {
            1 => Kind::Armed(Operation::Receive),
            2 => Kind::Armed(Operation::Poll),
            3 => Kind::Armed(Operation::Shutdown),
            4 => Kind::Armed(Operation::Copy),
            UserData::SEND => Kind::Send,
            UserData::CANCEL => Kind::Cancel,
            UserData::CONTROL => Kind::Control,
            other => unreachable!("no operation {other} was ever submitted"),
        }
    }

    pub(crate) fn key(self) -> SlotKey {
        SlotKey { index: self.slot(), generation: self.entry() }
    }

    pub(crate) fn entry(self) -> u16 {
        (self.0 >> 32) as u16
    }

    pub(crate) fn slot(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests;

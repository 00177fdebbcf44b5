//! What an entry of the ring carries to its completion: operation (8 bits), spare (8), generation
//! or entry of the batch (16), index (32).

use crate::types::ConnectionKey;

/// What was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::shard) enum Operation {
    Send = 1,
    Receive,
    Poll,
    Shutdown,
    Cancel,
    Control,
}

/// The 64 bits themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserData(pub u64);

impl UserData {
    /// Of an operation that may outlive its connection.
    pub(super) fn of(operation: Operation, key: ConnectionKey) -> UserData {
        UserData::pack(operation, key.generation, key.index)
    }

    /// Of a send: it ends inside its submission, so its place in the batch says more than the
    /// generation.
    pub(super) fn of_send(entry: u16, connection: u32) -> UserData {
        UserData::pack(Operation::Send, entry, connection)
    }

    fn pack(operation: Operation, middle: u16, index: u32) -> UserData {
        UserData((operation as u64) << 56 | u64::from(middle) << 32 | u64::from(index))
    }

    pub(super) fn operation(self) -> Operation {
        match self.0 >> 56 {
            1 => Operation::Send,
            2 => Operation::Receive,
            3 => Operation::Poll,
            4 => Operation::Shutdown,
            5 => Operation::Cancel,
            6 => Operation::Control,
            other => unreachable!("no operation {other} was ever submitted"),
        }
    }

    pub(super) fn key(self) -> ConnectionKey {
        ConnectionKey { index: self.index(), generation: self.entry() }
    }

    pub(super) fn entry(self) -> u16 {
        (self.0 >> 32) as u16
    }

    pub(super) fn index(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back() {
        use Operation::{Cancel, Control, Poll, Receive, Send, Shutdown};
        for operation in [Send, Receive, Poll, Shutdown, Cancel, Control] {
            let key = ConnectionKey { index: u32::MAX - 1, generation: 0xfedc };
            let user_data = UserData::of(operation, key);
            assert_eq!((user_data.operation(), user_data.key()), (operation, key));
        }
        let send = UserData::of_send(255, 7);
        assert_eq!((send.operation(), send.entry(), send.index()), (Send, 255, 7));
    }
}

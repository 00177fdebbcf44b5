//! Sockets that go from one ring to another one, also between processes.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::opcode::MsgRingSendFd;
use io_uring::types::{DestinationSlot, Fd, Fixed};

use super::Ring;
use crate::peer_process::RemoteRing;
use crate::slot_key::SlotKey;
use crate::user_data::Operation;

/// The other ring gets no completion (`IORING_MSG_RING_CQE_SKIP`): its process is told otherwise.
const NO_COMPLETION_THERE: u32 = 1;

impl<P> Ring<P> {
    /// The ring's own descriptor, by whose number another process reaches it:
    /// [`PeerProcess::ring`](crate::PeerProcess::ring).
    pub fn own_descriptor(&self) -> RawFd {
        self.queues.uring.as_raw_fd()
    }

    /// Queues a copy of a slot's socket into slot `to` of another ring, whatever is there. It
    /// completes with a negative error number if it failed, and late where several rings copy to
    /// one at a time. `ring` must live until then.
    ///
    /// # Panics
    /// If the key's life is over, a copy of it is under way, or no slot can have the number `to`.
    pub fn copy_to(&mut self, key: SlotKey, ring: &RemoteRing, to: u32) {
        let to = DestinationSlot::try_from_slot_target(to).expect("a slot's number");
        let entry = MsgRingSendFd::new(Fd(ring.descriptor()), Fixed(key.index), to, 0);
        let entry = entry.opcode_flags(NO_COMPLETION_THERE).build();
        self.arm(Operation::Copy, key, entry);
    }

    /// The life of `key` begins, with the socket that another ring has copied into its slot.
    ///
    /// # Panics
    /// If the slot is occupied or not one of the ring's.
    pub fn adopt(&mut self, key: SlotKey) {
        self.slots.occupy(key);
    }

    /// The life of `key`, on which nothing was armed, ends as if it had not begun: the socket stays
    /// in its slot, for [`Ring::adopt`].
    ///
    /// # Panics
    /// If an operation is armed on it.
    pub fn disown(&mut self, key: SlotKey) {
        self.slots.vacate(key);
    }
}

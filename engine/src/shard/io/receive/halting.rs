//! Receiving during a hand-over: it stops everywhere, connection by connection, and goes on where
//! that fails.

use super::Slots;
use crate::shard::delivery_ring::RemoteRing;
use crate::shard::io::slot::{ReceiveState, Slot, SlotState};
use crate::types::{ConnectionKey, ServiceId};

impl Slots {
    /// From now on no receive is armed. What is armed stays so: [`Slots::stop_receiving`].
    pub(crate) fn halt(&mut self) {
        self.is_halted = true;
        self.copy_fault = None;
    }

    /// Receives are armed again, those first that were stopped.
    pub(crate) fn go_on(&mut self) {
        self.is_halted = false;
    }

    /// Ends a receive that is armed, which is not armed again before [`Slots::go_on`].
    pub(crate) fn stop_receiving(&mut self, key: ConnectionKey) {
        if self.current(key).is_some_and(|slot| slot.receive == ReceiveState::Armed) {
            self.pause(key);
            self.resume(key);
        }
    }

    /// Copies an open connection's socket into a slot of another process's ring.
    pub(crate) fn copy(&mut self, key: ConnectionKey, ring: &RemoteRing, to: u32) {
        let open = |slot: &&mut Slot| !slot.is_closing() && !slot.copying;
        if let Some(slot) = self.current(key).filter(open) {
            slot.copying = true;
            self.delivery.ring.copy_to(key.into(), ring, to);
        }
    }

    /// A copy has ended.
    pub(super) fn copied(&mut self, key: ConnectionKey, result: i32) {
        self.slot(key).copying = false;
        if result < 0 {
            self.copy_fault = Some(-result);
        }
    }

    /// The error number of a copy that has failed since [`Slots::halt`].
    pub(crate) fn copy_fault(&self) -> Option<i32> {
        self.copy_fault
    }

    /// Whether no receive of an open connection is armed, and no copy is under way.
    pub(crate) fn have_stopped(&self) -> bool {
        self.slots.iter().all(|slot| {
            let is_receiving = matches!(
                slot.receive,
                ReceiveState::Armed | ReceiveState::Cancelling | ReceiveState::Restarting
            );
            !(slot.copying || slot.state == SlotState::Open && is_receiving)
        })
    }

    /// How far receiving from a connection that may go over is: whether its end was reported;
    /// `None` if the connection is closing.
    pub(crate) fn receive_ended(&self, key: ConnectionKey) -> Option<bool> {
        let slot = self.slots[key.index as usize];
        match slot.state {
            SlotState::Open if slot.generation == key.generation => Some(false),
            SlotState::EndReported if slot.generation == key.generation => Some(true),
            _ => None,
        }
    }

    /// Whether a slot has no connection.
    pub(crate) fn is_empty(&self, index: u32) -> bool {
        self.slots[index as usize].state == SlotState::Empty
    }

    /// The keys of all connections that are not closing.
    pub(crate) fn unclosed(&self) -> impl Iterator<Item = ConnectionKey> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let is_one = matches!(slot.state, SlotState::Open | SlotState::EndReported);
            is_one.then_some(ConnectionKey { index, generation: slot.generation })
        })
    }

    /// Takes over a slot that was opened, with the socket that another process has put there. With
    /// `receive_ended` the end of what its peer sends was reported there.
    pub(crate) fn adopt(&mut self, key: ConnectionKey, receive_ended: bool) {
        self.delivery.ring.adopt(key.into());
        if receive_ended {
            self.pause(key);
            self.slot(key).enter(SlotState::EndReported);
        }
    }

    /// Takes back that a slot was opened and adopted, before anything was armed on it: its socket
    /// stays there. Returns the `quota` given to `open`.
    pub(crate) fn disown(&mut self, key: ConnectionKey) -> Option<ServiceId> {
        let slot = self.slot(key);
        assert!(slot.is_quiet(), "something is armed on a slot to be disowned (invariant 12)");
        let quota = std::mem::take(slot).quota;
        self.delivery.drop_session(key.index);
        self.delivery.ring.disown(key.into());
        quota
    }

    /// Closes what another process has put into a slot for a connection that has ended since.
    pub(crate) fn discard(&mut self, key: ConnectionKey) {
        self.delivery.ring.adopt(key.into());
        self.delivery.ring.clear(key.into());
    }
}

//! Receiving: what is armed on each slot, and what completions mean to the broker.

mod halting;

use std::collections::VecDeque;

use super::deliver::Delivery;
use super::slot::{ReceiveState, Slot, SlotState};
use crate::broker::{Hub, ReceiveEnd};
use crate::limits::{FULL_REARMS, REARMS_PER_TURN, RECEIVE_BUFFER};
use crate::shard::delivery_ring::{Completion, Operation, Received};
use crate::shard::tls::ControlOutcome;
use crate::telemetry::Count;
use crate::types::{ConnectionKey, ServiceId};

/// All slots of a shard, by index, and the ring that they are on. Effects of the broker name open
/// connections: another key is a bug, and aborts. Completions may be late, and are ignored then
/// (invariant 12).
pub(crate) struct Slots {
    pub delivery: Delivery,
    slots: Vec<Slot>,
    /// To be armed, in order. May hold stale keys: the slot's state decides.
    queue: VecDeque<ConnectionKey>,
    /// The same of those that filled the buffer of their last receive and have more to be received:
    /// few at a time, so that a crowd that sends much delays those that send little only by them.
    full: VecDeque<ConnectionKey>,
    /// Nothing is armed: all connections are handed to another process.
    is_halted: bool,
    /// A socket could not be copied to that, with this error number.
    copy_fault: Option<i32>,
    /// Plaintext of the present receive.
    plain: Vec<u8>,
}

impl Slots {
    /// `count` empty slots.
    pub(crate) fn new(count: usize, delivery: Delivery) -> Slots {
        let slots = vec![Slot::default(); count];
        let (queue, full, plain) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Slots { delivery, slots, queue, full, is_halted: false, copy_fault: None, plain }
    }

    /// Occupies a connection's slot and queues its receive. `metered`: into one buffer at a time,
    /// so that a pause takes effect before the next. `quota` is returned by `release`.
    pub(crate) fn open(&mut self, key: ConnectionKey, metered: bool, quota: Option<ServiceId>) {
        let slot = &mut self.slots[key.index as usize];
        slot.enter(SlotState::Open);
        (slot.generation, slot.metered, slot.quota) = (key.generation, metered, quota);
        self.resume(key);
    }

    /// Empties the slot of a closed connection, which closes the socket. Returns the `quota` given
    /// to `open`.
    pub(crate) fn release(&mut self, key: ConnectionKey) -> Option<ServiceId> {
        let slot = self.slot(key);
        assert!(slot.is_quiet(), "something is armed on a slot to be emptied (invariant 12)");
        slot.enter(SlotState::Empty);
        let quota = std::mem::take(slot).quota;
        self.delivery.drop_session(key.index);
        self.delivery.ring.clear(key.into());
        quota
    }

    /// Receives again.
    pub(crate) fn resume(&mut self, key: ConnectionKey) {
        let slot = self.slot(key);
        if slot.state != SlotState::Open {
            return;
        }
        match slot.receive {
            ReceiveState::Off => {
                slot.set_receive(ReceiveState::Queued);
                if slot.filled { self.full.push_back(key) } else { self.queue.push_back(key) }
            }
            ReceiveState::Cancelling => slot.set_receive(ReceiveState::Restarting),
            ReceiveState::Queued | ReceiveState::Armed | ReceiveState::Restarting => {}
        }
    }

    /// Receives no more until `resume`.
    pub(crate) fn pause(&mut self, key: ConnectionKey) {
        let slot = self.slot(key);
        match slot.receive {
            ReceiveState::Queued => slot.set_receive(ReceiveState::Off),
            ReceiveState::Armed => {
                slot.set_receive(ReceiveState::Cancelling);
                self.delivery.ring.cancel(Operation::Receive, key.into());
            }
            ReceiveState::Restarting => slot.set_receive(ReceiveState::Cancelling),
            ReceiveState::Off | ReceiveState::Cancelling => {}
        }
    }

    /// Reports room to write, once.
    pub(crate) fn await_writable(&mut self, key: ConnectionKey) {
        let slot = self.slot(key);
        if !slot.polling && !slot.is_closing() {
            slot.polling = true;
            self.delivery.ring.poll_writable(key.into());
        }
    }

    /// Sends a FIN, over TLS behind a close_notify.
    pub(crate) fn shutdown_write(&mut self, key: ConnectionKey) {
        let slot = self.slot(key);
        if !slot.shutting {
            slot.shutting = true;
            self.delivery.send_close(key.index);
            self.delivery.ring.shutdown_write(key.into());
        }
    }

    /// Ends receiving and polling for good. Returns whether nothing is armed already.
    pub(crate) fn close(&mut self, key: ConnectionKey) -> bool {
        self.pause(key);
        let slot = self.slot(key);
        if slot.is_closing() {
            return false;
        }
        slot.enter(SlotState::Closing);
        if slot.polling {
            self.delivery.ring.cancel(Operation::Poll, key.into());
        }
        self.slot(key).finish_close()
    }

    /// Arms queued receives, so many per iteration. Returns whether some are left.
    pub(crate) fn rearm(&mut self) -> bool {
        if self.is_halted {
            return false;
        }
        for _ in 0..REARMS_PER_TURN {
            let Some(key) = self.queue.pop_front() else { break };
            self.arm(key);
        }
        for _ in 0..FULL_REARMS {
            let Some(key) = self.full.pop_front() else { break };
            self.arm(key);
        }
        !(self.queue.is_empty() && self.full.is_empty())
    }

    fn arm(&mut self, key: ConnectionKey) {
        let queued = |slot: &&mut Slot| slot.receive == ReceiveState::Queued;
        if let Some(slot) = self.current(key).filter(queued) {
            slot.set_receive(ReceiveState::Armed);
            match slot.metered {
                true => self.delivery.ring.receive_once(key.into()),
                false => self.delivery.ring.receive(key.into()),
            }
        }
    }

    /// Hands one completion to the broker.
    pub(crate) fn complete(&mut self, completion: Completion, hub: &mut Hub) {
        let key = completion.key.into();
        let Some(slot) = self.current(key) else {
            // Late: the slot was released since (invariant 12).
            if let Some(received) = completion.received {
                self.delivery.ring.give_back(received);
            }
            return;
        };
        match completion.operation {
            Operation::Receive => self.received(completion, hub),
            Operation::Poll => {
                slot.polling = false;
                if !slot.is_closing() {
                    hub.handle_writable(key);
                }
            }
            Operation::Shutdown => slot.shutting = false,
            Operation::Copy => self.copied(key, completion.result),
        }
        if self.slot(key).finish_close() {
            hub.handle_receive_ended(key);
        }
    }

    fn received(&mut self, completion: Completion, hub: &mut Hub) {
        let Completion { result, received, more, .. } = completion;
        let key = completion.key.into();
        let slot = self.slot(key);
        let wanted = slot.state == SlotState::Open;
        let mut end = None;
        if let Some(received) = received {
            slot.filled = result as usize == RECEIVE_BUFFER;
            if wanted && result > 0 {
                end = self.hand_over(key, &received, hub);
            }
            // Before the receive is armed again, or it might find no buffer.
            self.delivery.ring.give_back(received);
        }
        if !more {
            end = end.or(self.disarmed(key, result, hub));
        }
        if let Some(end) = end {
            self.report_end(key, end, hub);
        } else if wanted && hub.is_paused(key) {
            // At once, not with the effects: until then it could fill every buffer there is.
            self.pause(key);
        }
    }

    /// Handles the final completion of a receive. Returns the end that it means, if any. Over
    /// kernel TLS, a control record may have ended it.
    fn disarmed(&mut self, key: ConnectionKey, result: i32, hub: &mut Hub) -> Option<ReceiveEnd> {
        let slot = self.slot(key);
        let before = slot.receive;
        slot.set_receive(ReceiveState::Off);
        match -result {
            0 => return Some(ReceiveEnd::Eof),
            libc::ENOBUFS => hub.recorder().count(Count::BuffersExhausted, 1),
            libc::ECANCELED | ..0 => {}
            errno => match self.delivery.handle_control_record(key.index, errno) {
                None | Some(ControlOutcome::Reset) => return Some(ReceiveEnd::Reset),
                Some(ControlOutcome::Eof) => return Some(ReceiveEnd::Eof),
                Some(ControlOutcome::Violation) => return Some(ReceiveEnd::TlsFault),
                Some(ControlOutcome::KeysLost) => {
                    let slot = self.slot(key);
                    if slot.state == SlotState::Open {
                        slot.enter(SlotState::EndReported);
                    }
                    hub.handle_lost_keys(key);
                }
                Some(ControlOutcome::Data(mut bytes)) => hub.handle_received(key, &mut bytes),
                Some(ControlOutcome::Rekeyed) => {
                    hub.recorder().count(Count::TlsKeyUpdates, 1);
                    hub.handle_control_records(key, 1);
                }
                Some(ControlOutcome::Continue) => hub.handle_control_records(key, 1),
            },
        }
        // Settings may have changed.
        self.slot(key).metered = hub.is_metered(key);
        if matches!(before, ReceiveState::Armed | ReceiveState::Restarting) {
            self.resume(key);
        }
        None
    }

    /// Passes received bytes on, over TLS as plaintext. Returns the end that they mean, if any.
    fn hand_over(
        &mut self,
        key: ConnectionKey,
        received: &Received,
        hub: &mut Hub,
    ) -> Option<ReceiveEnd> {
        self.plain.clear();
        let Some(opened) = self.delivery.open(key.index, received, &mut self.plain) else {
            hub.handle_received(key, self.delivery.ring.bytes(received));
            return None;
        };
        if !self.plain.is_empty() {
            hub.handle_received(key, &mut self.plain);
        }
        match opened {
            Ok(opened) => {
                if opened.controls > 0 {
                    hub.handle_control_records(key, opened.controls.into());
                }
                opened.eof.then_some(ReceiveEnd::Eof)
            }
            Err(fault) => {
                tracing::debug!(%fault, "a peer broke TLS");
                self.delivery.send_close(key.index);
                self.delivery.finish();
                Some(ReceiveEnd::TlsFault)
            }
        }
    }

    /// Stops receiving, and reports to the broker once that nothing more will be received.
    pub(crate) fn report_end(&mut self, key: ConnectionKey, end: ReceiveEnd, hub: &mut Hub) {
        self.pause(key);
        let slot = self.slot(key);
        if slot.state != SlotState::Open {
            return;
        }
        slot.enter(SlotState::EndReported);
        if end == ReceiveEnd::TlsFault && !slot.shutting {
            // Behind the alert. Linux 6.1 closes the socket of an emptied slot only when the
            // receives armed before on other slots have ended: the FIN informs the peer now.
            slot.shutting = true;
            self.delivery.ring.shutdown_write(key.into());
        }
        hub.handle_end(key, end);
    }

    /// The slot of an open connection.
    fn slot(&mut self, key: ConnectionKey) -> &mut Slot {
        self.current(key).expect("the broker names open connections only")
    }

    /// The slot, if it is still this connection's.
    fn current(&mut self, key: ConnectionKey) -> Option<&mut Slot> {
        let slot = &mut self.slots[key.index as usize];
        (slot.state != SlotState::Empty && slot.generation == key.generation).then_some(slot)
    }
}

#[cfg(test)]
mod tests;

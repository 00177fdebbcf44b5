//! Receiving: what is armed on each slot, and what its completions mean.
//!
//! | state | resume | pause, end | final completion |
//! |---|---|---|---|
//! | Off | Queued | | |
//! | Queued | | Off | |
//! | Armed | | Cancelling | Queued (data, no buffers) or Off (ended) |
//! | Cancelling | Restarting | | Off |
//! | Restarting | | Cancelling | Queued |

mod control;

use std::collections::VecDeque;

use uringcast_ring::{Completion, Operation, Received};

use super::deliver::Delivery;
use crate::broker::hub::{Hub, ReceiveEnd};
use crate::limits::{REARMS_PER_TURN, SLOT_RECORD};
use crate::telemetry::Count;
use crate::types::{ConnectionKey, Now, ServiceId};

/// Whether a receive is armed on a slot, or should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Receive {
    /// Nothing armed, nothing wanted.
    #[default]
    Off,
    /// Waits for its turn to be armed.
    Queued,
    Armed,
    /// Being cancelled; its final completion has not come.
    Cancelling,
    /// As `Cancelling`, but to be armed again afterwards.
    Restarting,
}

/// What the shell knows about one connection.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    generation: u16,
    receive: Receive,
    /// Occupied: between `open` and `release`.
    open: bool,
    /// Received from one buffer at a time.
    metered: bool,
    /// A poll for room to write is armed.
    polling: bool,
    /// A FIN is on its way.
    shutting: bool,
    /// The broker was told that nothing more will come.
    ended: bool,
    /// The broker waits to hear that nothing is armed any more,
    ending: bool,
    /// and was told so.
    told: bool,
    /// Whose quota it holds a place of.
    counted: Option<ServiceId>,
}

const _: () = assert!(size_of::<Slot>() + uringcast_ring::SLOT_BYTES <= SLOT_RECORD);

/// All slots of a shard, by index.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// To be armed, in order. May hold stale keys: the slot's state decides.
    queue: VecDeque<ConnectionKey>,
    /// Plaintext of the receive at hand.
    plain: Vec<u8>,
}

impl Slots {
    /// `count` empty slots.
    pub(super) fn new(count: usize) -> Slots {
        let slots = vec![Slot::default(); count];
        Slots { slots, queue: VecDeque::new(), plain: Vec::new() }
    }

    /// A connection was put into its slot; its receive is queued. `metered`: from one buffer at a
    /// time, so that a pause comes before the next. `counted` is kept for `release`.
    pub(super) fn open(&mut self, key: ConnectionKey, metered: bool, counted: Option<ServiceId>) {
        let slot = &mut self.slots[key.index as usize];
        debug_assert!(!slot.open, "a slot is reused only after its release (invariant 12)");
        let generation = key.generation;
        *slot = Slot { generation, open: true, metered, counted, ..Slot::default() };
        self.resume(key);
    }

    /// The connection is gone and its slot may be emptied. Returns what `open` was told.
    pub(super) fn release(&mut self, key: ConnectionKey) -> Option<ServiceId> {
        let slot = self.current(key)?;
        assert!(slot.is_quiet(), "something is armed on a slot to be emptied (invariant 12)");
        std::mem::take(slot).counted
    }

    /// Receives again.
    pub(super) fn resume(&mut self, key: ConnectionKey) {
        let Some(slot) = self.current(key).filter(|slot| !slot.ending && !slot.ended) else {
            return;
        };
        match slot.receive {
            Receive::Off => {
                slot.receive = Receive::Queued;
                self.queue.push_back(key);
            }
            Receive::Cancelling => slot.receive = Receive::Restarting,
            Receive::Queued | Receive::Armed | Receive::Restarting => {}
        }
    }

    /// Receives no more until `resume`.
    pub(super) fn pause(&mut self, key: ConnectionKey, delivery: &mut Delivery) {
        let Some(slot) = self.current(key) else { return };
        match slot.receive {
            Receive::Queued => slot.receive = Receive::Off,
            Receive::Armed => {
                slot.receive = Receive::Cancelling;
                delivery.ring.cancel(Operation::Receive, key);
            }
            Receive::Restarting => slot.receive = Receive::Cancelling,
            Receive::Off | Receive::Cancelling => {}
        }
    }

    /// Reports room to write, once.
    pub(super) fn await_writable(&mut self, key: ConnectionKey, delivery: &mut Delivery) {
        let Some(slot) = self.current(key).filter(|slot| !slot.polling && !slot.ending) else {
            return;
        };
        slot.polling = true;
        delivery.ring.poll_writable(key);
    }

    /// Sends a FIN, over TLS behind a close_notify.
    pub(super) fn shutdown_write(&mut self, key: ConnectionKey, delivery: &mut Delivery) {
        let Some(slot) = self.current(key).filter(|slot| !slot.shutting) else { return };
        slot.shutting = true;
        delivery.say_close(key.index);
        delivery.ring.shutdown_write(key);
    }

    /// Ends receiving and polling for good. Returns whether nothing is armed already.
    pub(super) fn end(&mut self, key: ConnectionKey, delivery: &mut Delivery) -> bool {
        self.pause(key, delivery);
        let Some(slot) = self.current(key) else { return false };
        slot.ending = true;
        if slot.polling {
            delivery.ring.cancel(Operation::Poll, key);
        }
        slot.take_end()
    }

    /// Arms what waits for it, so many a turn. Returns whether some are left.
    pub(super) fn rearm(&mut self, delivery: &mut Delivery) -> bool {
        for _ in 0..REARMS_PER_TURN {
            let Some(key) = self.queue.pop_front() else { return false };
            if let Some(slot) = self.current(key).filter(|slot| slot.receive == Receive::Queued) {
                slot.receive = Receive::Armed;
                match slot.metered {
                    true => delivery.ring.receive_once(key),
                    false => delivery.ring.receive(key),
                }
            }
        }
        !self.queue.is_empty()
    }

    /// Hands one completion to the broker.
    pub(super) fn complete(
        &mut self,
        now: Now,
        completion: Completion,
        delivery: &mut Delivery,
        hub: &mut Hub,
    ) {
        let key = completion.key.into();
        let Some(slot) = self.current(key) else {
            // Of an earlier life of the slot: harmless (invariant 12).
            if let Some(received) = completion.received {
                delivery.ring.give_back(received);
            }
            return;
        };
        match completion.operation {
            Operation::Receive => self.received(now, completion, delivery, hub),
            Operation::Poll => {
                slot.polling = false;
                if !slot.ending {
                    hub.handle_writable(now, key);
                }
            }
            Operation::Shutdown => slot.shutting = false,
        }
        if self.current(key).is_some_and(Slot::take_end) {
            hub.handle_receive_ended(now, key);
        }
    }

    fn received(
        &mut self,
        now: Now,
        completion: Completion,
        delivery: &mut Delivery,
        hub: &mut Hub,
    ) {
        let Completion { result, received, more, .. } = completion;
        let key = completion.key.into();
        let wanted = self.current(key).is_some_and(|slot| !slot.ending && !slot.ended);
        let mut end = None;
        if let Some(received) = received {
            if wanted && result > 0 {
                end = self.hand_over(now, key, &received, delivery, hub);
            }
            // Before the receive is armed again, or it might find no buffer.
            delivery.ring.give_back(received);
        }
        if !more {
            let before = self.current(key).map(|slot| slot.receive).unwrap_or_default();
            end = end.or(self.disarmed(key, result, hub));
            if end == Some(ReceiveEnd::Reset) {
                end = self.look_into(now, key, before, -result, delivery, hub);
            }
        }
        if let Some(end) = end {
            self.report_end(now, key, end, delivery, hub);
        } else if wanted && hub.is_held(key) {
            // At once, not with the effects: until then it could fill every buffer there is.
            self.pause(key, delivery);
        }
    }

    /// The final completion of a receive is in.
    fn disarmed(&mut self, key: ConnectionKey, result: i32, hub: &mut Hub) -> Option<ReceiveEnd> {
        let slot = self.current(key)?;
        let before = std::mem::take(&mut slot.receive);
        if result == -libc::ENOBUFS {
            hub.recorder.count(Count::BuffersExhausted, 1);
        }
        match result {
            0 => Some(ReceiveEnd::Eof),
            error if error < 0 && error != -libc::ENOBUFS && error != -libc::ECANCELED => {
                Some(ReceiveEnd::Reset)
            }
            _ => {
                if matches!(before, Receive::Armed | Receive::Restarting) {
                    self.resume(key);
                }
                None
            }
        }
    }

    /// Passes bytes on, over TLS as plaintext. Returns whether that was the end.
    fn hand_over(
        &mut self,
        now: Now,
        key: ConnectionKey,
        received: &Received,
        delivery: &mut Delivery,
        hub: &mut Hub,
    ) -> Option<ReceiveEnd> {
        self.plain.clear();
        let Some(opened) = delivery.open(key.index, received, &mut self.plain) else {
            hub.handle_received(now, key, delivery.ring.bytes(received));
            return None;
        };
        if !self.plain.is_empty() {
            hub.handle_received(now, key, &mut self.plain);
        }
        match opened {
            Ok(opened) => opened.eof.then_some(ReceiveEnd::Eof),
            Err(fault) => {
                tracing::debug!(%fault, "a peer broke TLS");
                delivery.say_close(key.index);
                delivery.finish();
                Some(ReceiveEnd::TlsFault)
            }
        }
    }

    /// Tells the broker once that nothing more will come, and arms nothing any more.
    pub(super) fn report_end(
        &mut self,
        now: Now,
        key: ConnectionKey,
        end: ReceiveEnd,
        delivery: &mut Delivery,
        hub: &mut Hub,
    ) {
        self.pause(key, delivery);
        let Some(slot) = self.current(key).filter(|slot| !slot.ended && !slot.ending) else {
            return;
        };
        slot.ended = true;
        if end == ReceiveEnd::TlsFault && !slot.shutting {
            // Behind the alert. The peer learns of it now: Linux 6.1 closes the socket of an
            // emptied slot only when the receives that others armed before have ended.
            slot.shutting = true;
            delivery.ring.shutdown_write(key);
        }
        hub.handle_end(now, key, end);
    }

    fn current(&mut self, key: ConnectionKey) -> Option<&mut Slot> {
        let slot = &mut self.slots[key.index as usize];
        (slot.open && slot.generation == key.generation).then_some(slot)
    }
}

impl Slot {
    fn is_quiet(&self) -> bool {
        matches!(self.receive, Receive::Off | Receive::Queued) && !self.polling && !self.shutting
    }

    /// Whether the end that the broker waits for has come; answers so only once.
    fn take_end(&mut self) -> bool {
        let ended = self.ending && !self.told && self.is_quiet();
        self.told |= ended;
        ended
    }
}

#[cfg(test)]
mod tests;

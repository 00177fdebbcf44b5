//! The I/O state of one connection: one table of legal moves for the slot, one for its receive.

use crate::limits::SLOT_RECORD;
use crate::types::ServiceId;

/// Whether a receive is armed on a slot, or should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReceiveState {
    /// Nothing is armed or queued.
    #[default]
    Off,
    /// Waits in the queue to be armed.
    Queued,
    Armed,
    /// Cancelled; its final completion has not arrived.
    Cancelling,
    /// As `Cancelling`, but to be armed again afterwards.
    Restarting,
}

impl ReceiveState {
    /// The legal moves: by resume, pause, rearm, and the final completion, which leads to `Off`.
    fn may_become(self, next: ReceiveState) -> bool {
        use ReceiveState::{Armed, Cancelling, Off, Queued, Restarting};
        match self {
            Off => next == Queued,
            Queued => matches!(next, Armed | Off),
            Armed => matches!(next, Cancelling | Off),
            Cancelling => matches!(next, Restarting | Off),
            Restarting => matches!(next, Cancelling | Off),
        }
    }
}

/// A slot from `open` to `release`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SlotState {
    #[default]
    Empty,
    Open,
    /// The end of receiving was reported to the broker. It may still write.
    EndReported,
    /// Nothing is armed any more; the final completions have not all arrived.
    Closing,
    /// The final completions have arrived and were reported to the broker.
    Closed,
}

impl SlotState {
    /// The legal moves: in order, and a close may precede the end of receiving.
    fn may_become(self, next: SlotState) -> bool {
        use SlotState::{Closed, Closing, Empty, EndReported, Open};
        match self {
            Empty => next == Open,
            Open => matches!(next, EndReported | Closing),
            EndReported => next == Closing,
            Closing => next == Closed,
            Closed => next == Empty,
        }
    }
}

/// The I/O state of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    pub generation: u16,
    pub state: SlotState,
    pub receive: ReceiveState,
    /// Receives into one buffer at a time.
    pub metered: bool,
    /// The last receive filled its buffer.
    pub filled: bool,
    /// A poll for room to write is armed.
    pub polling: bool,
    /// A FIN is in flight.
    pub shutting: bool,
    /// Its socket is being copied to another process.
    pub copying: bool,
    /// The service with the quota in which the connection has a place.
    pub quota: Option<ServiceId>,
}

const _: () = assert!(size_of::<Slot>() + uringcast_ring::SLOT_BYTES <= SLOT_RECORD);

impl Slot {
    /// Moves to the next state; an illegal move is a bug, and aborts.
    pub(super) fn enter(&mut self, next: SlotState) {
        assert!(self.state.may_become(next), "a slot goes from {:?} to {next:?}", self.state);
        self.state = next;
    }

    /// Moves to the next state of receiving; an illegal move is a bug, and aborts.
    pub(super) fn set_receive(&mut self, next: ReceiveState) {
        assert!(
            self.receive.may_become(next),
            "a receive goes from {:?} to {next:?}",
            self.receive
        );
        self.receive = next;
    }

    /// Whether nothing may be armed any more.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, SlotState::Closing | SlotState::Closed)
    }

    /// Whether nothing is armed.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.receive, ReceiveState::Off | ReceiveState::Queued)
            && !self.polling
            && !self.shutting
            && !self.copying
    }

    /// Whether a close is complete by now; true only once.
    pub(super) fn finish_close(&mut self) -> bool {
        let finished = self.state == SlotState::Closing && self.is_quiet();
        if finished {
            self.enter(SlotState::Closed);
        }
        finished
    }
}

#[cfg(test)]
mod tests;

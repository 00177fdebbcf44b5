//! A subscriber that could not take its bytes, or that joined in the past: it reads the logs at
//! cursors of its own until it is level with the live sets again.

use super::outlet::Payload;
use crate::telemetry::Lag;
use crate::types::{Seq, Time};

/// What a laggard is owed, in the order in which it is sent: tail, outbox, cursors.
#[derive(Debug)]
pub(crate) struct Laggard {
    /// The rest of a write that was cut short.
    pub(crate) tail: Option<Payload>,
    /// Replies, pongs, confirmations, the close frame: ready for the socket.
    pub(crate) outbox: Vec<u8>,
    /// One per subscribed channel, ordered by channel index.
    pub(crate) cursors: Vec<Cursor>,
    /// Which cursor is read next, so that one channel does not starve the others.
    pub(crate) turn: usize,
    pub(crate) since: Time,
    pub(crate) state: LagState,
    /// It joined in the past and is not to be blamed for it.
    pub(crate) recovering: bool,
    /// The outbox ends with the close frame.
    pub(crate) closing: bool,
    /// Bytes counted for it in the shard's sum.
    pub(crate) charged: usize,
}

/// What a laggard waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LagState {
    /// Room in the socket.
    Waiting,
    /// Its next write.
    Ready,
    /// The end of the batch its write is in.
    Writing,
}

/// Where a laggard is in one channel's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) channel: u32,
    /// Next position to be read.
    pub(crate) next: Seq,
}

impl Laggard {
    pub(crate) fn new(now: Time, state: LagState) -> Laggard {
        Laggard {
            tail: None,
            outbox: Vec::new(),
            cursors: Vec::new(),
            turn: 0,
            since: now,
            state,
            recovering: false,
            closing: false,
            charged: 0,
        }
    }

    /// What it is up to, for the metrics.
    pub(crate) fn lag(&self) -> Lag {
        match self.state {
            _ if self.closing => Lag::Closing,
            _ if self.recovering => Lag::Recovering,
            LagState::Waiting => Lag::Waiting,
            LagState::Ready | LagState::Writing => Lag::Reading,
        }
    }

    /// Memory held only because it lags. A shared frame counts as what it pins.
    pub(crate) fn bytes(&self) -> usize {
        self.tail.as_ref().map_or(0, |tail| tail.bytes().len())
            + self.outbox.capacity()
            + self.cursors.capacity() * size_of::<Cursor>()
    }

    /// Sets or adds a channel's cursor.
    pub(crate) fn set_cursor(&mut self, channel: u32, next: Seq) {
        match self.cursors.binary_search_by_key(&channel, |cursor| cursor.channel) {
            Ok(place) => self.cursors[place].next = next,
            Err(place) => self.cursors.insert(place, Cursor { channel, next }),
        }
    }

    /// Next position to be read in a channel.
    pub(crate) fn cursor(&self, channel: u32) -> Option<Seq> {
        let place = self.cursors.binary_search_by_key(&channel, |cursor| cursor.channel).ok()?;
        Some(self.cursors[place].next)
    }

    pub(crate) fn remove_cursor(&mut self, channel: u32) {
        self.cursors.retain(|cursor| cursor.channel != channel);
    }

    /// Nothing else will be sent but what must be finished and this close frame; without one, the
    /// outbox too.
    pub(crate) fn close_with(&mut self, frame: Vec<u8>) {
        self.cursors = Vec::new();
        if !frame.is_empty() {
            self.outbox = frame;
        }
        self.closing = true;
    }
}

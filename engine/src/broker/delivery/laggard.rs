//! A laggard: a subscriber that could not take its bytes (slow), or that joined in the past
//! (recovering). It reads the logs at cursors of its own until it is level with the live sets.

use super::write_sink::Payload;
use crate::broker::channel::Channels;
use crate::telemetry::Lag;
use crate::types::{ChannelIndex, Seq, ServiceId, Time};

/// What a laggard is owed, in the order in which it is sent: tail, outbox, cursors.
#[derive(Debug)]
pub(super) struct Laggard {
    /// The rest of a write that was cut short.
    pub(super) tail: Option<Payload>,
    /// Replies, pongs, confirmations, the close frame: ready for the socket.
    pub(super) outbox: Vec<u8>,
    /// One per subscribed channel, ordered by channel slot.
    pub(super) cursors: Vec<Cursor>,
    /// Which cursor is read next, so that one channel does not starve the others.
    pub(super) next_cursor: usize,
    pub(super) since: Time,
    pub(super) state: LagState,
    /// It joined in the past and is not to be blamed for it.
    pub(super) recovering: bool,
    /// It reads the logs for its own `id`s, and has taken every write whole.
    pub(super) keeps_up: bool,
    /// It is too far behind in a channel of a class that then passes messages over.
    pub(super) skipping: bool,
    /// The outbox ends with the close frame.
    pub(super) closing: bool,
    /// Its service.
    pub(super) service: ServiceId,
    /// Bytes counted for it in the shard's sum.
    pub(super) charged: usize,
}

/// How a connection lags.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Lagging {
    /// Bytes that it has not been written yet.
    pub(in crate::broker) owed: u64,
    pub(in crate::broker) since: Time,
    pub(in crate::broker) state: Lag,
}

/// What a laggard waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LagState {
    /// Space in the socket.
    Waiting,
    /// Its next write.
    Ready,
    /// The end of the batch its write is in.
    Writing,
}

/// Where a laggard is in one channel's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) channel: ChannelIndex,
    /// Next position to be read.
    pub(super) next: Seq,
    /// Up to here it gets the newest message of each key.
    pub(super) newest_to: Seq,
}

impl Laggard {
    pub(super) fn new(service: ServiceId, now: Time, state: LagState) -> Laggard {
        Laggard {
            tail: None,
            outbox: Vec::new(),
            cursors: Vec::new(),
            next_cursor: 0,
            since: now,
            state,
            recovering: false,
            keeps_up: false,
            skipping: false,
            closing: false,
            service,
            charged: 0,
        }
    }

    /// What it waits for, for the metrics.
    pub(super) fn lag(&self) -> Lag {
        match self.state {
            _ if self.closing => Lag::Closing,
            _ if self.recovering => Lag::Recovering,
            _ if self.skipping => Lag::Skipping,
            LagState::Waiting => Lag::Waiting,
            LagState::Ready | LagState::Writing => Lag::Reading,
        }
    }

    /// Memory held only because it lags. A shared frame counts as what it pins.
    pub(super) fn bytes(&self) -> usize {
        self.tail.as_ref().map_or(0, |tail| tail.bytes().len())
            + self.outbox.capacity()
            + self.cursors.capacity() * size_of::<Cursor>()
    }

    /// Bytes that it has not been written yet: replies, and what the logs still hold for it.
    pub(super) fn owed(&self, channels: &Channels) -> u64 {
        let unread = self.cursors.iter().map(|c| channels.log(c.channel).bytes_from(c.next));
        let tail = self.tail.as_ref().map_or(0, |tail| tail.bytes().len());
        (tail + self.outbox.len() + unread.sum::<usize>()) as u64
    }

    /// Sets or adds a channel's cursor.
    pub(super) fn set_cursor(&mut self, channel: ChannelIndex, next: Seq) {
        let cursor = Cursor { channel, next, newest_to: Seq(0) };
        match self.cursors.binary_search_by_key(&channel, |cursor| cursor.channel) {
            Ok(place) => self.cursors[place] = cursor,
            Err(place) => self.cursors.insert(place, cursor),
        }
    }

    /// Up to there it gets the newest message of each key of a channel.
    pub(super) fn set_newest(&mut self, channel: ChannelIndex, to: Seq) {
        if let Ok(place) = self.cursors.binary_search_by_key(&channel, |cursor| cursor.channel) {
            self.cursors[place].newest_to = to;
        }
    }

    /// Next position to be read in a channel.
    pub(super) fn cursor(&self, channel: ChannelIndex) -> Option<Seq> {
        let place = self.cursors.binary_search_by_key(&channel, |cursor| cursor.channel).ok()?;
        Some(self.cursors[place].next)
    }

    pub(super) fn remove_cursor(&mut self, channel: ChannelIndex) {
        self.cursors.retain(|cursor| cursor.channel != channel);
    }

    /// Nothing else will be sent but what must be finished and this close frame.
    pub(super) fn close_with(&mut self, frame: Vec<u8>) {
        self.outbox = frame;
        self.close_behind(&[]);
    }

    /// The same, but for the outbox in front of these last bytes.
    pub(super) fn close_behind(&mut self, last: &[u8]) {
        self.cursors = Vec::new();
        self.outbox.extend_from_slice(last);
        self.closing = true;
    }
}

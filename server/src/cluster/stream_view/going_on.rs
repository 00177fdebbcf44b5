//! Going on where another process stood in the stream, which has handed its channels over.
//!
//! For the stream that is as if the connection had been lost for a moment: chains keep their
//! positions, and an audit finds what was missed.

use std::sync::Arc;
use std::time::Duration;

use super::audits::Verified;
use super::{Chain, Life, StreamInfo, StreamView};
use crate::cluster::stream_positions::StreamPosition;

/// What the process before has known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inherited {
    /// Everything that patterns want was delivered up to here. Of no use once they are known.
    pub(super) seen: Option<u64>,
    /// Messages may have been missed.
    is_unsure: bool,
}

impl Inherited {
    /// A life begins, of which nothing was missed. Patterns that are not known yet want it from
    /// this position on.
    pub(super) fn begin_life(&mut self, seen: u64) {
        *self = Inherited { seen: self.seen.map(|_| seen), is_unsure: false };
    }
}

impl StreamView {
    /// The stream as it is when the node begins, before anything else.
    pub(crate) fn begin(&mut self, info: StreamInfo) {
        self.begin_life(Duration::ZERO, info);
    }

    /// How far it is.
    pub(crate) fn position(&self, now: Duration) -> StreamPosition {
        let behind = self.channels.served(|channel| self.wants(channel));
        let inherited = self.inherited.seen.unwrap_or(self.floor);
        let (seen, read) = match self.covers() {
            true => (self.coverage.seen(), self.coverage.read()),
            false => (inherited, inherited),
        };
        let verified = self.audits.verified.unwrap_or(Verified { floor: 0, at: Duration::ZERO });
        let ago = now.saturating_sub(verified.at).as_millis();
        StreamPosition {
            life: self.life.as_ref().map_or(0, Life::epoch),
            // What was read for patterns may be beyond what is known otherwise.
            floor: self.floor.max(read),
            seen: behind.map_or(seen, |behind| behind.min(seen)),
            verified: verified.floor.min(self.floor),
            verified_ms_ago: u64::try_from(ago).unwrap_or(u64::MAX),
            is_unsure: self.was_out_of_touch,
        }
    }

    /// Goes on where another process stood. Its channels follow.
    pub(crate) fn take_over(&mut self, now: Duration, position: &StreamPosition) {
        let StreamPosition { life, floor, seen, verified, is_unsure, .. } = *position;
        if self.life.as_ref().is_none_or(|known| known.epoch() != life) {
            // Its positions are over: so is the epoch of its channels.
            return;
        }
        self.floor = self.floor.max(floor);
        let ago = Duration::from_millis(position.verified_ms_ago);
        self.audits.verified = Some(Verified { floor: verified, at: now.saturating_sub(ago) });
        self.was_out_of_touch |= is_unsure;
        self.inherited = Inherited { seen: Some(seen), is_unsure };
    }

    /// Follows a channel of which everything was delivered up to `last`, and which has something up
    /// to `known`; an audit finds what it has behind that. Returns `false` where it is followed
    /// already, and where there is no room.
    pub(crate) fn go_on(&mut self, channel: &Arc<str>, at: (u64, u64)) -> bool {
        if self.life.is_none() || self.channels.has(channel) {
            return false;
        }
        let is_unsure = self.inherited.is_unsure;
        // At once, or when the one is done that may have begun without this channel.
        self.audits.schedule(Duration::ZERO);
        self.channels.insert(Arc::clone(channel), |_| Chain::going_on(at, is_unsure))
    }
}

//! What the logs keep: frames, bytes and age per channel, bytes per shard, oldest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use super::channel::{Channels, Link};
use super::hub::Hub;
use super::log::Log;
use super::transmit::shard_done;
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::{Seq, Time};

/// What a log had grown to when it dropped a frame, by the limit it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Frames(usize),
    Bytes(usize),
    /// Seconds, begun ones included.
    Age(u64),
    /// Bytes of all logs of the shard.
    ShardBytes(usize),
}

/// Sums over all logs of the shard.
#[derive(Debug, Default)]
pub(super) struct Retained {
    /// Bytes held.
    pub(super) bytes: usize,
    /// Bytes the live sets have not been handed yet.
    pub(super) unswept: usize,
    /// Channels by the age of their oldest frame, at the time of entry: an entry that is too old
    /// by now is put right when it comes up.
    pub(super) oldest: BinaryHeap<Reverse<(Time, u32)>>,
}

/// Whole seconds, a begun one included: an age over a limit is more than it in seconds, too.
fn begun_seconds(age: Duration) -> u64 {
    age.as_secs() + u64::from(age.subsec_nanos() > 0)
}

impl Hub {
    /// Whether publications, requests and notices may be handed in now.
    pub fn wants_input(&self) -> bool {
        self.retained.unswept < self.bounds.shard_unswept
    }

    /// Adds the next frame to a channel's log (invariant 2), to be swept. `counted`: see the log.
    pub(super) fn append(&mut self, index: u32, frame: Rc<Frame>, counted: bool) {
        let channel = &mut self.channels[index];
        let first = channel.log.len() == 0;
        self.retained.bytes += frame.bytes().len();
        self.retained.unswept += frame.bytes().len();
        channel.log.append(frame, counted);
        if first {
            self.renew(index);
        }
        self.mark_dirty(index);
        self.trim(index);
        self.relieve();
    }

    /// Drops what a channel's own limits do not cover, but nothing that a reader who keeps up
    /// still needs.
    pub(super) fn trim(&mut self, index: u32) {
        loop {
            let channel = &self.channels[index];
            let spare = channel.log.oldest().filter(|(seq, _)| *seq < channel.needed_from());
            let Some(over) = spare.and_then(|(_, at)| self.over(&channel.log, at)) else {
                return;
            };
            self.channels[index].over = Some(over);
            self.evict(index);
        }
    }

    /// Which of a channel's own limits its log is over. Its oldest frame is from `oldest`.
    fn over(&self, log: &Log, oldest: Time) -> Option<Over> {
        let limits = self.config.retention;
        let age = self.clock.now.since(oldest);
        if log.len() > limits.frames {
            Some(Over::Frames(log.len()))
        } else if log.bytes() > limits.bytes && log.len() > 1 {
            Some(Over::Bytes(log.bytes()))
        } else {
            (age > limits.age).then(|| Over::Age(begun_seconds(age)))
        }
    }

    /// Drops the oldest frames of the shard while all logs together hold too much.
    fn relieve(&mut self) {
        while self.retained.bytes > self.config.retention.shard_bytes {
            let Some(Reverse((time, index))) = self.retained.oldest.pop() else { return };
            let Some(channel) = self.channels.get(index) else { continue };
            let Some((seq, accepted_at)) = channel.log.oldest() else { continue };
            if accepted_at > time {
                self.retained.oldest.push(Reverse((accepted_at, index)));
            } else if seq <= channel.live.delivered() {
                self.channels[index].over = Some(Over::ShardBytes(self.retained.bytes));
                self.evict(index);
                self.renew(index);
            } else {
                // The shard's own subscribers still need it: SHARD_UNSWEPT_BYTES bounds that.
                self.retained.oldest.push(Reverse((time, index)));
                return;
            }
        }
    }

    /// Puts older frames before a channel's oldest.
    pub(super) fn prepend(&mut self, index: u32, older: &[Rc<Frame>]) {
        let added = self.channels[index].log.prepend(older);
        self.retained.bytes += added;
        if added > 0 {
            self.renew(index);
        }
    }

    /// Lists a channel by the age of its oldest frame. Its former entries stay, until they are
    /// more than the channels (invariant 3).
    fn renew(&mut self, index: u32) {
        let entry = |index: u32, channels: &Channels| {
            let (_, accepted_at) = channels.get(index)?.log.oldest()?;
            Some(Reverse((accepted_at, index)))
        };
        self.retained.oldest.extend(entry(index, &self.channels));
        if self.retained.oldest.len() > 2 * self.channels.slots() as usize + 16 {
            let all = 0..self.channels.slots();
            self.retained.oldest = all.filter_map(|index| entry(index, &self.channels)).collect();
        }
    }

    /// Drops a channel's oldest frame. Other shards that have not been sent it get a gap.
    pub(super) fn evict(&mut self, index: u32) {
        let channel = &mut self.channels[index];
        let Some(frame) = channel.log.evict() else { return };
        self.retained.bytes -= frame.bytes().len();
        self.recorder.count(Count::LogEvictions, 1);
        let Link::Home(interests) = &mut channel.link else { return };
        for interest in interests.iter_mut().filter(|interest| interest.next <= frame.seq) {
            interest.next = frame.seq.next();
            interest.gap = Some(frame.seq);
            shard_done(&mut self.recorder, channel.class, &frame, self.clock.now);
        }
    }

    /// Forgets a channel nobody uses.
    pub(super) fn forget(&mut self, index: u32) {
        if let Some(channel) = self.channels.remove(index) {
            self.retained.bytes -= channel.log.bytes();
            debug_assert!(channel.document.is_none(), "a channel stays for its document");
            self.status_bytes -= channel.last.map_or(0, |last| last.bytes().len());
        }
    }

    /// Empties a log whose epoch is over; nobody on this shard listens to it.
    pub(super) fn clear_log(&mut self, index: u32) {
        assert!(self.channels[index].live.is_empty(), "an epoch ends only while nobody listens");
        self.skip_unheard(index, self.clock.now);
        while self.channels[index].log.oldest().is_some() {
            self.evict(index);
        }
    }

    /// Whether a channel's subscribers, or all of the shard's together, are too far behind for
    /// another publication: whichever way it comes, so that the logs stay bounded (invariant 3).
    pub(super) fn is_saturated(&self, index: u32) -> bool {
        if !self.wants_input() {
            return true;
        }
        let channel = &self.channels[index];
        let needed = channel.needed_from();
        let Seq(head) = channel.log.head();
        head + 1 - needed.0.min(head + 1) >= self.bounds.channel_frames
            || channel.log.bytes_from(needed) >= crate::limits::CHANNEL_UNSWEPT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_just_over_its_limit_is_told_as_more() {
        let limit = Duration::from_secs(1);
        assert_eq!(begun_seconds(limit), 1);
        assert_eq!(begun_seconds(limit + Duration::from_nanos(1)), 2);
        assert_eq!(begun_seconds(limit + Duration::from_millis(500)), 2);
    }
}

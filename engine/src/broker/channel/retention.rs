//! What the logs keep: frames, bytes and age per channel, bytes per shard, oldest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use super::log::Log;
use super::{Channel, Role, Table, shard_done};
use crate::broker::context::Context;
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::ChannelIndex;
use crate::types::{Seq, Time};

/// What a log had grown to when it dropped a frame, by the limit it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    Frames(usize),
    Bytes(usize),
    /// Seconds, begun ones included.
    Age(u64),
    /// Bytes of all logs of the shard.
    ShardBytes(usize),
}

/// Sums over all logs of the shard.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// Bytes held.
    bytes: usize,
    /// Bytes the live sets have not been handed yet.
    unswept: usize,
    /// Channels by the age of their oldest frame, at the time of entry: an entry that is too old
    /// by now is put right when its turn comes.
    oldest: BinaryHeap<Reverse<(Time, ChannelIndex)>>,
}

/// Whole seconds, a begun one included: an age over a limit is more than it in seconds, too.
fn begun_seconds(age: Duration) -> u64 {
    age.as_secs() + u64::from(age.subsec_nanos() > 0)
}

impl Retention {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn unswept(&self) -> usize {
        self.unswept
    }

    /// Adds the next frame to a channel's log (invariant 2). `counted`: see the log.
    pub(super) fn append(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        index: ChannelIndex,
        frame: Rc<Frame>,
        counted: bool,
    ) {
        table[index].classify(&mut cx.recorder);
        let log = &mut table[index].log;
        let first = log.len() == 0;
        self.bytes += frame.bytes().len();
        self.unswept += frame.bytes().len();
        log.append(frame, counted);
        if first {
            self.renew(table, index);
        }
        self.trim(cx, table, index);
        self.relieve(cx, table);
    }

    /// Puts older frames before a channel's oldest.
    pub(super) fn prepend(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        index: ChannelIndex,
        older: &[Rc<Frame>],
    ) {
        let added = table[index].log.prepend(older);
        self.bytes += added;
        if added > 0 {
            table[index].classify(&mut cx.recorder);
            self.renew(table, index);
        }
    }

    /// Drops what a channel's own limits do not cover, but nothing that a reader that keeps up
    /// still needs.
    pub(super) fn trim(&mut self, cx: &mut Context, table: &mut Table, index: ChannelIndex) {
        loop {
            let channel = &table[index];
            let spare = channel.log.oldest().filter(|(seq, _)| *seq < channel.needed_from());
            let Some(over) = spare.and_then(|(_, at)| overrun(cx, &channel.log, at)) else {
                return;
            };
            table[index].overrun = Some(over);
            self.evict(cx, &mut table[index]);
        }
    }

    /// Drops the oldest frames of the shard while all logs together hold too much.
    fn relieve(&mut self, cx: &mut Context, table: &mut Table) {
        while self.bytes > cx.config.retention.shard_bytes {
            let Some(Reverse((time, index))) = self.oldest.pop() else { return };
            if table.get(index).is_none() {
                continue;
            }
            let channel = &mut table[index];
            let Some((seq, accepted_at)) = channel.log.oldest() else { continue };
            if accepted_at > time {
                self.oldest.push(Reverse((accepted_at, index)));
            } else if seq <= channel.live.delivered() {
                channel.overrun = Some(Overrun::ShardBytes(self.bytes));
                self.evict(cx, channel);
                self.renew(table, index);
            } else {
                // The shard's own subscribers still need it: SHARD_UNSWEPT_BYTES bounds that.
                self.oldest.push(Reverse((time, index)));
                return;
            }
        }
    }

    /// Lists a channel by the age of its oldest frame. Its former entries stay, until they are
    /// more than the channels (invariant 3).
    fn renew(&mut self, table: &Table, index: ChannelIndex) {
        let entry = |slot: u32| {
            let (index, channel) = table.at(slot)?;
            let (_, accepted_at) = channel.log.oldest()?;
            Some(Reverse((accepted_at, index)))
        };
        self.oldest.extend(entry(index.slot()));
        if self.oldest.len() > 2 * table.slots() as usize + 16 {
            self.oldest = (0..table.slots()).filter_map(entry).collect();
        }
    }

    /// Drops a channel's oldest frame. Other shards that have not been sent it get a gap.
    fn evict(&mut self, cx: &mut Context, channel: &mut Channel) {
        let Some(frame) = channel.log.evict() else { return };
        self.bytes -= frame.bytes().len();
        cx.recorder.count(Count::LogEvictions, 1);
        if let Role::Home(home) = &mut channel.role {
            for _ in 0..home.skip(frame.seq) {
                shard_done(&mut cx.recorder, channel.class, &frame, cx.now.mono);
            }
        }
    }

    /// Empties a log whose epoch is over; the shard has no subscriber of it.
    pub(super) fn clear(&mut self, cx: &mut Context, channel: &mut Channel) {
        assert!(channel.live.is_empty(), "an epoch ends only without subscribers");
        self.skip_unheard(cx, channel);
        while channel.log.oldest().is_some() {
            self.evict(cx, channel);
        }
    }

    /// A forgotten channel's log is gone.
    pub(super) fn release(&mut self, log: &Log) {
        self.bytes -= log.bytes();
    }

    /// Every subscriber of this shard that keeps up has `from ..= to`, as of `at`.
    pub(super) fn finish(
        &mut self,
        cx: &mut Context,
        channel: &Channel,
        (from, to): (Seq, Seq),
        at: Time,
    ) {
        for (frame, counted) in channel.log.range(from, to) {
            self.unswept -= frame.bytes().len();
            if counted {
                shard_done(&mut cx.recorder, channel.class, frame, at);
            }
        }
    }

    /// Is through with everything in the log of a channel without subscribers here.
    pub(super) fn skip_unheard(&mut self, cx: &mut Context, channel: &mut Channel) {
        if channel.live.is_empty() {
            let range = (channel.live.delivered().next(), channel.log.head());
            channel.live.skip_to(channel.log.head());
            let now = cx.time();
            self.finish(cx, channel, range, now);
        }
    }

    #[cfg(test)]
    pub(super) fn ages(&self) -> usize {
        self.oldest.len()
    }
}

/// Which of a channel's own limits its log is over. Its oldest frame is from `oldest`.
fn overrun(cx: &Context, log: &Log, oldest: Time) -> Option<Overrun> {
    let limits = cx.config.retention;
    let age = cx.time().since(oldest);
    if log.len() > limits.frames {
        Some(Overrun::Frames(log.len()))
    } else if log.bytes() > limits.bytes && log.len() > 1 {
        Some(Overrun::Bytes(log.bytes()))
    } else {
        (age > limits.age).then(|| Overrun::Age(begun_seconds(age)))
    }
}

#[cfg(test)]
mod tests;

//! What the logs keep: frames, bytes and age per channel, bytes per shard, oldest first.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::log::{KeepRoom, Log};
use super::{Channel, Role, Table, shard_done};
use crate::broker::context::Context;
use crate::broker::shard_messages::Kept;
use crate::config::SlowPolicy;
use crate::limits::KEPT_SHARE;
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
    /// Those of them that are kept of keys beyond the logs' frames.
    kept: usize,
    /// Bytes that others than logs take of their bound.
    reserved: usize,
    /// Bytes the live sets have not been handed yet.
    unswept: usize,
    /// Frames held.
    frames: usize,
    /// Those in the order in which they came, among some that are gone. A queue, because both its
    /// ends are in the cache whatever the number of channels.
    arrivals: VecDeque<(ChannelIndex, Seq)>,
    /// Of logs that were changed otherwise than at their ends.
    editions: u64,
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
        self.unswept += frame.bytes().len();
        self.frames += 1;
        table[index].traffic.add(frame.bytes().len());
        self.arrivals.push_back((index, frame.seq));
        self.change(&mut table[index].log, |log| log.append(frame, counted));
        self.trim(cx, table, index);
        self.relieve(cx, table);
        self.tidy(table);
    }

    /// A log is no longer what it was with further messages at its end.
    pub(super) fn edit(&mut self, log: &mut Log) {
        self.editions += 1;
        log.set_edition(self.editions);
    }

    /// Puts older frames before a channel's oldest: the first to go.
    pub(super) fn prepend(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        index: ChannelIndex,
        older: &[Rc<Frame>],
    ) {
        let log = &mut table[index].log;
        let (before, first) = (log.len(), log.first());
        self.change(log, |log| log.prepend(older));
        if log.len() > before {
            table[index].classify(&mut cx.recorder);
            self.frames += table[index].log.len() - before;
            self.edit(&mut table[index].log);
            self.arrivals.push_front((index, Seq(first.0 - 1)));
        }
    }

    /// Keeps what a channel's home has kept of keys beyond its log.
    pub(super) fn restore(
        &mut self,
        cx: &Context,
        table: &mut Table,
        index: ChannelIndex,
        kept: Kept,
    ) {
        table[index].log.set_lost(kept.lost);
        for frame in kept.frames {
            let Some(room) = self.keep_room(cx, &table[index]) else { return };
            self.change(&mut table[index].log, |log| log.restore(Rc::new(frame), room));
        }
    }

    /// Takes over a log of another process, all of which was swept.
    pub(super) fn take_over(&mut self, log: &mut Log, frames: Vec<Frame>) {
        self.frames += frames.len();
        for frame in frames {
            self.change(log, |log| log.append(Rc::new(frame), false));
        }
    }

    /// Lists the frames of logs that were taken over, in the order in which they were accepted.
    pub(super) fn list_arrivals(&mut self, cx: &mut Context, table: &mut Table) {
        let known = (0..table.slots()).filter_map(|slot| table.at(slot));
        let frames = known.flat_map(|(index, channel)| {
            channel.log.from(Seq(0)).map(move |frame| (frame.accepted_at, index, frame.seq))
        });
        let mut arrivals: Vec<(Time, ChannelIndex, Seq)> = frames.collect();
        // Stable: those of one channel stay in order.
        arrivals.sort_by_key(|(at, ..)| *at);
        self.arrivals = arrivals.into_iter().map(|(_, index, seq)| (index, seq)).collect();
        self.relieve(cx, table);
    }

    /// Drops what a channel's own limits do not cover, but nothing that a reader that keeps up
    /// still needs.
    pub(super) fn trim(&mut self, cx: &mut Context, table: &mut Table, index: ChannelIndex) {
        loop {
            let channel = &table[index];
            let spare = channel.log.oldest().filter(|(seq, _)| *seq < channel.needed_from());
            let Some(over) = spare.and_then(|(_, at)| overrun(cx, channel, at)) else {
                break;
            };
            table[index].overrun = Some(over);
            self.evict(cx, &mut table[index]);
        }
        self.tidy(table);
    }

    /// So many bytes of the logs' bound are taken by others from now on.
    pub(super) fn reserve(&mut self, cx: &mut Context, table: &mut Table, bytes: usize) {
        self.reserved = bytes;
        self.relieve(cx, table);
        self.tidy(table);
    }

    /// Drops the oldest frames of the shard while all logs together hold too much.
    fn relieve(&mut self, cx: &mut Context, table: &mut Table) {
        while self.bytes + self.reserved > cx.config.retention.shard_bytes {
            let Some(&(index, seq)) = self.arrivals.front() else { return };
            let Some((oldest, _)) = held(table, index, seq) else {
                self.arrivals.pop_front();
                continue;
            };
            let channel = &mut table[index];
            if oldest > channel.live.delivered() {
                // The shard's own subscribers still need it: SHARD_UNSWEPT_BYTES bounds that.
                return;
            }
            channel.overrun = Some(Overrun::ShardBytes(self.bytes + self.reserved));
            self.evict(cx, channel);
        }
    }

    /// Clears away frames that are gone, when they are many (invariant 3).
    pub(super) fn tidy(&mut self, table: &Table) {
        if self.arrivals.len() > 2 * self.frames + 16 {
            self.arrivals.retain(|(index, seq)| held(table, *index, *seq).is_some());
        }
    }

    /// Keeps the sums of bytes over a change of a log.
    fn change<T>(&mut self, log: &mut Log, change: impl FnOnce(&mut Log) -> T) -> T {
        let (bytes, kept) = (log.bytes(), log.kept_bytes());
        let changed = change(log);
        self.bytes = self.bytes + log.bytes() + log.kept_bytes() - bytes - kept;
        self.kept = self.kept + log.kept_bytes() - kept;
        changed
    }

    /// What a log may keep of keys beyond its frames: where subscribers that are behind get the
    /// newest of each, as much again as its class lets it hold, within the shard's share.
    fn keep_room(&self, cx: &Context, channel: &Channel) -> Option<KeepRoom> {
        let limits = &channel.class.retention;
        let others = self.kept - channel.log.kept_bytes();
        let share = (cx.config.retention.shard_bytes / KEPT_SHARE).saturating_sub(others);
        let room = KeepRoom { frames: limits.frames, bytes: limits.bytes.min(share) };
        (channel.class.slow == SlowPolicy::Latest).then_some(room)
    }

    /// Drops a channel's oldest frame. Other shards that have not been sent it get a gap.
    fn evict(&mut self, cx: &mut Context, channel: &mut Channel) {
        let keep = self.keep_room(cx, channel);
        let evicted = self.change(&mut channel.log, |log| log.evict(keep));
        let Some(frame) = evicted else { return };
        self.frames -= 1;
        cx.recorder.count(Count::LogEvictions, 1);
        if let Role::Home(home) = &mut channel.role {
            for _ in 0..home.skip(frame.seq) {
                shard_done(&mut cx.recorder, channel.metric_class, &frame, cx.now.mono);
            }
        }
    }

    /// Empties the log of an epoch that is over; the shard has no subscriber of it.
    pub(super) fn clear(&mut self, cx: &mut Context, index: ChannelIndex, channel: &mut Channel) {
        assert!(channel.live.is_empty(), "an epoch ends only without subscribers");
        self.skip_unheard(cx, channel);
        while channel.log.oldest().is_some() {
            self.evict(cx, channel);
        }
        self.change(&mut channel.log, Log::forget_kept);
        // Positions of another epoch say nothing about what comes.
        self.arrivals.retain(|(of, _)| *of != index);
    }

    /// A forgotten channel's log is gone.
    pub(super) fn release(&mut self, table: &Table, log: &Log) {
        self.bytes -= log.bytes() + log.kept_bytes();
        self.kept -= log.kept_bytes();
        self.frames -= log.len();
        self.tidy(table);
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
                shard_done(&mut cx.recorder, channel.metric_class, frame, at);
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
    pub(super) fn frames(&self) -> (usize, usize) {
        (self.frames, self.arrivals.len())
    }

    /// Whether a channel's frames are among the arrivals.
    #[cfg(test)]
    pub(super) fn lists(&self, index: ChannelIndex, newest: Seq) -> bool {
        self.arrivals.iter().any(|(of, seq)| *of == index && *seq >= newest)
    }
}

/// The oldest frame of a channel, if its log still holds a frame that came as `seq` or before.
fn held(table: &Table, index: ChannelIndex, seq: Seq) -> Option<(Seq, Time)> {
    table.get(index)?.log.oldest().filter(|(oldest, _)| *oldest <= seq)
}

/// Which of its class's limits a channel's log is over. Its oldest frame is from `oldest`.
fn overrun(cx: &Context, channel: &Channel, oldest: Time) -> Option<Overrun> {
    let (log, limits) = (&channel.log, &channel.class.retention);
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

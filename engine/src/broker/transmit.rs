//! What a turn writes: replies first, then the lanes, the sweeps and the laggards, in batches in
//! which no connection is written twice (invariant 11).

use super::batch::Run;
use super::close::Phase;
use super::effect::Lanes;
use super::gate::Pass;
use super::hub::Hub;
use super::outlet::{Payload, WriteSink};
use crate::shared_frame::Frame;
use crate::telemetry::{ClassId, Count, Recorder};
use crate::types::{ConnectionKey, Now, Seq, Time};

/// Frames for one connection, ready for the socket.
#[derive(Debug)]
pub(super) struct Reply {
    key: ConnectionKey,
    bytes: Vec<u8>,
    /// It is a close frame, or empty: the end of what a peer is owed that has ended its side.
    closes: bool,
}

impl Hub {
    /// Writes what is due: replies, lanes, sweeps, laggards. Returns whether more is due than one
    /// turn may do: call again after other work.
    pub fn poll_transmit(
        &mut self,
        now: Now,
        outlet: &mut impl WriteSink,
        lanes: &mut impl Lanes,
    ) -> bool {
        self.clock.now = now.mono;
        self.send_answers(lanes);
        self.send_asks(lanes);
        self.write_replies(now.mono, outlet);
        self.fan_out(lanes);
        self.sweep(now.mono, outlet);
        self.serve_laggards(now, outlet);
        self.flush(outlet);
        !(self.dirty.is_empty() && self.ready.is_empty() && self.replies.is_empty())
    }

    /// Queues a frame for one connection. Laggards' frames queue too, so that they stay in order
    /// with those queued before it became one.
    pub(super) fn reply(&mut self, key: ConnectionKey, bytes: Vec<u8>, closes: bool) {
        match self.replies.back_mut() {
            // A close frame stays alone: it takes the place of what a laggard is owed.
            Some(last) if last.key == key && !closes && !last.closes => {
                last.bytes.extend_from_slice(&bytes);
            }
            _ => self.replies.push_back(Reply { key, bytes, closes }),
        }
    }

    fn write_replies(&mut self, now: Time, outlet: &mut impl WriteSink) {
        while let Some(reply) = self.replies.pop_front() {
            let Reply { key, bytes, closes } = reply;
            let Some(connection) = self.connections.get(key) else { continue };
            if connection.laggard.is_some() {
                self.owe(now, key, bytes, closes);
                continue;
            }
            if matches!(connection.phase, Phase::HalfClosed | Phase::Ending) {
                continue;
            }
            match self.gate.pass(key.index) {
                Pass::Shut => {}
                Pass::Twice => {
                    self.replies.push_front(Reply { key, bytes, closes });
                    self.flush(outlet);
                }
                Pass::Go if bytes.is_empty() => self.close_written(now, key),
                Pass::Go => {
                    outlet.load(Payload::Owned(bytes));
                    self.batch.runs.push(Run::Reply { key, closes });
                    if outlet.push(key.index) {
                        self.flush(outlet);
                    }
                }
            }
        }
    }

    fn sweep(&mut self, now: Time, outlet: &mut impl WriteSink) {
        let mut budget = self.bounds.slice;
        for _ in 0..self.dirty.len() {
            let Some(index) = self.dirty.pop_front() else { break };
            self.sweep_channel(now, index, &mut budget, outlet);
            if self.channels[index].dirty {
                self.dirty.push_back(index);
            }
            if budget == 0 {
                break;
            }
        }
    }

    /// Sweeps a channel until it is clean or the budget is used up.
    fn sweep_channel(
        &mut self,
        now: Time,
        index: u32,
        budget: &mut usize,
        outlet: &mut impl WriteSink,
    ) {
        loop {
            let channel = &mut self.channels[index];
            let head = channel.log.head();
            if channel.live.is_empty() {
                channel.dirty = false;
                return self.skip_unheard(index, now);
            }
            if !channel.live.is_sweeping() {
                if head == channel.live.delivered() {
                    channel.dirty = false;
                    return;
                }
                let target = joined_target(channel, self.bounds.join);
                channel.live.start(target);
            }
            if *budget == 0 {
                return;
            }
            self.fill(index, budget, outlet);
        }
    }

    /// Writes the sweep's bytes to pending members until the batch or the budget is full.
    fn fill(&mut self, index: u32, budget: &mut usize, outlet: &mut impl WriteSink) {
        let payload = self.sweep_payload(index);
        let channel = &mut self.channels[index];
        let (from, to) = (channel.live.delivered().next(), channel.live.target());
        outlet.load(payload);
        let (mut taken, mut count, mut flush) = (0, 0, false);
        for &connection in channel.live.pending().iter().take(*budget) {
            match self.gate.pass(connection) {
                Pass::Go => {
                    count += 1;
                    taken += 1;
                    if outlet.push(connection) {
                        flush = true;
                        break;
                    }
                }
                Pass::Shut => taken += 1,
                Pass::Twice => {
                    flush = true;
                    break;
                }
            }
        }
        *budget -= taken;
        let last = channel.live.advance(taken);
        self.batch.runs.push(Run::Sweep { channel: index, from, to, count, last });
        if flush {
            self.flush(outlet);
        }
    }

    /// The bytes of the sweep in progress: one shared frame, or several joined once.
    fn sweep_payload(&mut self, index: u32) -> Payload {
        let channel = &self.channels[index];
        let (after, to) = (channel.live.delivered(), channel.live.target());
        if let Some((cut, payload)) = self.batch.stash.take() {
            if cut == (index, channel.log.epoch(), to) {
                return payload;
            }
            self.batch.recycle(payload);
        }
        let mut frames = channel.log.range(after.next(), to).map(|(frame, _)| frame);
        let first = frames.next().expect("a sweep has frames");
        if first.seq == to {
            return Payload::Frame(first.clone(), 0);
        }
        let mut joined = self.batch.buffer();
        joined.extend_from_slice(first.bytes());
        frames.for_each(|frame| joined.extend_from_slice(frame.bytes()));
        Payload::Owned(joined)
    }

    /// Everybody on this shard who keeps up has `from ..= to`.
    pub(super) fn finish(&mut self, index: u32, from: Seq, to: Seq, at: Time) {
        let channel = &self.channels[index];
        for (frame, counted) in channel.log.range(from, to) {
            self.retained.unswept -= frame.bytes().len();
            if counted {
                shard_done(&mut self.recorder, channel.class, frame, at);
            }
        }
    }

    /// Is through with everything in the log of a channel without subscribers here.
    pub(super) fn skip_unheard(&mut self, index: u32, at: Time) {
        let channel = &mut self.channels[index];
        if channel.live.is_empty() {
            let (from, head) = (channel.live.delivered().next(), channel.log.head());
            channel.live.skip_to(head);
            self.finish(index, from, head, at);
        }
    }

    /// Counts frames that somebody was made to miss.
    pub(super) fn missed(&mut self, frames: u64) {
        self.recorder.count(Count::Missed, frames);
    }
}

/// This shard, or one it stands for, is through with a frame: the last one ends the broadcast.
pub(super) fn shard_done(recorder: &mut Recorder, class: ClassId, frame: &Frame, at: Time) {
    if frame.shard_done() {
        recorder.broadcast_done(class, at.ns_since(frame.accepted_at));
    }
}

/// How far one sweep goes: everything new, as far as it is worth joining.
fn joined_target(channel: &super::channel::Channel, limit: usize) -> Seq {
    let mut frames = channel.log.from(channel.live.delivered().next());
    let Some(first) = frames.next() else { return channel.log.head() };
    let (mut target, mut bytes) = (first.seq, first.bytes().len());
    for frame in frames {
        bytes += frame.bytes().len();
        if bytes > limit {
            break;
        }
        target = frame.seq;
    }
    target
}

//! What a turn writes: replies first, then the lanes, the sweeps and the laggards, in batches in
//! which no connection is written twice (invariant 11).

use std::collections::VecDeque;

use super::close::Phase;
use super::effect::Lanes;
use super::frame::Frame;
use super::gate::Pass;
use super::hub::Hub;
use super::laggard::LagState;
use super::outlet::{Flushed, Outlet, Owed, Payload, Short};
use crate::limits::JOIN_BYTES;
use crate::telemetry::{ClassId, Count, MessageError, Recorder};
use crate::types::{ConnectionKey, Epoch, Now, Seq, Time};

/// The batch being filled, and what waits to be written.
#[derive(Debug, Default)]
pub(super) struct Transmit {
    /// One per payload of the batch, in the order they were loaded.
    runs: Vec<Run>,
    replies: VecDeque<Reply>,
    /// The joined payload of a sweep that a full batch or slice cut, to be loaded again.
    stash: Option<(Cut, Payload)>,
    flushed: Flushed,
    /// Buffers of joined payloads, for reuse.
    pool: Vec<Vec<u8>>,
}

/// Names a sweep: an index may be reused, an epoch is not, and no channel sweeps to a place twice.
type Cut = (u32, Epoch, Seq);

/// What the writes of one payload are.
#[derive(Clone, Copy, Debug)]
enum Run {
    Sweep {
        channel: u32,
        from: Seq,
        to: Seq,
        /// Writes.
        count: u64,
        /// With this run everybody in the live set is served.
        last: bool,
    },
    Reply {
        key: ConnectionKey,
        closes: bool,
    },
    Laggard {
        key: ConnectionKey,
    },
}

/// Frames for one connection, ready for the socket.
#[derive(Debug)]
struct Reply {
    key: ConnectionKey,
    bytes: Vec<u8>,
    closes: bool,
}

/// Buffers kept for reuse; more are seldom in one batch.
const POOL: usize = 16;

impl Hub {
    /// Writes what is due: replies, lanes, sweeps, laggards. Returns whether more is due than one
    /// turn may do: call again after other work.
    pub fn poll_transmit(
        &mut self,
        now: Now,
        outlet: &mut impl Outlet,
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
        !(self.dirty.is_empty() && self.ready.is_empty() && self.transmit.replies.is_empty())
    }

    /// Queues a frame for one connection. Laggards' frames queue too, so that they stay in order
    /// with those queued before it became one.
    pub(super) fn reply(&mut self, key: ConnectionKey, bytes: Vec<u8>, closes: bool) {
        match self.transmit.replies.back_mut() {
            // A close frame stays alone: it takes the place of what a laggard is owed.
            Some(last) if last.key == key && !closes && !last.closes => {
                last.bytes.extend_from_slice(&bytes);
            }
            _ => self.transmit.replies.push_back(Reply { key, bytes, closes }),
        }
    }

    fn write_replies(&mut self, now: Time, outlet: &mut impl Outlet) {
        while let Some(reply) = self.transmit.replies.pop_front() {
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
                    self.transmit.replies.push_front(Reply { key, bytes, closes });
                    self.flush(outlet);
                }
                Pass::Go => {
                    outlet.load(Payload::Owned(bytes));
                    self.transmit.runs.push(Run::Reply { key, closes });
                    if outlet.push(key.index) {
                        self.flush(outlet);
                    }
                }
            }
        }
    }

    fn sweep(&mut self, now: Time, outlet: &mut impl Outlet) {
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
        outlet: &mut impl Outlet,
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
    fn fill(&mut self, index: u32, budget: &mut usize, outlet: &mut impl Outlet) {
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
        self.transmit.runs.push(Run::Sweep { channel: index, from, to, count, last });
        if flush {
            self.flush(outlet);
        }
    }

    /// The bytes of the sweep in progress: one shared frame, or several joined once.
    fn sweep_payload(&mut self, index: u32) -> Payload {
        let channel = &self.channels[index];
        let (after, to) = (channel.live.delivered(), channel.live.target());
        if let Some((cut, payload)) = self.transmit.stash.take() {
            if cut == (index, channel.log.epoch(), to) {
                return payload;
            }
            recycle(&mut self.transmit.pool, payload);
        }
        let mut frames = channel.log.from(after.next()).take_while(|frame| frame.seq <= to);
        let first = frames.next().expect("a sweep has frames");
        if first.seq == to {
            return Payload::Frame(first.clone(), 0);
        }
        let mut joined = self.transmit.pool.pop().unwrap_or_default();
        joined.extend_from_slice(first.bytes());
        frames.for_each(|frame| joined.extend_from_slice(frame.bytes()));
        Payload::Owned(joined)
    }

    /// Ends the batch: every write of it is over; exceptions become laggards or endings.
    pub(super) fn flush(&mut self, outlet: &mut impl Outlet) {
        if self.transmit.runs.is_empty() {
            return;
        }
        let mut flushed = std::mem::take(&mut self.transmit.flushed);
        let mut runs = std::mem::take(&mut self.transmit.runs);
        outlet.flush(&mut flushed);
        self.gate.next_batch();
        for short in flushed.shorts.drain(..) {
            self.handle_short(flushed.at, short, &mut runs, &mut flushed.payloads);
        }
        for (run, payload) in runs.drain(..).zip(flushed.payloads.drain(..)) {
            self.end_run(flushed.at, run, payload);
        }
        self.transmit.runs = runs;
        self.transmit.flushed = flushed;
    }

    fn end_run(&mut self, at: Time, run: Run, payload: Payload) {
        match run {
            Run::Sweep { channel: index, from, to, count, last } => {
                let channel = &self.channels[index];
                for frame in channel.log.from(from).take_while(|frame| frame.seq <= to) {
                    let ns = at.since(frame.accepted_at).as_nanos() as u64;
                    self.recorder.delivered(channel.class, ns, count, frame.bytes().len());
                }
                if last {
                    self.finish(index, from, to, at);
                } else if self.transmit.stash.is_none() {
                    self.transmit.stash = Some(((index, channel.log.epoch(), to), payload));
                    return;
                }
                recycle(&mut self.transmit.pool, payload);
            }
            Run::Reply { key, closes } => {
                let whole = self.connections.get(key).is_some_and(|c| c.laggard.is_none());
                if closes && whole {
                    self.close_written(at, key);
                }
            }
            Run::Laggard { key } => self.laggard_written(key),
        }
    }

    /// A write that was not whole: from now on the connection has state of its own.
    fn handle_short(&mut self, at: Time, short: Short, runs: &mut [Run], payloads: &mut [Payload]) {
        let key = self.connections.key(short.connection);
        if let Owed::Dead(errno) = short.owed {
            if let Run::Sweep { count, .. } = &mut runs[short.run] {
                *count -= 1;
            }
            tracing::debug!(errno, "write failed");
            self.recorder.message_error(MessageError::SendFailed);
            self.lose(at, key);
            return;
        }
        match &mut runs[short.run] {
            Run::Sweep { channel, from, to, count, .. } => {
                *count -= 1;
                let (index, from, to) = (*channel, *from, *to);
                let (tail, next) = match short.owed {
                    Owed::After(taken) => self.split(at, index, from, to, taken),
                    Owed::Sealed(rest) => {
                        let frames = self.channels[index].log.range(from, to).count();
                        self.recorder.count(Count::CatchUps, frames as u64);
                        (Some(Payload::Sealed(rest, 0)), to.next())
                    }
                    Owed::Dead(_) => return,
                };
                self.become_laggard(at, key, tail, Some((index, next)), false);
            }
            Run::Reply { closes, .. } => {
                let tail = rest_of(&mut payloads[short.run], short.owed);
                let closes = *closes;
                self.become_laggard(at, key, Some(tail), None, closes);
            }
            Run::Laggard { .. } => {
                let tail = rest_of(&mut payloads[short.run], short.owed);
                if let Some(laggard) = &mut self.connections[key.index].laggard {
                    laggard.tail = Some(tail);
                    laggard.state = LagState::Waiting;
                }
                self.charge(at, key);
                self.await_writable(key);
            }
        }
    }

    /// Where a cut falls in the frames `from ..= to`: the rest of the frame it falls into, and the
    /// position after that frame.
    fn split(
        &mut self,
        at: Time,
        index: u32,
        from: Seq,
        to: Seq,
        mut taken: usize,
    ) -> (Option<Payload>, Seq) {
        let channel = &self.channels[index];
        for frame in channel.log.from(from).take_while(|frame| frame.seq <= to) {
            let len = frame.bytes().len();
            if taken == 0 {
                return (None, frame.first);
            }
            if taken < len {
                self.recorder.count(Count::CatchUps, 1);
                return (Some(Payload::Frame(frame.clone(), taken)), frame.seq.next());
            }
            taken -= len;
            let ns = at.since(frame.accepted_at).as_nanos() as u64;
            self.recorder.delivered(channel.class, ns, 1, len);
        }
        (None, to.next())
    }

    /// Counts a laggard's write among the batch.
    pub(super) fn begin_laggard_run(&mut self, key: ConnectionKey) {
        self.transmit.runs.push(Run::Laggard { key });
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
        recorder.broadcast_done(class, at.since(frame.accepted_at).as_nanos() as u64);
    }
}

/// How far one sweep goes: everything new, as far as it is worth joining.
fn joined_target(channel: &super::channel::Channel, limit: usize) -> Seq {
    let mut frames = channel.log.from(channel.live.delivered().next());
    let mut target = frames.next().map_or(channel.log.head(), |frame| frame.seq);
    let mut bytes = channel.log.from(target).next().map_or(0, |frame| frame.bytes().len());
    for frame in frames {
        bytes += frame.bytes().len();
        if bytes > limit {
            break;
        }
        target = frame.seq;
    }
    target
}

/// What is left of a payload, kept for later.
fn rest_of(payload: &mut Payload, owed: Owed) -> Payload {
    match owed {
        Owed::Sealed(rest) => Payload::Sealed(rest, 0),
        Owed::Dead(_) => Payload::Owned(Vec::new()),
        Owed::After(taken) => match std::mem::replace(payload, Payload::Owned(Vec::new())) {
            Payload::Frame(frame, offset) => Payload::Frame(frame, offset + taken),
            Payload::Sealed(bytes, offset) => Payload::Sealed(bytes, offset + taken),
            Payload::Owned(mut bytes) => {
                bytes.drain(..taken);
                Payload::Owned(bytes)
            }
        },
    }
}

fn recycle(pool: &mut Vec<Vec<u8>>, payload: Payload) {
    if let Payload::Owned(mut bytes) = payload {
        if pool.len() < POOL && bytes.capacity() <= 2 * JOIN_BYTES {
            bytes.clear();
            pool.push(bytes);
        }
    }
}

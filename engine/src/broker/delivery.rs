//! What an iteration writes to whom: replies first, then the sweeps and the laggards, in batches in
//! which no connection is written twice (invariant 11).
//!
//! | file | type |
//! |---|---|
//! | this one | [`Delivery`]: writes of replies and sweeps, the flush of a batch |
//! | `catch_up` | its laggards' writes |
//! | `write_sink` | where the bytes go: the seam between deciding and doing |
//! | `write_gate` | one write per connection and batch |
//! | `write_batch` | the batch being filled |
//! | `laggard`, `laggards` | connections that are not live |

mod catch_up;
#[cfg(test)]
mod delivery_invariants;
mod laggard;
mod laggards;
mod write_batch;
mod write_gate;
pub mod write_sink;

use super::channel::{Channels, Sweep};
use super::connection::Connections;
use super::context::{Context, Ending, Reply};
use super::effect::Effect;
use crate::telemetry::{Count, MessageError};
use crate::types::ChannelIndex;
use crate::types::{ConnectionKey, Seq, Time};
use catch_up::Survey;
use laggard::{LagState, Laggard};
use laggards::Laggards;
use write_batch::{Run, WriteBatch, rest_of};
use write_gate::{Pass, WriteGate};
use write_sink::{Flushed, Owed, Payload, Short, WriteSink};

/// What the connections of a shard are owed.
#[derive(Debug)]
pub(super) struct Delivery {
    gate: WriteGate,
    batch: WriteBatch,
    laggards: Laggards,
    survey: Survey,
}

/// What delivering works with.
pub(super) struct Work<'a, S> {
    pub(super) cx: &'a mut Context,
    pub(super) channels: &'a mut Channels,
    pub(super) connections: &'a Connections,
    pub(super) sink: &'a mut S,
}

impl Delivery {
    /// For at most `connections` connections, none of them live.
    pub(super) fn new(connections: usize) -> Delivery {
        Delivery {
            gate: WriteGate::new(connections),
            batch: WriteBatch::default(),
            laggards: Laggards::default(),
            survey: Survey::default(),
        }
    }

    /// A connection was admitted: it is live.
    pub(super) fn open(&mut self, connection: u32) {
        self.gate.open(connection);
    }

    /// Nothing more is written to a connection.
    pub(super) fn shut(&mut self, connection: u32) {
        self.laggards.remove(connection);
        self.gate.shut(connection);
    }

    /// Whether a write is due that one iteration may not do.
    pub(super) fn has_more(&self) -> bool {
        self.laggards.ready() > 0
    }

    /// Writes the queued replies, or adds them to what laggards are owed.
    pub(super) fn write_replies(&mut self, work: &mut Work<'_, impl WriteSink>) {
        while let Some(reply) = work.cx.next_reply() {
            let Reply { key, bytes, closes } = reply;
            let Some(connection) = work.connections.get(key) else { continue };
            if self.laggards.get(key.index).is_some() {
                self.owe(work.cx, key, bytes, closes);
                continue;
            }
            if !connection.state().is_writable() {
                continue;
            }
            match self.gate.pass(key.index) {
                Pass::Shut => {}
                Pass::Twice => {
                    work.cx.return_reply(Reply { key, bytes, closes });
                    self.flush(work);
                }
                Pass::Go if bytes.is_empty() => work.cx.end(key, Ending::CloseWritten),
                Pass::Go => {
                    work.sink.load(Payload::Owned(bytes));
                    self.batch.runs.push(Run::Reply { key, closes });
                    if work.sink.push(key.index) {
                        self.flush(work);
                    }
                }
            }
        }
    }

    /// Sweeps dirty channels, as far as one iteration's slice allows.
    pub(super) fn sweep(&mut self, work: &mut Work<'_, impl WriteSink>) {
        let mut budget = work.cx.limits.slice;
        for _ in 0..work.channels.dirty() {
            let Some(slot) = work.channels.next_dirty() else { break };
            while let Some(sweep) = work.channels.sweep(work.cx, slot)
                && budget > 0
            {
                self.fill(work, slot, sweep, &mut budget);
            }
            work.channels.requeue(slot);
            if budget == 0 {
                break;
            }
        }
    }

    /// Writes the sweep's bytes to pending members until the batch or the budget is full.
    fn fill(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        channel: ChannelIndex,
        sweep: Sweep,
        budget: &mut usize,
    ) {
        work.sink.load(self.sweep_payload(work.channels, channel, sweep));
        let (mut taken, mut count, mut flush) = (0, 0, false);
        for &connection in work.channels.pending(channel).iter().take(*budget) {
            match self.gate.pass(connection) {
                Pass::Go => {
                    count += 1;
                    taken += 1;
                    if work.sink.push(connection) {
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
        let last = work.channels.advance(channel, taken);
        self.batch.runs.push(Run::Sweep { channel, sweep, count, last });
        if flush {
            self.flush(work);
        }
    }

    /// The bytes of a sweep: one shared frame, or several joined once.
    fn sweep_payload(
        &mut self,
        channels: &Channels,
        channel: ChannelIndex,
        sweep: Sweep,
    ) -> Payload {
        let log = channels.log(channel);
        if let Some(payload) = self.batch.take_cut((channel, log.epoch(), sweep.to)) {
            return payload;
        }
        let mut frames = log.range(sweep.from, sweep.to).map(|(frame, _)| frame);
        let first = frames.next().expect("a sweep has frames");
        if first.seq == sweep.to {
            return Payload::Frame(first.clone(), 0);
        }
        self.batch.join(std::iter::once(first).chain(frames).map(|frame| frame.bytes()))
    }

    /// Ends the batch: every write of it is over; exceptions become laggards or endings.
    pub(super) fn flush(&mut self, work: &mut Work<'_, impl WriteSink>) {
        if self.batch.runs.is_empty() {
            return;
        }
        let mut flushed = std::mem::take(&mut self.batch.flushed);
        let mut runs = std::mem::take(&mut self.batch.runs);
        work.cx.recorder.submitted(runs.iter().map(Run::writes).sum());
        work.sink.flush(&mut flushed);
        self.gate.next_batch();
        let Flushed { at, shorts, payloads } = &mut flushed;
        for short in shorts.drain(..) {
            self.handle_short(work, *at, short, &mut runs, payloads);
        }
        for (run, payload) in runs.drain(..).zip(payloads.drain(..)) {
            self.end_run(work, *at, run, payload);
        }
        self.batch.runs = runs;
        self.batch.flushed = flushed;
    }

    fn end_run<S>(&mut self, work: &mut Work<'_, S>, at: Time, run: Run, payload: Payload) {
        match run {
            Run::Sweep { channel, sweep, count, last } => {
                let (class, log) = (work.channels.class(channel), work.channels.log(channel));
                for (frame, _) in log.range(sweep.from, sweep.to) {
                    let ns = at.ns_since(frame.accepted_at);
                    work.cx.recorder.delivered(class, ns, count, frame.bytes().len());
                }
                work.cx.recorder.wrote(class, count);
                if last {
                    work.channels.finish(work.cx, channel, sweep, at);
                    self.batch.recycle(payload);
                } else {
                    self.batch.keep_cut((channel, log.epoch(), sweep.to), payload);
                }
            }
            Run::Reply { key, closes } => {
                if closes && self.laggards.get(key.index).is_none() {
                    work.cx.end(key, Ending::CloseWritten);
                }
            }
            Run::Laggard { key } => self.laggards.make_ready(key, LagState::Writing),
        }
    }

    /// A write that was not whole: from now on the connection has state of its own.
    fn handle_short<S>(
        &mut self,
        work: &mut Work<'_, S>,
        at: Time,
        short: Short,
        runs: &mut [Run],
        payloads: &mut [Payload],
    ) {
        let key = work.connections.key(short.connection);
        let service = work.connections[key].service();
        let dead = matches!(short.owed, Owed::Dead(_));
        if dead {
            work.cx.recorder.message_error(service, MessageError::SendFailed);
            work.cx.end(key, Ending::Lost);
            self.shut(key.index);
        }
        match &mut runs[short.run] {
            Run::Sweep { channel, sweep, count, .. } => {
                *count -= 1;
                let (channel, sweep) = (*channel, *sweep);
                let (tail, next) = match short.owed {
                    Owed::After(taken) => split(work, at, channel, sweep, taken),
                    Owed::Sealed(rest) => {
                        let frames = work.channels.log(channel).range(sweep.from, sweep.to).count();
                        work.cx.recorder.replayed(service, frames as u64);
                        (Some(Payload::Sealed(rest, 0)), sweep.to.next())
                    }
                    Owed::Dead(_) => return,
                };
                self.fall_behind(work, key, tail, Some((channel, next)), false);
            }
            _ if dead => {}
            Run::Reply { closes, .. } => {
                let tail = rest_of(&mut payloads[short.run], short.owed);
                self.fall_behind(work, key, Some(tail), None, *closes);
            }
            Run::Laggard { .. } => {
                let tail = rest_of(&mut payloads[short.run], short.owed);
                if let Some(laggard) = self.laggards.get_mut(key.index) {
                    (laggard.tail, laggard.state) = (Some(tail), LagState::Waiting);
                }
                self.charge(work.cx, key);
                work.cx.push_effect(Effect::AwaitWritable(key));
            }
        }
    }

    /// A live connection could not take its bytes. `at_cursor` names the channel in which it
    /// stands elsewhere than the live set says.
    fn fall_behind<S>(
        &mut self,
        work: &mut Work<'_, S>,
        key: ConnectionKey,
        tail: Option<Payload>,
        at_cursor: Option<(ChannelIndex, Seq)>,
        closing: bool,
    ) {
        let mut laggard = Laggard::new(work.cx.time(), LagState::Waiting);
        (laggard.tail, laggard.closing) = (tail, closing);
        work.cx.recorder.count(Count::Laggards, 1);
        self.add_laggard(work.channels, key, laggard);
        if let Some((channel, next)) = at_cursor {
            self.move_cursor(key.index, channel, next);
        }
        work.cx.push_effect(Effect::AwaitWritable(key));
        self.charge(work.cx, key);
    }
}

/// Where a cut falls in a sweep's frames: the rest of the frame it falls into, and the position
/// after that frame.
fn split<S>(
    work: &mut Work<'_, S>,
    at: Time,
    channel: ChannelIndex,
    sweep: Sweep,
    mut taken: usize,
) -> (Option<Payload>, Seq) {
    let (recorder, channels) = (&mut work.cx.recorder, &work.channels);
    for (frame, _) in channels.log(channel).range(sweep.from, sweep.to) {
        let len = frame.bytes().len();
        if taken == 0 {
            return (None, frame.first);
        }
        if taken < len {
            recorder.replayed(channels.name(channel).service(), 1);
            return (Some(Payload::Frame(frame.clone(), taken)), frame.seq.next());
        }
        taken -= len;
        let ns = at.ns_since(frame.accepted_at);
        recorder.delivered(channels.class(channel), ns, 1, len);
    }
    (None, sweep.to.next())
}

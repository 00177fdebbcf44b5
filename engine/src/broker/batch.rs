//! A batch of writes: in it no connection is written twice (invariant 11). It ends by a flush,
//! after which every write is over and only exceptions are known.

use super::hub::Hub;
use super::laggard::LagState;
use super::outlet::{Flushed, Owed, Payload, Short, WriteSink};
use crate::limits::JOIN_BYTES;
use crate::telemetry::MessageError;
use crate::types::{ConnectionKey, Epoch, Seq, Time};

/// The batch being filled.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// One per payload of the batch, in the order they were loaded.
    pub(super) runs: Vec<Run>,
    /// The payload of a sweep that a full batch or slice cut, to be loaded again.
    pub(super) stash: Option<(Cut, Payload)>,
    flushed: Flushed,
    /// Buffers of joined payloads, for reuse.
    pool: Vec<Vec<u8>>,
}

/// Names a sweep: an index may be reused, an epoch is not, and no channel sweeps to a place twice.
pub(super) type Cut = (u32, Epoch, Seq);

/// What the writes of one payload are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
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

impl Run {
    /// Sockets it writes to.
    fn writes(&self) -> u64 {
        match self {
            Run::Sweep { count, .. } => *count,
            Run::Reply { .. } | Run::Laggard { .. } => 1,
        }
    }
}

/// Buffers kept for reuse; more are seldom in one batch.
const POOL: usize = 16;

impl Batch {
    /// An empty buffer to join frames in.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_default()
    }

    /// Keeps a payload's buffer for reuse.
    pub(super) fn recycle(&mut self, payload: Payload) {
        if let Payload::Owned(mut bytes) = payload
            && self.pool.len() < POOL
            && bytes.capacity() <= 2 * JOIN_BYTES
        {
            bytes.clear();
            self.pool.push(bytes);
        }
    }
}

impl Hub {
    /// Ends the batch: every write of it is over; exceptions become laggards or endings.
    pub(super) fn flush(&mut self, outlet: &mut impl WriteSink) {
        if self.batch.runs.is_empty() {
            return;
        }
        let mut flushed = std::mem::take(&mut self.batch.flushed);
        let mut runs = std::mem::take(&mut self.batch.runs);
        self.recorder.submitted(runs.iter().map(Run::writes).sum());
        outlet.flush(&mut flushed);
        self.gate.next_batch();
        for short in flushed.shorts.drain(..) {
            self.handle_short(flushed.at, short, &mut runs, &mut flushed.payloads);
        }
        for (run, payload) in runs.drain(..).zip(flushed.payloads.drain(..)) {
            self.end_run(flushed.at, run, payload);
        }
        self.batch.runs = runs;
        self.batch.flushed = flushed;
    }

    fn end_run(&mut self, at: Time, run: Run, payload: Payload) {
        match run {
            Run::Sweep { channel: index, from, to, count, last } => {
                let channel = &self.channels[index];
                for (frame, _) in channel.log.range(from, to) {
                    let ns = at.ns_since(frame.accepted_at);
                    self.recorder.delivered(channel.class, ns, count, frame.bytes().len());
                }
                self.recorder.wrote(channel.class, count);
                if last {
                    self.finish(index, from, to, at);
                } else if self.batch.stash.is_none() {
                    self.batch.stash = Some(((index, channel.log.epoch(), to), payload));
                    return;
                }
                self.batch.recycle(payload);
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
            let service = self.connections[key.index].service;
            self.recorder.message_error(service, MessageError::SendFailed);
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
                        let service = self.connections[key.index].service;
                        self.recorder.replayed(service, frames as u64);
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
        for (frame, _) in channel.log.range(from, to) {
            let len = frame.bytes().len();
            if taken == 0 {
                return (None, frame.first);
            }
            if taken < len {
                self.recorder.replayed(channel.name.service(), 1);
                return (Some(Payload::Frame(frame.clone(), taken)), frame.seq.next());
            }
            taken -= len;
            let ns = at.ns_since(frame.accepted_at);
            self.recorder.delivered(channel.class, ns, 1, len);
        }
        (None, to.next())
    }

    /// Counts a laggard's write among the batch.
    pub(super) fn begin_laggard_run(&mut self, key: ConnectionKey) {
        self.batch.runs.push(Run::Laggard { key });
    }
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

//! What an iteration writes to which connection: replies first, then the sweeps and the laggards,
//! in batches in which no connection is written twice (invariant 11).
//!
//! | file | type |
//! |---|---|
//! | this one | [`Delivery`]: writes of replies and sweeps, the flush of a batch |
//! | `flush` | the end of a batch: what was handed over, what is owed |
//! | `catch_up` | its laggards' writes |
//! | `write_sink` | where the bytes go: the seam between deciding and doing |
//! | `write_gate` | one write per connection and batch |
//! | `write_batch` | the batch being filled |
//! | `form` | the encoding in which a subscriber is written a channel's frames |
//! | `shared_writes` | sweeps that are written together |
//! | `chains`, `marks` | what a connection is owed by several sweeps |
//! | `encoded_sweeps` | sweeps over those that negotiated compression |
//! | `chain_encodings` | what a chain is for one of them |
//! | `reader_context` | what a laggard is sent of a log, where it negotiated compression |
//! | `twins` | messages that are compressed by themselves |
//! | `laggard`, `laggards` | connections that are not live |
//! | `readers` | streams of several channels, which read the logs each by itself |
//! | `reading`, `slow_policy` | their next messages: all, or what the channel's class leaves |
//! | `skips` | what was passed over |
//! | `lag_report` | what is told about them |
//! | `handover` | debts that go over to another process |

mod catch_up;
mod chain_encodings;
mod chains;
#[cfg(test)]
pub(super) mod delivery_invariants;
mod encoded_sweeps;
mod flush;
mod form;
mod handover;
mod lag_report;
mod laggard;
mod laggards;
mod marks;
mod reader_context;
mod readers;
mod reading;
mod shared_writes;
mod skips;
mod slow_policy;
mod twins;
mod write_batch;
mod write_gate;
pub mod write_sink;

use super::channel::{Channels, Sweep};
use super::connection::Connections;
use super::context::{Context, Ending, Reply};
use crate::limits::DELIVERY_BYTES;
use crate::shared_frame::Deflation;
use crate::types::{ChannelIndex, ConnectionKey, Encoding, Seq};
use catch_up::Survey;
use chains::{Chain, Chains};
use encoded_sweeps::EncodedSlice;
use form::Form;
use laggards::Laggards;
use marks::Piece;
use shared_writes::Group;
pub(super) use skips::SkipStart;
use skips::Skips;
use twins::Twins;
use write_batch::{Run, WriteBatch};
use write_gate::{Pass, WriteGate};
use write_sink::{Payload, WriteSink};

/// As how many deliveries of its slice a write of so many bytes counts.
fn deliveries_of(bytes: usize) -> usize {
    1 + bytes / DELIVERY_BYTES
}

/// What the connections of a shard are owed.
#[derive(Debug)]
pub(super) struct Delivery {
    gate: WriteGate,
    batch: WriteBatch,
    chains: Chains,
    /// Sweeps that are about to be marked.
    group: Group,
    /// Channels with marked sweeps that end with the batch: listed again if they are dirty then.
    swept: Vec<ChannelIndex>,
    /// Writes of a marked sweep's slice.
    slice: Vec<(Chain, u32)>,
    /// Writes of a slice to those that negotiated compression.
    encoded_slice: EncodedSlice,
    twins: Twins,
    laggards: Laggards,
    /// Streams that the sweeps of this iteration have come to.
    readers: Vec<ConnectionKey>,
    skips: Skips,
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
    /// For at most `connections` connections of so many services, none of them live.
    pub(super) fn new(connections: usize, services: usize) -> Delivery {
        Delivery {
            gate: WriteGate::new(connections),
            batch: WriteBatch::default(),
            chains: Chains::default(),
            group: Group::default(),
            swept: Vec::new(),
            slice: Vec::new(),
            encoded_slice: EncodedSlice::default(),
            twins: Twins::default(),
            laggards: Laggards::new(services),
            readers: Vec::new(),
            skips: Skips::default(),
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
        self.skips.forget(connection);
        self.chains.forget(connection);
        self.gate.shut(connection);
    }

    /// Whether a write is due that one iteration may not do.
    pub(super) fn has_more(&self) -> bool {
        self.laggards.ready() > 0
    }

    /// What a subscriber was handed of a channel, a laggard's cursor apart.
    pub(super) fn handed(
        &self,
        channels: &Channels,
        connection: u32,
        channel: ChannelIndex,
    ) -> Option<Seq> {
        self.chains.handed(channels, connection, channel)
    }

    /// Whether a connection's next write holds a sweep of a channel.
    pub(super) fn owes(&self, connection: u32, channel: ChannelIndex) -> bool {
        self.chains.owes(connection, channel)
    }

    /// A connection leaves a channel of which it is owed no sweep.
    pub(super) fn leave(&mut self, connection: u32, channel: ChannelIndex) {
        self.remove_cursor(connection, channel);
        assert!(!self.owes(connection, channel), "a departure waits for what is owed");
    }

    /// A connection leaves all its channels.
    pub(super) fn leave_all(&mut self, connection: u32) {
        self.remove_cursors(connection);
        self.chains.forget(connection);
    }

    /// Writes the queued replies, or adds them to what laggards are owed.
    pub(super) fn write_replies(&mut self, work: &mut Work<'_, impl WriteSink>) {
        work.cx.join_replies();
        while let Some(reply) = work.cx.next_reply() {
            let Reply { key, mut bytes, closes } = reply;
            let Some(connection) = work.connections.get(key) else { continue };
            if self.laggards.get(key.index).is_some() {
                self.owe(work.cx, key, bytes, (closes, connection.is_stream()));
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
                    if !self.join_owed(work, key.index, &mut bytes) {
                        self.batch.runs.push(Run::Reply { key, closes });
                    }
                    work.sink.load(Payload::Owned(bytes));
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
            if budget == 0 {
                break;
            }
            if !self.chains.is_marked(work.channels.dirty_at(0)) {
                self.mark_dirty(work);
            }
            let Some(channel) = work.channels.next_dirty() else { break };
            if !self.chains.is_marked(channel) {
                while let Some(sweep) = work.channels.sweep(work.cx, channel)
                    && budget > 0
                {
                    let encoding = work.channels.pending_encodings(channel).next();
                    match encoding {
                        Some(Encoding::Deflating) => {
                            self.fill_encoded(work, channel, sweep, &mut budget);
                        }
                        Some(Encoding::JointEvent) => {
                            self.fill_readers(work, channel, sweep, &mut budget);
                        }
                        _ => self.fill(work, channel, sweep, &mut budget),
                    }
                }
            }
            while budget > 0 && self.chains.is_owed(channel) {
                self.fill_chains(work, channel, &mut budget);
            }
            if self.chains.is_marked(channel) && !self.chains.is_owed(channel) {
                self.swept.push(channel);
            } else {
                work.channels.requeue(work.cx, channel);
            }
        }
    }

    /// Writes the sweep's bytes to pending members of one encoding until the batch or the budget is
    /// full.
    fn fill(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        channel: ChannelIndex,
        sweep: Sweep,
        budget: &mut usize,
    ) {
        let encoding = work.channels.pending_encodings(channel).next().unwrap_or_default();
        let form = (encoding, Deflation::Plain);
        let piece = self.sweep_piece(work.channels, channel, sweep, form);
        let cost = deliveries_of(piece.bytes().len());
        work.sink.load(piece.into());
        let (mut taken, mut count, mut flush) = (0, 0, false);
        let members = work.channels.pending(channel, encoding);
        for &connection in members.iter().take(budget.div_ceil(cost)) {
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
        *budget = budget.saturating_sub(taken * cost);
        let last = work.channels.advance(channel, encoding, taken);
        let deflation = Deflation::Plain;
        self.batch.runs.push(Run::Sweep { channel, sweep, encoding, deflation, count, last });
        if flush {
            self.flush(work);
        }
    }

    /// The bytes of a sweep in a form: one shared frame, or what is written once for all members
    /// that are written it so. Twins that it takes are made already.
    fn sweep_piece(
        &mut self,
        channels: &Channels,
        channel: ChannelIndex,
        sweep: Sweep,
        (encoding, deflation): (Encoding, Deflation),
    ) -> Piece {
        let log = channels.log(channel);
        let id = (channel, log.epoch(), sweep.to, encoding, deflation);
        if let Some(piece) = self.batch.take_cut(id) {
            return piece;
        }
        let mut frames = log.range(sweep.from, sweep.to).map(|(frame, _)| frame);
        let first = frames.next().expect("a sweep has frames");
        if first.seq == sweep.to && !encoding.is_event() {
            return match deflation {
                Deflation::Plain => Piece::Frame(first.clone()),
                _ => Piece::Encoded(first.clone(), deflation),
            };
        }
        let form = Form::new(channels, channel, encoding).deflated(deflation);
        self.batch.joined(|out| {
            std::iter::once(first).chain(frames).for_each(|frame| form.append(frame, out));
        })
    }
}

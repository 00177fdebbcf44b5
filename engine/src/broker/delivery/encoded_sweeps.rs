//! Sweeps over members that negotiated compression: what each is sent follows from what its
//! inflater has, and those that are sent the same share the bytes.

use super::chain_encodings::Encodings;
use super::chains::Chain;
use super::marks::{Piece, Swept};
use super::twins::Sent;
use super::write_batch::Run;
use super::write_gate::Pass;
use super::write_sink::WriteSink;
use super::{Delivery, Work, deliveries_of};
use crate::broker::channel::{Channels, Span, Sweep};
use crate::shared_frame::{Deflation, Frame};
use crate::types::{ChannelIndex, Encoding};

/// Writes of a slice, kept for their memory.
#[derive(Debug, Default)]
pub(super) struct EncodedSlice {
    sweep: Vec<(Deflation, u32)>,
    /// Connections that negotiated compression, with what they are owed.
    pub(super) owed: Vec<(Chain, u32)>,
    chains: Vec<(Chain, Encodings, u32)>,
    walk: Walk,
}

/// The chain that is looked at.
#[derive(Debug, Default)]
struct Walk {
    chain: Chain,
    sweeps: Vec<Swept>,
    spans: Vec<Span>,
}

/// What a sweep's frames mean for contexts.
fn span_of(channels: &Channels, channel: ChannelIndex, sweep: Sweep) -> Span {
    let mut span = Span::default();
    channels.log(channel).range(sweep.from, sweep.to).for_each(|(frame, _)| span.add(frame));
    span
}

/// As how many deliveries of its slice a write of a sweep counts. It may be fewer bytes than the
/// log's, but they cost more.
fn cost_of(channels: &Channels, channel: ChannelIndex, sweep: Sweep) -> usize {
    let frames = channels.log(channel).range(sweep.from, sweep.to);
    deliveries_of(frames.map(|(frame, _)| frame.bytes().len()).sum())
}

impl Delivery {
    /// Writes a sweep to pending members that negotiated compression, until the batch or the budget
    /// is full.
    pub(super) fn fill_encoded(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        channel: ChannelIndex,
        sweep: Sweep,
        budget: &mut usize,
    ) {
        let span = span_of(work.channels, channel, sweep);
        let mut slice = std::mem::take(&mut self.encoded_slice.sweep);
        let (mut visited, mut written) = (0, false);
        let cost = cost_of(work.channels, channel, sweep);
        let (members, since) = work.channels.pending_since(channel);
        for (&connection, since) in members.iter().zip(since).take(budget.div_ceil(cost)) {
            if self.gate.is_open(connection) {
                written = self.gate.was_written(connection);
                if written {
                    break;
                }
                slice.push((span.take(since), connection));
            }
            visited += 1;
        }
        *budget = budget.saturating_sub(visited * cost);
        slice.sort_unstable();
        let over = work.channels.advance(channel, Encoding::Deflating, visited);
        let mut rest = &slice[..];
        loop {
            let deflation = rest.first().map_or(Deflation::Plain, |(deflation, _)| *deflation);
            let alike = rest.iter().take_while(|(other, _)| *other == deflation).count();
            let (these, others) = rest.split_at(alike);
            rest = others;
            let last = over && rest.is_empty();
            self.write_encoded(work, (channel, sweep, deflation), these, last);
            if rest.is_empty() {
                break;
            }
        }
        slice.clear();
        self.encoded_slice.sweep = slice;
        if written {
            self.flush(work);
        }
    }

    /// Writes a sweep in one deflation to live members. `last`: it is over with them.
    fn write_encoded(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        (channel, sweep, deflation): (ChannelIndex, Sweep, Deflation),
        mut to: &[(Deflation, u32)],
        last: bool,
    ) {
        let piece = self.encoded_piece(work, channel, sweep, deflation);
        self.record_sent(work, channel, sweep, deflation, to.len() as u64);
        loop {
            work.sink.load(piece.clone().into());
            let (mut count, mut full) = (0, false);
            for &(_, connection) in to {
                let pass = self.gate.pass(connection);
                assert_eq!(pass, Pass::Go, "a live member that was not written in this batch");
                if deflation == Deflation::Aside {
                    self.note_aside(work, channel, sweep, connection);
                }
                count += 1;
                full = work.sink.push(connection);
                if full {
                    break;
                }
            }
            to = &to[count..];
            let (count, last) = (count as u64, last && to.is_empty());
            self.batch.runs.push(Run::Sweep {
                channel,
                sweep,
                encoding: Encoding::Deflating,
                deflation,
                count,
                last,
            });
            if full {
                self.flush(work);
            }
            if to.is_empty() {
                return;
            }
        }
    }

    /// The bytes of a sweep in a deflation.
    fn encoded_piece<S>(
        &mut self,
        work: &mut Work<'_, S>,
        channel: ChannelIndex,
        sweep: Sweep,
        deflation: Deflation,
    ) -> Piece {
        for (frame, _) in work.channels.log(channel).range(sweep.from, sweep.to) {
            self.twins.prepare(&mut work.cx.recorder, frame, deflation);
        }
        self.sweep_piece(work.channels, channel, sweep, (Encoding::Deflating, deflation))
    }

    fn record_sent<S>(
        &mut self,
        work: &mut Work<'_, S>,
        channel: ChannelIndex,
        sweep: Sweep,
        deflation: Deflation,
        subscribers: u64,
    ) {
        let mut sent = Sent::default();
        let frames = work.channels.log(channel).range(sweep.from, sweep.to);
        frames.for_each(|(frame, _)| sent.add(frame, deflation));
        sent.record(&mut work.cx.recorder, subscribers);
    }

    /// A connection is written a sweep of one channel and follows the context of another. A twin
    /// among its frames breaks that context.
    fn note_aside<S>(
        &mut self,
        work: &mut Work<'_, S>,
        channel: ChannelIndex,
        sweep: Sweep,
        connection: u32,
    ) {
        let is_twin = |frame: &Frame| frame.as_sent(Deflation::Aside).0 == Deflation::Twin;
        let log = work.channels.log(channel);
        if log.range(sweep.from, sweep.to).any(|(frame, _)| is_twin(frame)) {
            work.channels.interrupt_contexts(connection);
        }
    }

    /// How a connection is to be written the chain that it is owed. It has it then.
    pub(super) fn encode_chain<S>(
        &mut self,
        work: &mut Work<'_, S>,
        chain: Chain,
        connection: u32,
    ) -> Encodings {
        let mut walk = std::mem::take(&mut self.encoded_slice.walk);
        if walk.chain != chain {
            walk.chain = chain;
            walk.sweeps.clear();
            self.chains.list_sweeps(chain, &mut walk.sweeps);
            walk.spans.clear();
            let spans = walk.sweeps.iter().map(|&(of, sweep, _)| span_of(work.channels, of, sweep));
            walk.spans.extend(spans);
        }
        let mut encodings = Encodings::PLAIN;
        if walk.sweeps.len() > Encodings::ROOM {
            // What it misses of its context it misses.
            work.channels.interrupt_contexts(connection);
            self.encoded_slice.walk = walk;
            return encodings;
        }
        for (nth, (&(channel, sweep, _), span)) in walk.sweeps.iter().zip(&walk.spans).enumerate() {
            let Some(since) = work.channels.since_mut(connection, channel) else { continue };
            let deflation = span.take(since);
            for (frame, _) in work.channels.log(channel).range(sweep.from, sweep.to) {
                self.twins.prepare(&mut work.cx.recorder, frame, deflation);
            }
            if deflation == Deflation::Aside {
                self.note_aside(work, channel, sweep, connection);
            }
            encodings.set(nth, deflation);
        }
        self.encoded_slice.walk = walk;
        encodings
    }

    /// Forgets the chain that was looked at: it may not live as long as its number.
    pub(super) fn end_walk(&mut self) {
        self.encoded_slice.walk.chain = Chain::EMPTY;
    }

    /// Appends a chain's bytes, and records them of so many connections.
    pub(super) fn append_encoded<S>(
        &mut self,
        work: &mut Work<'_, S>,
        (chain, encodings): (Chain, Encodings),
        connections: u64,
        out: &mut Vec<u8>,
    ) {
        for (nth, (channel, sweep, _)) in self.chains.sweeps(chain).into_iter().enumerate() {
            let (deflation, mut sent) = (encodings.get(nth), Sent::default());
            for (frame, _) in work.channels.log(channel).range(sweep.from, sweep.to) {
                out.extend_from_slice(frame.encoded(deflation));
                sent.add(frame, deflation);
            }
            sent.record(&mut work.cx.recorder, connections);
        }
    }

    /// Writes what connections that negotiated compression are owed: the list of these is empty
    /// then.
    pub(super) fn write_encoded_chains(&mut self, work: &mut Work<'_, impl WriteSink>) {
        let mut owed = std::mem::take(&mut self.encoded_slice.owed);
        let mut slice = std::mem::take(&mut self.encoded_slice.chains);
        for (chain, connection) in owed.drain(..) {
            slice.push((chain, self.encode_chain(work, chain, connection), connection));
        }
        self.encoded_slice.owed = owed;
        self.end_walk();
        slice.sort_unstable();
        let mut rest = &slice[..];
        while let Some(&(chain, encodings, _)) = rest.first() {
            let is_alike =
                |other: &&(Chain, Encodings, u32)| (other.0, other.1) == (chain, encodings);
            let alike = rest.iter().take_while(is_alike).count();
            let (these, others) = rest.split_at(alike);
            rest = others;
            let piece = self.encoded_chain(work, chain, encodings, alike as u64);
            let to = these.iter().map(|(_, _, connection)| *connection);
            self.write_chain(work, (chain, encodings), Some(piece), to);
        }
        slice.clear();
        self.encoded_slice.chains = slice;
    }

    /// A chain's bytes for so many connections.
    fn encoded_chain<S>(
        &mut self,
        work: &mut Work<'_, S>,
        chain: Chain,
        encodings: Encodings,
        connections: u64,
    ) -> Piece {
        if let [(channel, sweep, _)] = self.chains.sweeps(chain)[..] {
            let deflation = encodings.get(0);
            self.record_sent(work, channel, sweep, deflation, connections);
            return self.encoded_piece(work, channel, sweep, deflation);
        }
        let mut joined = self.batch.buffer();
        self.append_encoded(work, (chain, encodings), connections, &mut joined);
        Piece::Joined(joined.into())
    }
}

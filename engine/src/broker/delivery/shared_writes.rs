//! Several sweeps written together: each connection is sent what all of them owe it in one write,
//! its replies in front.

use super::chain_encodings::Encodings;
use super::chains::Chain;
#[cfg(test)]
use super::delivery_invariants::ChainFault;
use super::marks::{Marked, Piece};
use super::write_batch::Run;
use super::write_gate::Pass;
use super::write_sink::WriteSink;
use super::{Delivery, Work, deliveries_of, form};
use crate::broker::channel::{Channels, Sweep};
use crate::limits::{MARKS_PER_PASS, MARKS_PER_REPLY};
use crate::shared_frame::Deflation;
use crate::types::{ChannelIndex, Encoding};

/// Sweeps with the same pending members, in the same order and with the same encoding: they are
/// marked in one pass.
#[derive(Debug, Default)]
pub(super) struct Group {
    sweeps: Vec<Marked>,
    bytes: usize,
}

/// The encoding of all pending members, if there is one.
fn sole_encoding(channels: &Channels, channel: ChannelIndex) -> Option<Encoding> {
    let mut encodings = channels.pending_encodings(channel);
    encodings.next().filter(|_| encodings.next().is_none())
}

impl Delivery {
    /// Marks the sweeps that can share writes: before the first write of an iteration.
    pub(in crate::broker) fn begin_writes(&mut self, work: &mut Work<'_, impl WriteSink>) {
        self.mark_dirty(work);
        self.mark_answered(work);
    }

    /// Marks the sweeps of dirty channels from the front of their list on, as many as have room.
    pub(super) fn mark_dirty<S>(&mut self, work: &mut Work<'_, S>) {
        if work.channels.sharing() == 0 || work.channels.dirty() + self.chains.marked() < 2 {
            return;
        }
        let mut left = MARKS_PER_PASS;
        for place in 0..work.channels.dirty() {
            let channel = work.channels.dirty_at(place);
            if !self.is_alike(work.channels, channel) {
                self.mark_group(work);
            }
            if !self.add_to_group(work, channel, &mut left) {
                break;
            }
        }
        self.mark_group(work);
    }

    /// Marks the sweeps that connections with a reply wait for, where that costs less than a write.
    fn mark_answered<S>(&mut self, work: &mut Work<'_, S>) {
        let mut left = MARKS_PER_REPLY * work.cx.replies().len();
        if work.channels.dirty() == 0 {
            return;
        }
        for place in 0..work.cx.replies().len() {
            let connection = work.cx.replies()[place].key.index;
            for nth in 0..work.channels.subscriptions_of(connection).len() {
                let channel = work.channels.subscriptions_of(connection)[nth].channel;
                let Some(rest) = left.checked_sub(1) else { return };
                left = rest;
                if work.channels.is_dirty(channel) {
                    self.add_to_group(work, channel, &mut left);
                    self.mark_group(work);
                }
            }
        }
    }

    /// Whether a channel's pending members are those of the group, if it has any.
    fn is_alike(&self, channels: &Channels, channel: ChannelIndex) -> bool {
        let Some(first) = self.group.sweeps.first() else { return true };
        if sole_encoding(channels, channel) != Some(first.encoding) {
            return false;
        }
        let pending = |channel| channels.pending(channel, first.encoding);
        let (these, those) = (pending(first.channel), pending(channel));
        #[cfg(test)]
        if self.chains.sabotage == Some(ChainFault::LooseGroup) {
            return these.len() == those.len();
        }
        these == those
    }

    /// Adds a channel's sweep to the group, unless it is marked or there is nothing to sweep.
    /// Returns `false` if there is no room for it.
    fn add_to_group<S>(
        &mut self,
        work: &mut Work<'_, S>,
        channel: ChannelIndex,
        left: &mut usize,
    ) -> bool {
        let pending = work.channels.pending_encodings(channel);
        let members = pending.map(|encoding| work.channels.pending(channel, encoding).len()).sum();
        if members == 0 || self.chains.is_marked(channel) {
            return true;
        }
        let cost = if self.group.sweeps.is_empty() { members } else { 0 };
        let Some(rest) = left.checked_sub(cost) else { return false };
        let Some(sweep) = work.channels.sweep(work.cx, channel) else { return true };
        let sole = sole_encoding(work.channels, channel);
        if sole == Some(Encoding::JointEvent) || !self.set_readers_aside(work, channel) {
            // It is swept by itself.
            return true;
        }
        let bytes = form::bytes_of(work.channels, channel, sole, sweep);
        if !self.chains.has_room(members, self.group.bytes + bytes, 2 * work.cx.limits.join) {
            return false;
        }
        *left = rest;
        match sole {
            Some(encoding) => self.push_to_group(work, channel, sweep, encoding),
            None => self.mark_mixed(work, channel, sweep),
        }
        true
    }

    fn push_to_group<S>(
        &mut self,
        work: &Work<'_, S>,
        channel: ChannelIndex,
        sweep: Sweep,
        encoding: Encoding,
    ) {
        let form = (encoding, Deflation::Plain);
        let piece = self.sweep_piece(work.channels, channel, sweep, form);
        self.group.bytes += piece.bytes().len();
        self.group.sweeps.push(Marked { channel, sweep, encoding, piece });
    }

    /// Marks a sweep over members with several encodings, for each encoding. The group is empty.
    fn mark_mixed<S>(&mut self, work: &Work<'_, S>, channel: ChannelIndex, sweep: Sweep) {
        assert!(self.group.sweeps.is_empty(), "no group is like members with several encodings");
        let shared = |encoding: &Encoding| *encoding != Encoding::JointEvent;
        for encoding in Encoding::ALL.into_iter().filter(shared) {
            if !work.channels.pending(channel, encoding).is_empty() {
                self.push_to_group(work, channel, sweep, encoding);
                self.mark_group(work);
            }
        }
    }

    /// Marks the group's sweeps. It is empty then.
    fn mark_group<S>(&mut self, work: &Work<'_, S>) {
        let Group { sweeps, .. } = std::mem::take(&mut self.group);
        if let Some(first) = sweeps.first() {
            let pending = work.channels.pending(first.channel, first.encoding);
            self.chains.mark(&self.gate, pending, sweeps);
        }
    }

    /// Appends what a connection is owed to a reply that is loaded next. Returns `false` if that is
    /// nothing.
    pub(super) fn join_owed<S>(
        &mut self,
        work: &mut Work<'_, S>,
        connection: u32,
        reply: &mut Vec<u8>,
    ) -> bool {
        let chain = self.chains.owed(connection);
        if chain.is_empty() {
            return false;
        }
        if work.channels.is_deflating(connection) {
            let encodings = self.encode_chain(work, chain, connection);
            self.end_walk();
            self.begin_chain((chain, encodings), reply.len());
            self.append_encoded(work, (chain, encodings), 1, reply);
        } else {
            self.begin_chain((chain, Encodings::PLAIN), reply.len());
            self.chains.append_to(chain, reply);
        }
        self.chains.take(connection, chain);
        self.end_chain(chain, 1);
        true
    }

    /// Writes what pending members of a marked sweep are owed, by it and by others, until the
    /// batch or the budget is full: first those without compression in this channel.
    pub(super) fn fill_chains(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        channel: ChannelIndex,
        budget: &mut usize,
    ) {
        let mut slice = std::mem::take(&mut self.slice);
        let (mut visited, mut cost, mut mixed, mut written) = (0, 0, false, false);
        let encoding = work.channels.pending_encodings(channel).next().unwrap_or_default();
        for &connection in work.channels.pending(channel, encoding) {
            let chain = self.chains.owed(connection);
            if !chain.is_empty() {
                written = self.gate.was_written(connection);
                if cost >= *budget || written {
                    break;
                }
                cost += deliveries_of(self.chains.bytes(chain));
                if work.channels.is_deflating(connection) {
                    self.encoded_slice.owed.push((chain, connection));
                } else {
                    mixed |= slice.last().is_some_and(|(last, _)| *last != chain);
                    slice.push((chain, connection));
                }
            }
            visited += 1;
        }
        *budget = budget.saturating_sub(cost);
        work.channels.skip(channel, encoding, visited);
        if mixed {
            slice.sort_unstable();
        }
        let mut rest = &slice[..];
        while let Some(&(chain, _)) = rest.first() {
            let alike = rest.iter().take_while(|(other, _)| *other == chain).count();
            let (these, others) = rest.split_at(alike);
            rest = others;
            let to = these.iter().map(|(_, connection)| *connection);
            self.write_chain(work, (chain, Encodings::PLAIN), None, to);
        }
        slice.clear();
        self.slice = slice;
        self.write_encoded_chains(work);
        if written {
            self.flush(work);
        }
    }

    /// Writes a chain to connections that are owed it, as it is or the bytes of these encodings.
    pub(super) fn write_chain(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        (chain, encodings): (Chain, Encodings),
        encoded: Option<Piece>,
        to: impl Iterator<Item = u32>,
    ) {
        // Its bytes are needed again after a batch that is full.
        self.chains.begin_run(chain);
        let mut to = to.peekable();
        while to.peek().is_some() {
            let batch = &mut self.batch;
            work.sink.load(match &encoded {
                Some(piece) => piece.clone().into(),
                None => self.chains.payload(chain, || batch.buffer()),
            });
            self.begin_chain((chain, encodings), 0);
            let (mut count, mut full) = (0, false);
            for connection in to.by_ref() {
                let pass = self.gate.pass(connection);
                assert_eq!(pass, Pass::Go, "what is owed to a live connection is written once");
                self.chains.take(connection, chain);
                count += 1;
                full = work.sink.push(connection);
                if full {
                    break;
                }
            }
            self.end_chain(chain, count);
            if full {
                self.flush(work);
            }
        }
        self.chains.release(chain);
    }

    /// Begins a run that writes a chain, behind so many bytes of a reply.
    fn begin_chain(&mut self, (chain, encodings): (Chain, Encodings), reply: usize) {
        self.chains.begin_run(chain);
        self.batch.runs.push(Run::Chain { chain, encodings, count: 0, reply });
    }

    /// So many connections took the chain of the run begun last.
    fn end_chain(&mut self, chain: Chain, taken: u64) {
        let Some(Run::Chain { count, .. }) = self.batch.runs.last_mut() else {
            unreachable!("a run of a chain was begun")
        };
        *count = taken;
        self.chains.count_taken(chain, taken);
    }
}

//! What live connections are owed by marked sweeps: a tree with chains of marks as its nodes.
//! Connections that are owed the same marks share a chain, and the bytes that are joined for it.
//!
//! A sweep that is marked adds its mark to the chain of every member it has still to serve; sweeps
//! with the same members share one. A member is then written its whole chain at once, by whichever
//! of these sweeps comes to it first.

use std::rc::Rc;

use super::marks::{MarkId, Marked, Marks, Swept};
use super::write_gate::WriteGate;
use super::write_sink::Payload;
use crate::broker::channel::Channels;
use crate::limits::{CHAIN_CACHE_BYTES, CHAIN_NODES};
use crate::types::{ChannelIndex, Seq};

/// What a connection is owed: marks in the order in which they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Chain(u32);

impl Chain {
    /// Owed nothing.
    pub(super) const EMPTY: Chain = Chain(0);

    pub(super) fn is_empty(self) -> bool {
        self == Chain::EMPTY
    }
}

/// A chain that something holds. The empty one is held always.
#[derive(Debug, Default)]
struct Node {
    /// What it continues.
    parent: Chain,
    /// Its last mark.
    mark: MarkId,
    /// Connections that are owed it, chains that continue it and runs of the batch.
    holders: u32,
    /// Bytes of all its marks.
    bytes: u32,
    /// The chain that continues this one with the mark of that pass.
    next: (u32, Chain),
    /// Its joined bytes, while they may be needed again.
    joined: Option<Rc<Vec<u8>>>,
}

/// All chains of a shard.
#[derive(Debug)]
pub(super) struct Chains {
    /// By connection index, as far as a connection was ever owed one.
    owed: Vec<Chain>,
    nodes: Vec<Node>,
    free: Vec<Chain>,
    marks: Marks,
    /// Number of the pass of `mark`, from 1.
    pass: u32,
    /// Bytes of the longest chain since there was none.
    longest: usize,
    /// Bytes kept in `joined`.
    cached: usize,
    /// The path of the chain that is walked.
    path: Vec<MarkId>,
    #[cfg(test)]
    pub(super) sabotage: Option<super::delivery_invariants::ChainFault>,
    #[cfg(test)]
    pub(super) met: chains_invariants::Met,
}

impl Default for Chains {
    fn default() -> Chains {
        Chains {
            owed: Vec::new(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            marks: Marks::default(),
            pass: 0,
            longest: 0,
            cached: 0,
            path: Vec::new(),
            #[cfg(test)]
            sabotage: None,
            #[cfg(test)]
            met: chains_invariants::Met::default(),
        }
    }
}

impl Chains {
    /// What a connection is owed.
    #[inline]
    pub(super) fn owed(&self, connection: u32) -> Chain {
        self.owed.get(connection as usize).copied().unwrap_or_default()
    }

    /// Marks of sweeps under way.
    pub(super) fn marked(&self) -> usize {
        self.marks.len()
    }

    /// Whether a channel's sweep is marked. It is until the end of the batch that ends it.
    pub(super) fn is_marked(&self, channel: ChannelIndex) -> bool {
        self.marks.of(channel).next().is_some()
    }

    /// Whether a connection is still owed a channel's marked sweep.
    pub(super) fn is_owed(&self, channel: ChannelIndex) -> bool {
        self.marks.of(channel).any(|mark| self.marks.is_owed(mark))
    }

    /// Whether another sweep of so many bytes can be marked for so many members. No chain becomes
    /// longer than `limit` bytes.
    pub(super) fn has_room(&self, members: usize, bytes: usize, limit: usize) -> bool {
        let longest = if self.marks.len() == 0 { 0 } else { self.longest };
        self.nodes.len() - self.free.len() + members <= CHAIN_NODES && longest + bytes <= limit
    }

    /// Marks sweeps with the same pending members: each live one of these is owed them behind what
    /// it is owed so far.
    pub(super) fn mark(&mut self, gate: &WriteGate, pending: &[u32], sweeps: Vec<Marked>) {
        if self.marks.len() == 0 {
            self.longest = 0;
        }
        #[cfg(test)]
        (self.met.grouped += u64::from(sweeps.len() > 1));
        let bytes = sweeps.iter().map(|marked| marked.piece.bytes().len() as u32).sum();
        let mark = self.marks.add(sweeps);
        self.pass = self.pass.wrapping_add(1);
        if self.pass == 0 {
            // No chain but the empty one lives as long as a round of the numbers.
            (self.pass, self.nodes[0].next) = (1, (0, Chain::EMPTY));
        }
        let mut owing = 0;
        for &connection in pending {
            #[cfg(test)]
            if self.loses_mark(connection) {
                continue;
            }
            if !gate.is_open(connection) {
                continue;
            }
            owing += 1;
            let index = connection as usize;
            if index >= self.owed.len() {
                self.owed.resize(index + 1, Chain::EMPTY);
            }
            let owed = self.owed[index];
            let (pass, next) = self.nodes[owed.0 as usize].next;
            let next = match pass == self.pass {
                true => next,
                false => {
                    let next = self.add(owed, mark, bytes);
                    self.nodes[owed.0 as usize].next = (self.pass, next);
                    next
                }
            };
            self.nodes[next.0 as usize].holders += 1;
            self.owed[index] = next;
            self.release(owed);
        }
        self.marks.owe(mark, owing);
    }

    /// A chain that continues `parent`, held by nothing yet.
    fn add(&mut self, parent: Chain, mark: MarkId, bytes: u32) -> Chain {
        let above = &mut self.nodes[parent.0 as usize];
        above.holders += u32::from(!parent.is_empty());
        let bytes = above.bytes + bytes;
        self.longest = self.longest.max(bytes as usize);
        let node = Node { parent, mark, bytes, ..Node::default() };
        match self.free.pop() {
            Some(chain) => {
                self.nodes[chain.0 as usize] = node;
                chain
            }
            None => {
                self.nodes.push(node);
                Chain(self.nodes.len() as u32 - 1)
            }
        }
    }

    /// One holder less: a chain without any goes, and what it alone continued.
    pub(super) fn release(&mut self, mut chain: Chain) {
        while !chain.is_empty() {
            let node = &mut self.nodes[chain.0 as usize];
            node.holders -= 1;
            if node.holders > 0 {
                return;
            }
            self.cached -= node.joined.take().map_or(0, |joined| joined.len());
            self.free.push(chain);
            chain = node.parent;
        }
    }

    /// Bytes of a chain.
    pub(super) fn bytes(&self, chain: Chain) -> usize {
        self.nodes[chain.0 as usize].bytes as usize
    }

    /// Its marks, newest first.
    fn backwards(&self, mut chain: Chain) -> impl Iterator<Item = MarkId> {
        std::iter::from_fn(move || {
            let node = &self.nodes[chain.0 as usize];
            let mark = (!chain.is_empty()).then_some(node.mark);
            chain = node.parent;
            mark
        })
    }

    /// Its sweeps in the order in which they were marked.
    pub(super) fn sweeps(&self, chain: Chain) -> Vec<Swept> {
        let mut sweeps = Vec::new();
        self.list_sweeps(chain, &mut sweeps);
        sweeps
    }

    /// The channel of its first mark.
    pub(super) fn first_channel(&self, chain: Chain) -> ChannelIndex {
        let first = self.backwards(chain).last().expect("a chain that is not empty");
        self.marks.sweeps(first)[0].channel
    }

    /// What a subscriber was handed of a channel, a laggard's cursor apart.
    pub(super) fn handed(
        &self,
        channels: &Channels,
        connection: u32,
        channel: ChannelIndex,
    ) -> Option<Seq> {
        let standing = channels.standing(connection, channel)?;
        #[cfg(test)]
        if self.sabotage == Some(super::delivery_invariants::ChainFault::BlindLaggard) {
            return Some(standing.handed);
        }
        match standing.ahead {
            // The sweep is marked, and what it owed was written with another one.
            Some(target) if self.is_marked(channel) && !self.owes(connection, channel) => {
                Some(target)
            }
            _ => Some(standing.handed),
        }
    }

    /// Whether a connection is still owed the marked sweep of a channel.
    pub(super) fn owes(&self, connection: u32, channel: ChannelIndex) -> bool {
        let chain = self.owed(connection);
        self.marks.of(channel).any(|mark| self.backwards(chain).any(|id| id == mark))
    }

    /// A run of the batch is about to write a chain: it holds it until it releases it.
    pub(super) fn begin_run(&mut self, chain: Chain) {
        self.nodes[chain.0 as usize].holders += 1;
    }

    /// A connection is written what it is owed.
    #[inline]
    pub(super) fn take(&mut self, connection: u32, chain: Chain) {
        self.owed[connection as usize] = Chain::EMPTY;
        self.nodes[chain.0 as usize].holders -= 1;
    }

    /// So many connections took a chain.
    pub(super) fn count_taken(&mut self, chain: Chain, count: u64) {
        self.collect(chain);
        #[cfg(test)]
        self.meet(|met| &mut met.written);
        for &mark in &self.path {
            self.marks.settle(mark, count as u32);
            self.marks.count_writes(mark, count);
        }
    }

    /// A write of a chain was not whole.
    pub(super) fn uncount(&mut self, chain: Chain) {
        self.collect(chain);
        #[cfg(test)]
        self.meet(|met| &mut met.cut);
        self.path.iter().for_each(|&mark| self.marks.uncount_write(mark));
    }

    fn collect(&mut self, chain: Chain) {
        let mut path = std::mem::take(&mut self.path);
        path.clear();
        path.extend(self.backwards(chain));
        self.path = path;
    }

    /// Appends a chain's bytes.
    pub(super) fn append_to(&mut self, chain: Chain, out: &mut Vec<u8>) {
        self.collect(chain);
        out.reserve(self.bytes(chain));
        for &mark in self.path.iter().rev() {
            for marked in self.marks.sweeps(mark) {
                out.extend_from_slice(marked.piece.bytes());
            }
        }
    }

    /// A chain's bytes, joined once for all connections that are owed it. `buffer` gives the
    /// memory.
    pub(super) fn payload(&mut self, chain: Chain, buffer: impl FnOnce() -> Vec<u8>) -> Payload {
        let node = &self.nodes[chain.0 as usize];
        if node.parent.is_empty()
            && let [alone] = self.marks.sweeps(node.mark)
        {
            return alone.piece.clone().into();
        }
        if let Some(joined) = &node.joined {
            return Payload::Joined(joined.clone(), 0);
        }
        let mut joined = buffer();
        self.append_to(chain, &mut joined);
        let joined = Rc::new(joined);
        if self.cached + joined.len() <= CHAIN_CACHE_BYTES {
            self.cached += joined.len();
            self.nodes[chain.0 as usize].joined = Some(joined.clone());
        }
        Payload::Joined(joined, 0)
    }

    /// Its sweeps, into a list that is empty.
    pub(super) fn list_sweeps(&self, chain: Chain, out: &mut Vec<Swept>) {
        let newest_first =
            self.backwards(chain).flat_map(|mark| self.marks.sweeps(mark).iter().rev());
        out.extend(newest_first.map(|marked| (marked.channel, marked.sweep, marked.encoding)));
        out.reverse();
    }

    /// A connection is owed nothing any more.
    pub(super) fn forget(&mut self, connection: u32) {
        let owed = self.owed(connection);
        if owed.is_empty() {
            return;
        }
        self.collect(owed);
        #[cfg(test)]
        self.meet(|met| &mut met.forgotten);
        self.path.iter().for_each(|&mark| self.marks.settle(mark, 1));
        self.owed[connection as usize] = Chain::EMPTY;
        self.release(owed);
    }

    /// The sweeps of the next mark with whole writes in the batch that is over, and how many.
    pub(super) fn next_written(&mut self) -> Option<(&[Marked], u64)> {
        let (id, count) = self.marks.next_written()?;
        Some((self.marks.sweeps(id), count))
    }

    /// Takes out the sweeps of the next mark that ends with the batch.
    pub(super) fn next_ended(&mut self) -> Option<Vec<Marked>> {
        self.marks.next_ended()
    }
}

#[cfg(test)]
mod chains_invariants;
#[cfg(test)]
pub(in crate::broker) use chains_invariants::Met;

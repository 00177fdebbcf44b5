//! What must hold of the chains after every iteration.

use std::collections::HashMap;

use super::{Chain, Chains};
use crate::broker::channel::Channels;
use crate::broker::delivery::delivery_invariants::ChainFault;
use crate::broker::delivery::marks::{Marked, Swept};
use crate::types::{ChannelIndex, Seq};

/// Chains of several marks that a run of the simulation met.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::broker) struct Met {
    /// Runs that wrote one.
    pub(in crate::broker) written: u64,
    /// Writes that were not whole.
    pub(in crate::broker) cut: u64,
    /// Marks of several sweeps.
    pub(in crate::broker) grouped: u64,
    /// Of connections that ended or became laggards.
    pub(in crate::broker) forgotten: u64,
}

impl Chains {
    /// Counts a chain of several marks, the one collected last.
    pub(super) fn meet(&mut self, count: impl FnOnce(&mut Met) -> &mut u64) {
        *count(&mut self.met) += u64::from(self.path.len() > 1);
    }

    pub(super) fn loses_mark(&self, connection: u32) -> bool {
        self.sabotage == Some(ChainFault::LostMark) && connection == 1
    }

    /// Where a broken cut says that the connection stands.
    pub(in crate::broker::delivery) fn misplace(
        &self,
        cursors: Vec<(ChannelIndex, Seq)>,
        sweeps: &[Swept],
    ) -> Vec<(ChannelIndex, Seq)> {
        if self.sabotage != Some(ChainFault::WholeCut) {
            return cursors;
        }
        sweeps.iter().map(|(channel, sweep, _)| (*channel, sweep.to.next())).collect()
    }

    /// Checks that live members that a marked sweep has not served, and no others, are owed it, and
    /// that what is counted is there.
    pub(in crate::broker::delivery) fn check(
        &self,
        channels: &Channels,
        is_open: impl Fn(u32) -> bool,
    ) {
        let mut holders: HashMap<Chain, u32> = HashMap::new();
        let mut owing: HashMap<_, u32> = HashMap::new();
        for (chain, connection) in self.owed.iter().zip(0..) {
            if chain.is_empty() {
                continue;
            }
            assert!(is_open(connection), "{connection} is owed a chain and not live");
            *holders.entry(*chain).or_default() += 1;
            for (channel, sweep, encoding) in self.sweeps(*chain) {
                let standing =
                    channels.standing(connection, channel).expect("owed of its channels");
                assert_eq!(standing.ahead, Some(sweep.to), "owed what is to come");
                assert_eq!(standing.handed.next(), sweep.from);
                *owing.entry((channel, encoding)).or_default() += 1;
            }
        }
        let mut free = self.free.clone();
        free.sort_unstable();
        for (node, chain) in self.nodes.iter().zip(0..).skip(1) {
            let chain = Chain(chain);
            if free.binary_search(&chain).is_err() && !node.parent.is_empty() {
                *holders.entry(node.parent).or_default() += 1;
            }
        }
        for (node, chain) in self.nodes.iter().zip(0..).skip(1) {
            let chain = Chain(chain);
            let held = holders.get(&chain).copied().unwrap_or(0);
            let is_free = free.binary_search(&chain).is_ok();
            assert_eq!(held == 0, is_free, "{chain:?} has {held} holders");
            assert!(is_free || node.holders == held, "{chain:?} has {held} holders");
        }
        for (id, sweeps, count) in self.marks.iter() {
            for &Marked { channel, encoding, .. } in sweeps {
                assert!(self.marks.of(channel).any(|of| of == id));
                let owing = owing.get(&(channel, encoding)).copied().unwrap_or(0);
                assert_eq!(owing, count, "{channel:?}");
            }
            assert!(count > 0, "an ended mark outlives the batch");
        }
        let joined = self.nodes.iter().filter_map(|node| node.joined.as_ref());
        assert_eq!(self.cached, joined.map(|joined| joined.len()).sum::<usize>());
    }
}

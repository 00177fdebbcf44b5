//! Another process goes on in the place of a node.

use std::sync::Arc;

use super::plan::Sabotage;
use super::world::World;
use crate::cluster::stream_positions::StreamPosition;
use crate::cluster::stream_view::{Answer, StreamView};
use crate::cluster::watched::Watched;

impl World {
    /// It begins with what the leader says of the stream, and goes on behind what subscribers have.
    pub(super) fn hand_over(&mut self, node: usize) {
        self.settle(node);
        let Answer::Info(info) = self.info() else { return };
        let of = &self.nodes[node];
        let position = of.view.position(self.now);
        if !(of.is_connected && self.has_quorum && info.epoch == of.epoch) {
            return;
        }
        let is_forgetful = self.plan.sabotage == Some(Sabotage::ForgottenSeen);
        let seen = if is_forgetful { position.floor } else { position.seen };
        let mut view = StreamView::new(self.kept);
        view.begin(info);
        // The life is known.
        while view.poll_event().is_some() {}
        view.take_over(self.now, &StreamPosition { seen, ..position });
        self.lose_parcels(node);
        let of = &mut self.nodes[node];
        for (channel, witness) in &of.witnesses {
            match witness.last() {
                Some(last) => assert!(view.go_on(channel, (last, last)), "there is room"),
                None => assert!(view.join(channel), "there is room"),
            }
        }
        // What it counts is that of this process.
        of.view = view;
        self.note(|| format!("node {node} is handed over: {position:?}"));
        self.settle(node);
        // Things happen before all shards have said what their patterns want.
        (0..self.rng.usize(..6)).for_each(|_| self.step());
        let of = &mut self.nodes[node];
        let prefixes = of.wanted.or(of.patterns.as_ref().map(|patterns| patterns.prefixes()));
        let prefixes = prefixes.into_iter().flatten().map(|prefix| (*prefix).into());
        of.view.watch(Arc::new(Watched::new(prefixes)));
        self.met.count("handed over", 1);
        self.settle(node);
    }
}

//! Hubs with channels that get their order outside are handed over: the order is asked anew, and
//! delivers what the hubs before have not taken.

use super::external::External;
use super::handovers::HandoverFault;
use super::plan::{Plan, Sabotage};
use super::truth::Truth;
use super::world::World;
use super::{is_caught_in, run_meeting};
use crate::broker::upstream_faults::UpstreamFault;
use crate::config::ChannelPrefix;
use crate::types::{Epoch, Seq};

/// What the order knows of hubs that take over.
#[derive(Debug)]
pub(super) struct TakingOver {
    /// Everything up to here that was wanted was on its way to the hubs before.
    pub(super) seen: u64,
    /// By shard, what it has said of patterns since; empty before the hubs are there.
    said: Vec<Option<Vec<ChannelPrefix>>>,
    /// By shard of the hubs before, what is still to be taken of what was on its way.
    left: Vec<usize>,
}

impl External {
    /// A hand-over begins.
    pub(super) fn begin_handover(&mut self) {
        let is_first = |(_, message): &(usize, crate::types::Sequenced)| message.seq.0;
        let next = self.live.iter().map(is_first).min();
        let seen = next.map_or(self.seq, |next| next - 1);
        // What the hubs before have not been told, as they have not said what they watch.
        let seen = self.taking_over.as_ref().map_or(seen, |before| before.seen.min(seen));
        let said = self.taking_over.take().map_or(Vec::new(), |before| before.said);
        let left = self.feeds.iter().map(|feed| feed.len()).collect();
        self.taking_over = Some(TakingOver { seen, said, left });
    }

    /// The hubs serve on.
    pub(super) fn give_up_handover(&mut self) {
        self.given_up += 1;
        self.taking_over.take_if(|taking_over| taking_over.said.is_empty());
    }

    /// Hubs of so many shards have taken over: nothing is known of what they want.
    pub(super) fn hand_over(&mut self, shards: usize, unix_us: i64) {
        self.forget_members(unix_us);
        self.open.clear();
        self.feeds = (0..shards).map(|_| Default::default()).collect();
        self.watched = vec![Vec::new(); shards];
        self.followed.clear();
        if let Some(taking_over) = &mut self.taking_over {
            taking_over.said = vec![None; shards];
        }
    }

    /// A channel is followed that was taken over: what is behind that position comes. Until all
    /// shards have said what their patterns want, what they may want of any other one comes, too.
    /// Returns whether something comes that was published before.
    pub(super) fn take_over(&mut self, channel: usize, at: Option<(Epoch, Seq)>) -> bool {
        let at = at.filter(|(epoch, _)| *epoch == self.epoch).map(|(_, seq)| seq);
        let unsaid = self.taking_over.as_ref().filter(|taking_over| !taking_over.said.is_empty());
        let Some(seq) = at.or(unsaid.map(|taking_over| Seq(taking_over.seen))) else {
            return false;
        };
        if !self.followed.contains(&channel) {
            self.deliver_behind(channel, seq);
            return true;
        }
        unsaid.is_some()
    }

    /// What a channel has behind a position is on its way again.
    fn deliver_behind(&mut self, channel: usize, seq: Seq) {
        self.live.retain(|(of, _)| *of != channel);
        let behind = self.streams[channel].iter().filter(|message| message.seq > seq);
        self.live.extend(behind.map(|message| (channel, message.clone())));
        self.told[channel] = seq;
    }

    /// A shard says what it watches.
    pub(super) fn watch(&mut self, truth: &Truth, shard: usize, prefixes: Vec<ChannelPrefix>) {
        let Some(taking_over) = &mut self.taking_over else {
            self.watched[shard] = prefixes;
            return;
        };
        if taking_over.said.is_empty() {
            self.watched[shard] = prefixes;
            return;
        }
        taking_over.said[shard] = Some(prefixes);
        if taking_over.said.contains(&None) {
            return;
        }
        let seen = taking_over.seen;
        self.watched = taking_over.said.drain(..).flatten().collect();
        self.taking_over = None;
        for channel in 0..self.streams.len() {
            let is_wanted = self.is_watched(truth.channel_name(channel));
            if is_wanted && !self.followed.contains(&channel) {
                self.deliver_behind(channel, Seq(seen));
            }
        }
    }
}

impl World {
    /// A shard takes what was on its way when its end began, and what it awaits.
    pub(super) fn end_feed(&mut self, shard: usize) {
        self.advance_order(true);
        let Some(external) = &mut self.external else { return };
        let Some(taking_over) = &mut external.taking_over else { return };
        let hub = &mut self.hubs[shard];
        while hub.wants_input() {
            if taking_over.left[shard] == 0 && !hub.awaits_upstream() {
                return;
            }
            let Some(notice) = external.feeds[shard].pop_front() else { return };
            if let Some(notice) = hub.handle_upstream(notice) {
                external.feeds[shard].push_front(notice);
                return;
            }
            taking_over.left[shard] = taking_over.left[shard].saturating_sub(1);
        }
    }

    /// Whether the hubs, and their order, are in this epoch, and publications are taken.
    pub(super) fn may_hand_over(&self, epoch: Epoch) -> bool {
        self.epoch() == epoch
            && self.hubs.iter().all(|hub| hub.epoch() == epoch && !hub.is_degraded())
    }

    /// The epoch of all logs.
    pub(super) fn epoch(&self) -> Epoch {
        let own = Epoch(self.plan.seed + 1);
        self.external.as_ref().map_or(own, External::epoch)
    }

    /// The hubs serve on.
    pub(super) fn resume(&mut self) {
        self.hubs.iter_mut().for_each(|hub| hub.freeze(false));
        self.external.iter_mut().for_each(External::give_up_handover);
        self.note(|| "a hand-over is given up".into());
    }
}

impl Plan {
    /// Hubs are handed over again and again.
    pub(super) fn outside_handed_over(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        Plan { handovers: true, ..Plan::outside(seed, sabotage) }
    }
}

#[test]
fn where_the_order_is_elsewhere_hubs_that_are_handed_over_lose_and_repeat_nothing() {
    // Two that once failed: a channel with subscribers was with no home; a home went on with a
    // shard after refusing that shard's second join.
    let things = ["handed over", "epochs", "upstream_repeated", "handovers given up"];
    run_meeting(&[1_064, 1_304], 1, |seed| Plan::outside_handed_over(seed, None), &things);
}

#[test]
fn where_the_order_is_elsewhere_patterns_are_handed_over_too() {
    // One that once failed: a channel began before all shards had said what their patterns want.
    let plan = |seed| Plan::outside_handed_over(seed, None).with_patterns();
    run_meeting(&[668], 2, plan, &["handed over", "patterns"]);
}

#[test]
fn what_is_missing_in_a_handover_of_such_hubs_is_caught() {
    use HandoverFault::{LostCursor, LostMessage, Repeated};
    for fault in [LostCursor, LostMessage, Repeated] {
        let plan = |seed| Plan::outside_handed_over(seed, Some(Sabotage::Handover(fault)));
        assert!(is_caught_in((0..100).map(plan)), "{fault:?} is not found");
    }
    let unwatched = Some(Sabotage::Upstream(UpstreamFault::Unwatched));
    let plan = |seed| Plan::outside_handed_over(seed, unwatched).with_patterns();
    assert!(is_caught_in((0..100).map(plan)), "patterns are not missed");
}

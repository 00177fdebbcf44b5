//! What nodes tell the homes of their subscribers.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::limits::PRESENCE_LINGER;
use uringcast_engine::{Epoch, Member, Seq, Time};

use super::{Answer, Homes, Received, Source};
use crate::cluster::node_presence::kept::{Kept, time};
use crate::cluster::node_presence::node_message::{Report, Reports};
use crate::cluster::node_presence::peer_nodes::{Members, NodeId};
use crate::limits::PRESENCE_NODES;

impl Homes {
    /// Whether a node has told all that this home is to know while there are these nodes.
    pub(in crate::cluster::node_presence) fn is_whole(&self, node: NodeId, view: u64) -> bool {
        self.sources.get(&node).is_some_and(|source| source.whole == Some(view))
    }

    /// Whether it is not known that a node has told everything: it tells so, or is to tell anew.
    pub(in crate::cluster::node_presence) fn lacks(&self, node: NodeId) -> bool {
        self.sources.get(&node).is_none_or(|source| source.whole.is_none())
    }

    /// A node knows these nodes now: what it told while there were others is not all.
    pub(in crate::cluster::node_presence) fn handle_view(&mut self, node: NodeId, view: u64) {
        if let Some(source) = self.sources.get_mut(&node) {
            source.whole = source.whole.filter(|whole| *whole == view);
        }
    }

    /// Nodes may have told something that was missed.
    pub(in crate::cluster::node_presence) fn doubt_all(&mut self) {
        self.sources.values_mut().for_each(|source| source.whole = None);
    }

    /// A node tells of its subscribers.
    pub(in crate::cluster::node_presence) fn handle_reports(
        &mut self,
        now: Duration,
        members: &Members,
        reports: Reports,
    ) -> Received {
        let Reports { from, session, number, is_new, whole, reports } = reports;
        let known = self.sources.get(&from).map_or((0, 0), |source| (source.session, source.next));
        if !self.sources.contains_key(&from) || session > known.0 {
            if number > 0 {
                return Received::Unknown;
            }
            self.forget(now, from);
            self.sources.insert(from, Source { session, next: 0, whole: None });
            if !self.met.insert(from) && is_new {
                // This node was gone for it: another home may have told subscribers something.
                self.lose_sight();
            }
            if self.met.len() > 4 * PRESENCE_NODES {
                self.met.retain(|node| members.has(*node));
            }
        } else if session < known.0 {
            return Received::Stale;
        } else if number < known.1 {
            // Its answer was lost.
            return Received::Known;
        } else if number > known.1 {
            return Received::Unknown;
        }
        for report in reports {
            self.handle_report(now, members, from, report);
        }
        if let Some(source) = self.sources.get_mut(&from) {
            source.next += 1;
            source.whole = whole.or(source.whole);
        }
        Received::Known
    }

    fn handle_report(&mut self, now: Duration, members: &Members, from: NodeId, report: Report) {
        match report {
            Report::Anew(channel) => self.begin_anew(now, &channel, from),
            Report::Entered(channel, connection, user) => {
                let (channel, user): (Arc<str>, _) = (channel.into(), user.map(Arc::from));
                let known = self.rosters.get(&channel);
                let is_known = known.is_some_and(|kept| kept.roster.member(connection).is_some());
                if self.connections >= self.room && !is_known {
                    self.refused += 1;
                    return;
                }
                let kept = self.rosters.entry(Arc::clone(&channel));
                let kept = kept.or_insert_with(|| Kept::new(&channel));
                if kept.was_other(connection, user.as_ref()) {
                    let until = time(now) + PRESENCE_LINGER;
                    let lingers = kept.leave(connection, true, until);
                    self.left(&channel, lingers.map(|member| (until, member)));
                }
                let Some(kept) = self.rosters.get_mut(&channel) else { return };
                self.connections += usize::from(kept.enter(from, connection, user));
                self.note(&channel);
            }
            Report::Left(channel, connection, ended) => {
                let Some(kept) = self.rosters.get_mut(&*channel) else { return };
                if kept.is_of(connection, from) {
                    let until = time(now) + PRESENCE_LINGER;
                    let lingers = kept.leave(connection, ended, until);
                    self.left(&channel.into(), lingers.map(|member| (until, member)));
                }
            }
            Report::Asked(channel, ask, seen) => {
                let channel: Arc<str> = channel.into();
                if let Some(kept) = self.rosters.get_mut(&channel) {
                    if kept.is_told() && seen > kept.seq.0 {
                        // Another home has notified subscribers.
                        kept.lose_sight();
                    }
                    kept.ask(from, ask);
                    return self.note(&channel);
                }
                // Another home may know more, if it is not settled which nodes there are.
                if members.agree(now) {
                    let mut list = Kept::new(&channel).list(Epoch(self.epoch));
                    list.seq = Seq(seen);
                    self.answers.push_back(Answer { to: from, ask, channel, list });
                }
            }
        }
    }

    /// What a node has told of a channel before counts no more, and another home may have notified
    /// its subscribers.
    fn begin_anew(&mut self, now: Duration, channel: &str, from: NodeId) {
        let Some(kept) = self.rosters.get_mut(channel) else { return };
        kept.lose_sight();
        let channel: Arc<str> = channel.into();
        self.forget_in(now, &channel, from);
        self.note(&channel);
    }

    /// A connection has left a channel.
    fn left(&mut self, channel: &Arc<str>, lingers: Option<(Time, Member)>) {
        self.connections -= 1;
        if let Some((until, member)) = lingers {
            self.lingering.push(Reverse((until, Arc::clone(channel), member)));
        }
        self.note(channel);
    }

    /// What a node has told counts no more: its connections may come back.
    pub(in crate::cluster::node_presence) fn forget(&mut self, now: Duration, node: NodeId) {
        self.sources.remove(&node);
        #[cfg(test)]
        if self.fault == Some(crate::cluster::node_presence::sim::Fault::TheDead) {
            return;
        }
        let of_node = self.rosters.iter().filter(|(_, kept)| kept.has_of(node));
        let channels: Vec<_> = of_node.map(|(channel, _)| Arc::clone(channel)).collect();
        channels.iter().for_each(|channel| self.forget_in(now, channel, node));
    }

    fn forget_in(&mut self, now: Duration, channel: &Arc<str>, node: NodeId) {
        let Some(kept) = self.rosters.get_mut(channel) else { return };
        let until = time(now) + PRESENCE_LINGER;
        for connection in kept.forget(node) {
            let Some(kept) = self.rosters.get_mut(channel) else { return };
            let lingers = kept.leave(connection, false, until);
            self.left(channel, lingers.map(|member| (until, member)));
        }
    }
}

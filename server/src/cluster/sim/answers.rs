//! What the stream's servers answer, and the patterns of nodes.

use std::sync::Arc;

use super::patterns::Patterns;
use super::plan::Sabotage;
use super::world::World;
use crate::cluster::stream_view::{Answer, Question};
use crate::cluster::watched::Watched;

/// Messages of one read, small so that reads have to go on.
pub(super) const READ: usize = 4;

impl World {
    pub(super) fn answer(&mut self, node: usize, question: Question) -> Answer {
        self.stream.age(self.now);
        let (most, follower) = (self.rng.u64(..20), self.rng.usize(1..3));
        self.stream.replicate(follower, most);
        if !self.nodes[node].is_connected || self.chance(self.plan.failures) {
            return Answer::Failed;
        }
        let replica = self.rng.usize(..3);
        let stream = &mut self.stream;
        match question {
            Question::Messages { channel, from } => {
                Answer::Messages(stream.read(replica, &channel, from, READ))
            }
            Question::NewestTo { channels, up_to } => {
                if stream.replicas[replica] < up_to {
                    return Answer::Failed;
                }
                let newest = |channel: Arc<str>| {
                    let seq = stream.newest_to(replica, &channel, up_to)?;
                    Some((channel, seq))
                };
                Answer::Newest { newest: channels.into_iter().filter_map(newest).collect(), up_to }
            }
            Question::Stored { .. } if self.plan.sabotage == Some(Sabotage::NoCoverage) => {
                Answer::Stored(Vec::new())
            }
            Question::Stored { from } => Answer::Stored(stream.stored(replica, from, READ)),
            Question::Newest { channels } => {
                let newest = |channel: Arc<str>| {
                    let seq = stream.newest(replica, &channel)?;
                    Some((channel, seq))
                };
                let newest = channels.into_iter().filter_map(newest).collect();
                let is_lie = self.plan.sabotage == Some(Sabotage::StaleAnswers);
                let up_to = if is_lie { stream.last_seq } else { stream.replicas[replica] };
                Answer::Newest { newest, up_to }
            }
            _ if !self.has_quorum => Answer::Failed,
            _ if self.plan.sabotage == Some(Sabotage::NoAudits) && self.nodes[node].epoch > 0 => {
                Answer::Failed
            }
            Question::TimeAt { seq } => Answer::TimeAt(stream.time_at(seq)),
            Question::Info => self.info(),
            Question::NextEpoch { known } => {
                if self.stream.epoch == known {
                    self.stream.epoch += 1;
                    self.lives.insert(self.stream.epoch, self.stream.branches.len() - 1);
                }
                self.info()
            }
        }
    }

    pub(super) fn info(&self) -> Answer {
        let mut info = self.stream.info();
        if self.plan.sabotage == Some(Sabotage::OneLife) {
            info.epoch = 1;
        }
        Answer::Info(info)
    }

    /// A node has other patterns, or its first.
    pub(super) fn watch(&mut self, node: usize) {
        const PREFIXES: [&[&str]; 4] = [&[], &["channel:"], &["channel:0"], &["channel:1", "ch"]];
        let prefixes = *self.rng.choice(&PREFIXES).expect("some");
        let watched = Watched::new(prefixes.iter().map(|prefix| Box::from(*prefix)));
        self.note(|| format!("node {node} watches {prefixes:?}"));
        self.nodes[node].view.watch(Arc::new(watched));
        (self.nodes[node].wanted, self.nodes[node].patterns) = (Some(prefixes), None);
        self.settle(node);
    }

    /// A node may have come to watch what its patterns want.
    pub(super) fn begin_patterns(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if node.view.is_watching()
            && let Some(prefixes) = node.wanted.take()
        {
            node.patterns = Some(Patterns::new(prefixes, self.stream.last_seq));
        }
    }
}

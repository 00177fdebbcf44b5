//! Which subscribers leave by plan, and when they come back. Pure: times are nanoseconds from the
//! start of the load.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::phase::Absence;
use crate::timeline::Timeline;

/// A subscriber that could not connect again retries after this time.
const RETRY: u64 = 1_000_000_000;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Movement {
    /// This subscriber says goodbye.
    Leave(u32),
    /// This subscriber's connection drops.
    Drop(u32),
    /// This subscriber connects again.
    Return(u32),
}

/// The movements of one thread's subscribers, phase after phase.
#[derive(Debug)]
pub(crate) struct Movements {
    timeline: Arc<Timeline>,
    own: Range<u32>,
    /// Subscribers of all threads.
    all: u32,
    seed: u64,
    /// The next phase to plan.
    phase: usize,
    /// In order of time: when, what, and when it comes back.
    leaving: VecDeque<(u64, Movement, u64)>,
    returning: BinaryHeap<Reverse<(u64, u32)>>,
}

/// Whether the subscriber belongs to a share of all, spread evenly.
pub(crate) fn is_chosen(client: u32, share: f64) -> bool {
    rank(client + 1, share) > rank(client, share)
}

/// How many are chosen before this subscriber.
fn rank(client: u32, share: f64) -> u64 {
    (f64::from(client) * share) as u64
}

impl Movements {
    pub(crate) fn new(timeline: &Arc<Timeline>, own: Range<u32>, all: u32, seed: u64) -> Self {
        Self {
            timeline: Arc::clone(timeline),
            own,
            all,
            seed,
            phase: 0,
            leaving: VecDeque::new(),
            returning: BinaryHeap::new(),
        }
    }

    /// The next movement that is due at `now`, if any is.
    pub(crate) fn due(&mut self, now: u64) -> Option<Movement> {
        while self.phase < self.timeline.phases().len() && self.timeline.begin(self.phase) <= now {
            self.plan(self.phase);
            self.phase += 1;
        }
        if let Some((at, movement, back)) = self.leaving.front().copied()
            && at <= now
        {
            self.leaving.pop_front();
            let (Movement::Leave(client) | Movement::Drop(client) | Movement::Return(client)) =
                movement;
            self.returning.push(Reverse((back, client)));
            return Some(movement);
        }
        let Reverse((at, client)) = self.returning.peek().copied()?;
        (at <= now).then(|| {
            self.returning.pop();
            Movement::Return(client)
        })
    }

    /// Nanoseconds from `now` to the next movement that is planned.
    pub(crate) fn wait(&self, now: u64) -> Option<u64> {
        let begin = self.timeline.phases().get(self.phase).map(|_| self.timeline.begin(self.phase));
        let leave = self.leaving.front().map(|(at, ..)| *at);
        let back = self.returning.peek().map(|Reverse((at, _))| *at);
        [begin, leave, back].into_iter().flatten().min().map(|at| at.saturating_sub(now))
    }

    /// The connection of a subscriber that came back at `now` could not be made.
    pub(crate) fn retry(&mut self, client: u32, now: u64) {
        self.returning.push(Reverse((now + RETRY, client)));
    }

    /// Enters the movements of a phase.
    fn plan(&mut self, phase: usize) {
        let (begin, what) = (self.timeline.begin(phase), &self.timeline.phases()[phase]);
        if let Some(Absence { share, away, spread }) = what.absence {
            let count = rank(self.all, share).max(1) as f64;
            for client in self.own.clone().filter(|client| is_chosen(*client, share)) {
                let late = spread.as_secs_f64() * rank(client, share) as f64 / count;
                let back = begin + away.as_nanos() as u64 + (late * 1e9) as u64;
                self.leaving.push_back((begin, Movement::Drop(client), back));
            }
        }
        // This thread's part of those that leave a second.
        let rate = what.churn * self.own.len() as f64 / f64::from(self.all.max(1));
        let count = (rate * what.length.as_secs_f64()) as u64;
        let seed = self.seed ^ begin.rotate_left(17) ^ u64::from(self.own.start);
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..count {
            let at = begin + ((number as f64 + 0.5) / rate * 1e9) as u64;
            let client = random.u32(self.own.clone());
            self.leaving.push_back((at, Movement::Leave(client), at));
        }
    }
}

#[cfg(test)]
mod tests;

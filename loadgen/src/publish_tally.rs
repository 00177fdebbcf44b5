//! What one source of messages sent, and how late.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::schedule::MessageId;
use crate::tally::{Counts, Packed, histogram};
use crate::timeline::Timeline;

/// What one source did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Published {
    /// Its number among the sources.
    pub(crate) source: u32,
    /// Messages sent.
    pub(crate) sent: u64,
    /// Those the server refused, as far as its answers tell which.
    pub(crate) refused: HashSet<MessageId>,
    pub(crate) accepted: u64,
    /// Refusals by error code.
    pub(crate) errors: Counts,
    /// By phase: intended to actual time of sending.
    pub(crate) lateness: Vec<Packed<u64>>,
    /// By phase: the same from the end of the last wait for the server to take more.
    pub(crate) own_lateness: Vec<Packed<u64>>,
    /// Refusals by the phase in which their answers came.
    pub(crate) refused_by_phase: Vec<u64>,
    /// By slice: messages.
    pub(crate) by_slice: Vec<u64>,
    /// When the last message was sent.
    pub(crate) ended: u64,
    /// Of the last message.
    phase: usize,
    /// Codes that were not handed over yet.
    #[serde(skip)]
    news: Counts,
}

impl Published {
    pub(crate) fn new(source: u32, timeline: &Timeline) -> Self {
        let phases = timeline.phases().len();
        let histograms = || (0..phases).map(|_| Packed(histogram())).collect();
        Self {
            source,
            lateness: histograms(),
            own_lateness: histograms(),
            refused_by_phase: vec![0; phases],
            by_slice: vec![0; timeline.slices()],
            ..Self::default()
        }
    }

    /// One message, due `at` nanoseconds from the start and thus `intended`, was sent at `now`.
    /// Until `free` the server took no more.
    pub(crate) fn record(
        &mut self,
        timeline: &Timeline,
        at: u64,
        intended: u64,
        free: u64,
        now: u64,
    ) {
        self.phase = timeline.phase_at(at);
        self.lateness[self.phase].saturating_record(now.saturating_sub(intended));
        let own = now.saturating_sub(intended.max(free));
        self.own_lateness[self.phase].saturating_record(own);
        self.by_slice[timeline.slice_at(at)] += 1;
        self.ended = now;
        self.sent += 1;
    }

    /// The server refused a message, which one if its answer tells.
    pub(crate) fn refuse(&mut self, code: String, message: Option<MessageId>) {
        self.refused.extend(message);
        self.refused_by_phase[self.phase] += 1;
        if !self.errors.contains_key(&code) {
            self.news.insert(code.clone(), 1);
        }
        *self.errors.entry(code).or_default() += 1;
    }

    /// Whether it is of a run with so many phases and slices.
    pub(crate) fn fits(&self, phases: usize, slices: usize) -> bool {
        let Self { lateness, own_lateness, refused_by_phase, by_slice, .. } = self;
        lateness.len() == phases
            && own_lateness.len() == phases
            && refused_by_phase.len() == phases
            && by_slice.len() == slices
    }

    /// Answers so far.
    pub(crate) fn answered(&self) -> u64 {
        self.accepted + self.errors.values().sum::<u64>()
    }

    /// Codes that are new since the last call.
    pub(crate) fn take_news(&mut self) -> Counts {
        std::mem::take(&mut self.news)
    }
}

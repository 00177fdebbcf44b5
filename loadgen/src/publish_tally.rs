//! What one source of messages sent, and how late.

use std::collections::HashSet;
use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::schedule::MessageId;
use crate::tally::{Counts, histogram};
use crate::timeline::Timeline;

/// What one source did.
#[derive(Debug)]
pub(crate) struct Published {
    timeline: Arc<Timeline>,
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
    pub(crate) lateness: Vec<Histogram<u64>>,
    /// By phase: the same from the end of the last wait for the server to take more.
    pub(crate) own_lateness: Vec<Histogram<u64>>,
    /// By slice: messages.
    pub(crate) by_slice: Vec<u64>,
    /// When the last message was sent.
    pub(crate) ended: u64,
}

impl Published {
    pub(crate) fn new(source: u32, timeline: &Arc<Timeline>) -> Self {
        Self {
            source,
            sent: 0,
            refused: HashSet::new(),
            accepted: 0,
            errors: Counts::new(),
            lateness: timeline.phases().iter().map(|_| histogram()).collect(),
            own_lateness: timeline.phases().iter().map(|_| histogram()).collect(),
            by_slice: vec![0; timeline.slices()],
            ended: 0,
            timeline: Arc::clone(timeline),
        }
    }

    /// One message, due `at` nanoseconds from the start and thus `intended`, was sent at `now`.
    /// Until `free` the server took no more.
    pub(crate) fn record(&mut self, at: u64, intended: u64, free: u64, now: u64) {
        let phase = self.timeline.phase_at(at);
        self.lateness[phase].saturating_record(now.saturating_sub(intended));
        self.own_lateness[phase].saturating_record(now.saturating_sub(intended.max(free)));
        self.by_slice[self.timeline.slice_at(at)] += 1;
        self.ended = now;
        self.sent += 1;
    }
}

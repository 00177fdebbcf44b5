//! What a thread of a run hands over: what it recorded since the last time.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::broadcasts::Broadcast;
use crate::error::OperatorError;
use crate::figures::{Checks, HandshakeSample};
use crate::publish_tally::Published;
use crate::schedule::{Channel, PublisherId};
use crate::tally::{Counts, Packed, histogram, short_histogram};
use crate::timeline::Timeline;
use crate::worker_report::WorkerReport;

/// What a thread reports: what it recorded, or why the run cannot go on.
pub(crate) type Update = Result<Box<Batch>, OperatorError>;

/// What was intended in one phase.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PhaseBatch {
    pub(crate) delivery: Packed<u64>,
    /// What inflating each message took.
    pub(crate) inflating: Packed<u64>,
    /// Without duplicates.
    pub(crate) deliveries: u64,
    /// Those of them that were made up for after an absence.
    pub(crate) recovered: u64,
    /// Subscribers lost.
    pub(crate) disconnected: u64,
    pub(crate) checks: Checks,
}

impl Default for PhaseBatch {
    fn default() -> Self {
        let [delivery, inflating] = [histogram(), short_histogram()].map(Packed);
        let checks = Checks::default();
        Self { delivery, inflating, deliveries: 0, recovered: 0, disconnected: 0, checks }
    }
}

/// What a worker hands to the collector: what it recorded since the last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) phases: BTreeMap<usize, PhaseBatch>,
    pub(crate) slices: BTreeMap<usize, Packed<u32>>,
    pub(crate) broadcasts: Vec<(PublisherId, Channel, Broadcast)>,
    pub(crate) handshakes: Vec<HandshakeSample>,
    /// Messages left out so far that have not turned up late.
    pub(crate) missing: i64,
    /// Deliveries to subscribers that are slow on purpose; nothing else counts of them.
    pub(crate) slow_deliveries: u64,
    /// Error codes and gap messages that subscribers received.
    pub(crate) notices: Counts,
    /// Refusals to publish, once for each code.
    pub(crate) refusals: Counts,
    /// Subscribers lost during the load, by the reason.
    pub(crate) disconnected: Counts,
    /// The time of the last delivery.
    pub(crate) last_at: u64,
    /// Only with the last batch.
    pub(crate) channels: Vec<ChannelEnd>,
    /// What a publisher, or the subscribers of a thread, published; only with its last batch.
    pub(crate) published: Option<Published>,
    /// At the end of another process's part; only the coordinator knows it.
    #[serde(skip)]
    pub(crate) worker: Option<WorkerReport>,
}

impl Batch {
    /// Whether it is of a run with this timeline: one of another process may be of anything.
    pub(crate) fn fits(&self, timeline: &Timeline) -> bool {
        let (phases, slices) = (timeline.phases().len(), timeline.slices());
        self.phases.keys().all(|phase| *phase < phases)
            && self.published.iter().all(|published| published.fits(phases, slices))
    }
}

/// What one thread knows of a channel at the end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChannelEnd {
    pub(crate) channel: Channel,
    pub(crate) deliveries: u64,
    pub(crate) checks: Checks,
    /// When the subscribers of the end were confirmed, ascending.
    pub(crate) joined: Vec<u64>,
    /// By publisher, the index behind the newest message received.
    pub(crate) ends: HashMap<PublisherId, u64>,
}

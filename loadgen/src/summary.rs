//! What a run measured: figures without their environment, in all and by phase.
//!
//! Nothing here knows a clock, a file or a host. [`crate::report`] writes it out, and
//! [`crate::assertion`] judges it.

use std::cmp::Reverse;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::figures::{Checks, Figures, as_seconds};
use crate::rate_search::SearchStep;
use crate::tally::{Counts, slice_histogram};
use crate::worker_report::WorkerReport;

/// Channels that `--json` lists: those with the most faults first.
const LISTED_CHANNELS: usize = 1_000;

/// One finished run. The names are keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Summary {
    /// The server, as it was named.
    pub(crate) url: String,
    /// The preset that the plan came from, or the plan's own name.
    pub(crate) scenario: String,
    pub(crate) connections: u32,
    pub(crate) channels: u32,
    pub(crate) publishers: u32,
    pub(crate) payload_bytes: usize,
    pub(crate) seed: u64,
    /// All phases together. Counts include the warm-up, histograms and rates do not.
    #[serde(flatten)]
    pub(crate) total: Figures,
    /// In order of time, the warm-up among them.
    pub(crate) phases: Vec<PhaseFigures>,
    /// What each slice of time delivered, from the start of the load; a slice is
    /// [`Summary::slice_length`] long.
    #[serde(skip)]
    pub(crate) slices: Vec<Slice>,
    #[serde(skip)]
    pub(crate) slice_length: Duration,
    /// All channels, in order.
    #[serde(serialize_with = "worst")]
    pub(crate) by_channel: Vec<ChannelChecks>,
    /// The rates that a search tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) search: Vec<SearchStep>,
    /// Refused publishes, by error code.
    pub(crate) publish_errors: Counts,
    /// Errors and gaps that subscribers received.
    pub(crate) notices: Counts,
    /// Lost connections, by the reason.
    pub(crate) disconnect_reasons: Counts,
    /// Resident memory of this tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) own_memory: Option<MemoryUse>,
    /// Resident memory of the server's process, if it is known which one that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_memory: Option<MemoryUse>,
    /// CPU time of this tool, in per cent of one core.
    pub(crate) cpu_percent: f64,
    /// A signal ended the run early.
    pub(crate) interrupted: bool,
    /// The processes that carried the load for this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) workers: Vec<WorkerReport>,
}

impl Summary {
    /// Channels with faults, the most first.
    pub(crate) fn channels_at_fault(&self) -> Vec<&ChannelChecks> {
        let mut channels: Vec<_> =
            self.by_channel.iter().filter(|channel| channel.checks.faults() > 0).collect();
        channels.sort_by_key(|channel| Reverse(channel.checks.faults()));
        channels
    }
}

/// As many as are listed: those with the most faults, in order where they are alike.
fn worst<S: Serializer>(channels: &[ChannelChecks], to: S) -> Result<S::Ok, S::Error> {
    let mut channels: Vec<_> = channels.iter().collect();
    channels.sort_by_key(|channel| Reverse(channel.checks.faults()));
    to.collect_seq(channels.into_iter().take(LISTED_CHANNELS))
}

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct MemoryUse {
    /// Before the first subscriber connected.
    pub(crate) before: u64,
    /// When the load had ended, all connected.
    pub(crate) after: u64,
    /// What came with each of them.
    pub(crate) per_connection: u64,
}

impl MemoryUse {
    pub(crate) fn of(before: u64, after: u64, connections: u32) -> Self {
        let per_connection = after.saturating_sub(before) / u64::from(connections.max(1));
        Self { before, after, per_connection }
    }
}

/// One phase of the plan.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct PhaseFigures {
    pub(crate) name: String,
    /// From the start of the load.
    #[serde(rename = "begins_seconds", serialize_with = "as_seconds")]
    pub(crate) begins: Duration,
    /// False of a warm-up, which is checked and not measured.
    pub(crate) measured: bool,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// The checks of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ChannelChecks {
    /// As the server knows it.
    pub(crate) channel: String,
    pub(crate) deliveries: u64,
    #[serde(flatten)]
    pub(crate) checks: Checks,
}

/// What was intended within one slice of time.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// As [`Figures::delivery`], with two digits.
    pub(crate) latency: Histogram<u32>,
    /// Messages sent.
    pub(crate) published: u64,
    pub(crate) deliveries: u64,
    pub(crate) lost: u64,
}

impl Default for Slice {
    fn default() -> Self {
        Self { latency: slice_histogram(), published: 0, deliveries: 0, lost: 0 }
    }
}

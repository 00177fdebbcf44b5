//! What a run measured: figures without their environment, in all and by phase.
//!
//! Nothing here knows a clock, a file or a host. [`crate::report`] writes it out, and
//! [`crate::assertion`] judges it.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::rate_search::SearchStep;
use crate::schedule::Channel;
use crate::tally::{Counts, histogram, slice_histogram};

/// One finished run.
#[derive(Debug, Clone, Default)]
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
    pub(crate) total: Figures,
    /// In order of time, the warm-up among them.
    pub(crate) phases: Vec<PhaseFigures>,
    /// What each slice of time delivered, from the start of the load; a slice is
    /// [`Summary::slice_length`] long.
    pub(crate) slices: Vec<Slice>,
    pub(crate) slice_length: Duration,
    /// By channel, all of them, in order.
    #[allow(dead_code, reason = "no report shows it yet")]
    pub(crate) by_channel: Vec<ChannelChecks>,
    /// The rates that a search tried.
    pub(crate) search: Vec<SearchStep>,
    /// Refused publishes, by error code.
    pub(crate) publish_errors: Counts,
    /// Errors and gaps that subscribers received.
    pub(crate) notices: Counts,
    /// Lost connections, by the reason.
    pub(crate) disconnect_reasons: Counts,
    /// Resident memory of this tool.
    pub(crate) own_memory: Option<MemoryUse>,
    /// Resident memory of the server's process, if it is known which one that is.
    pub(crate) server_memory: Option<MemoryUse>,
    /// CPU time of this tool, in per cent of one core.
    pub(crate) cpu_percent: f64,
    /// A signal ended the run early.
    pub(crate) interrupted: bool,
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
#[derive(Debug, Clone)]
pub(crate) struct PhaseFigures {
    pub(crate) name: String,
    /// From the start of the load.
    pub(crate) begins: Duration,
    /// False of a warm-up, which is checked and not measured.
    pub(crate) measured: bool,
    pub(crate) figures: Figures,
}

/// Counts, rates and distributions. Times are in nanoseconds; latencies count from the intended
/// time of sending.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// As planned.
    pub(crate) duration: Duration,
    /// Messages a second, as planned.
    pub(crate) rate_asked: f64,
    /// Messages a second, as sent.
    pub(crate) rate_achieved: f64,
    pub(crate) published: u64,
    pub(crate) refused: u64,
    /// Without duplicates.
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) checks: Checks,
    /// Of the deliveries, those made up for after an absence: in no latency.
    pub(crate) recovered: u64,
    /// Connections lost.
    pub(crate) disconnected: u64,
    /// Every delivery, and every missing one at the time that passed in vain.
    pub(crate) delivery: Histogram<u64>,
    /// The first, the median and the last subscriber of each broadcast.
    pub(crate) first: Histogram<u64>,
    pub(crate) median: Histogram<u64>,
    pub(crate) last: Histogram<u64>,
    /// From the intended to the actual time of sending: how late this tool itself was.
    pub(crate) lateness: Histogram<u64>,
    /// The same without the time in which the server took no more.
    pub(crate) own_lateness: Histogram<u64>,
    pub(crate) handshakes: Handshakes,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            duration: Duration::ZERO,
            rate_asked: 0.0,
            rate_achieved: 0.0,
            published: 0,
            refused: 0,
            deliveries: 0,
            deliveries_per_second: 0.0,
            checks: Checks::default(),
            recovered: 0,
            disconnected: 0,
            delivery: histogram(),
            first: histogram(),
            median: histogram(),
            last: histogram(),
            lateness: histogram(),
            own_lateness: histogram(),
            handshakes: Handshakes::default(),
        }
    }
}

/// What was wrong with deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Checks {
    /// Due, and never received.
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    /// Overtaken by a later message of the same publisher and channel.
    pub(crate) reordered: u64,
    /// Not the bytes that were published.
    pub(crate) corrupted: u64,
    /// Of another channel than the one subscribed.
    pub(crate) misrouted: u64,
    /// Not published by this run.
    pub(crate) foreign: u64,
}

impl Checks {
    pub(crate) fn add(&mut self, more: &Self) {
        self.lost += more.lost;
        self.duplicates += more.duplicates;
        self.reordered += more.reordered;
        self.corrupted += more.corrupted;
        self.misrouted += more.misrouted;
        self.foreign += more.foreign;
    }
}

/// The checks of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelChecks {
    pub(crate) channel: Channel,
    pub(crate) deliveries: u64,
    pub(crate) checks: Checks,
}

/// Connections that were made, by the kind of their TLS handshake; a plain one counts as full.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handshakes {
    pub(crate) full: HandshakeTimes,
    pub(crate) resumed: HandshakeTimes,
}

/// The parts of a handshake, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct HandshakeTimes {
    /// From the first SYN to the connected socket.
    pub(crate) tcp: Histogram<u64>,
    /// Empty of plain connections.
    pub(crate) tls: Histogram<u64>,
    /// From the request to the response with status 101.
    pub(crate) upgrade: Histogram<u64>,
}

impl Default for HandshakeTimes {
    fn default() -> Self {
        Self { tcp: histogram(), tls: histogram(), upgrade: histogram() }
    }
}

/// One connection that was made. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandshakeSample {
    /// When it began, on the clock that stamps carry.
    pub(crate) begun: u64,
    pub(crate) tcp: u64,
    /// `None` of a plain connection.
    pub(crate) tls: Option<u64>,
    pub(crate) upgrade: u64,
    pub(crate) resumed: bool,
}

impl Handshakes {
    pub(crate) fn record(&mut self, sample: &HandshakeSample) {
        let times = if sample.resumed { &mut self.resumed } else { &mut self.full };
        times.tcp.saturating_record(sample.tcp);
        sample.tls.into_iter().for_each(|tls| times.tls.saturating_record(tls));
        times.upgrade.saturating_record(sample.upgrade);
    }
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

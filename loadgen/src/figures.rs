//! The figures of a run or of one phase: the one list that reports, assertions and `--json` take
//! theirs from.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize, Serializer};

use crate::quantiles::as_quantiles;
use crate::tally::{histogram, short_histogram};

/// Counts, rates and distributions. Times are in nanoseconds; latencies count from the intended
/// time of sending. The names are keys of `--json`, where times are in microseconds, and stay as
/// they are.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// As planned.
    #[serde(rename = "duration_seconds", serialize_with = "as_seconds")]
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
    #[serde(flatten)]
    pub(crate) checks: Checks,
    /// Of the deliveries, those made up for after an absence: in no latency.
    pub(crate) recovered: u64,
    /// Connections lost.
    pub(crate) disconnected: u64,
    /// Every delivery, and every missing one at the time that passed in vain.
    #[serde(rename = "latency", serialize_with = "as_quantiles")]
    pub(crate) delivery: Histogram<u64>,
    /// The first, the median and the last subscriber of each broadcast.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) first: Histogram<u64>,
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) median: Histogram<u64>,
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) last: Histogram<u64>,
    /// From the intended to the actual time of sending: how late this tool itself was.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) lateness: Histogram<u64>,
    /// The same without the time in which the server took no more.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) own_lateness: Histogram<u64>,
    /// What inflating each compressed message took.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) inflating: Histogram<u64>,
    #[serde(flatten)]
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
            inflating: short_histogram(),
            handshakes: Handshakes::default(),
        }
    }
}

/// What was wrong with deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checks {
    /// Due, and never received.
    #[serde(rename = "loss")]
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

    /// Each with words for it.
    pub(crate) fn named(&self) -> [(u64, &'static str); 6] {
        [
            (self.lost, "deliveries lost"),
            (self.duplicates, "duplicates"),
            (self.reordered, "out of order"),
            (self.corrupted, "not as they were published"),
            (self.misrouted, "on the wrong channel"),
            (self.foreign, "that this run did not publish"),
        ]
    }

    /// All of them.
    pub(crate) fn faults(&self) -> u64 {
        self.named().into_iter().map(|(count, _)| count).sum()
    }
}

/// Connections that were made, by the kind of their TLS handshake; a plain one counts as full.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Handshakes {
    #[serde(rename = "handshakes_full")]
    pub(crate) full: HandshakeTimes,
    #[serde(rename = "handshakes_resumed")]
    pub(crate) resumed: HandshakeTimes,
}

/// The parts of a handshake, one after the other.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct HandshakeTimes {
    /// From the first SYN to the connected socket.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) tcp: Histogram<u64>,
    /// Empty of plain connections.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) tls: Histogram<u64>,
    /// From the request to the response with status 101.
    #[serde(serialize_with = "as_quantiles")]
    pub(crate) upgrade: Histogram<u64>,
}

impl Default for HandshakeTimes {
    fn default() -> Self {
        Self { tcp: histogram(), tls: histogram(), upgrade: histogram() }
    }
}

/// One connection that was made. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// For `#[serde(serialize_with)]`.
pub(crate) fn as_seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

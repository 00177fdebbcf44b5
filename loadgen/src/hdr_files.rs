//! HdrHistogram's own text formats, which its plotters and analysers read.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::figures::Figures;
use crate::summary::Summary;

/// Lines of a distribution for each halving of the distance to 100 %.
const TICKS: u32 = 5;
/// Of a histogram with three digits.
const SUB_BUCKETS: u32 = 2_048;

/// A percentile distribution (`.hgrm`), in milliseconds.
pub(crate) fn percentile_distribution(latency: &Histogram<u64>) -> String {
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut total = 0;
    for value in latency.iter_quantiles(TICKS) {
        total += value.count_since_last_iteration();
        let (time, quantile) = (value.value_iterated_to(), value.quantile_iterated_to());
        let _ = write!(text, "{:12.6} {quantile:2.12} {total:10}", milliseconds(time));
        // The last one has no distance to 100 %.
        let _ = match quantile < 1.0 {
            true => writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(text),
        };
    }
    let (mean, deviation) = match latency.is_empty() {
        true => (0.0, 0.0),
        false => (latency.mean() / 1e6, latency.stdev() / 1e6),
    };
    let (max, count) = (milliseconds(latency.max()), latency.len());
    let _ = writeln!(text, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]");
    let _ = writeln!(text, "#[Max     = {max:12.6}, Total count    = {count:12}]");
    let _ =
        writeln!(text, "#[Buckets = {:12}, SubBuckets     = {SUB_BUCKETS:12}]", latency.buckets());
    text
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// An interval log (`.hlog`, version 1.3), in nanoseconds: `delivery` for each slice of time, and
/// of the whole run `total`, `last` and `lateness`.
pub(crate) fn interval_log(summary: &Summary, started: SystemTime) -> String {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut head = IntervalLogWriterBuilder::new();
    head.add_comment("[Histogram log format version 1.3]");
    head.add_comment("[Logged by loadgen; values are nanoseconds]");
    head.with_max_value_divisor(1e6).with_start_time(started).with_base_time(started);
    let mut log =
        head.begin_log_with(&mut bytes, &mut serializer).expect("memory takes all that is written");
    for (place, slice) in summary.slices.iter().enumerate() {
        let (at, length) = (summary.slice_length * place as u32, summary.slice_length);
        let written = log.write_histogram(&slice.latency, at, length, Tag::new("delivery"));
        written.expect("memory takes all that is written");
    }
    let Figures { duration, delivery, last, lateness, .. } = &summary.total;
    for (name, histogram) in [("total", delivery), ("last", last), ("lateness", lateness)] {
        let written = log.write_histogram(histogram, Duration::ZERO, *duration, Tag::new(name));
        written.expect("memory takes all that is written");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;

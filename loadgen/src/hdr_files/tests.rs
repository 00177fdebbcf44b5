use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::summary::Slice;

#[test]
fn a_distribution_ends_with_all_that_was_recorded() {
    let mut latency = crate::tally::histogram();
    for milliseconds in 1..=100_u64 {
        latency.record(milliseconds * 1_000_000).unwrap();
    }
    let text = percentile_distribution(&latency);
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
        .collect();
    let half = rows.iter().find(|row| row[1] >= 0.5).unwrap();
    assert!((half[0] - 50.0).abs() < 0.1 && half[2] == 50.0, "{half:?}");
    let last = rows.last().unwrap();
    assert!((last[0] - 100.0).abs() < 0.1, "{last:?}");
    assert_eq!((last[1], last[2], last.len()), (1.0, 100.0, 3));
    assert!(text.contains("Total count    =          100]"), "{text}");
    assert!(percentile_distribution(&crate::tally::histogram()).contains("#[Max     ="));
}

#[test]
fn a_log_has_a_line_for_each_slice_and_the_whole() {
    let mut slice = Slice::default();
    slice.latency.record(5_000_000).unwrap();
    let summary = Summary {
        slices: vec![slice, Slice::default()],
        slice_length: Duration::from_secs(1),
        ..Summary::default()
    };
    let text = interval_log(&summary, SystemTime::UNIX_EPOCH);
    let mut tags = Vec::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        if let LogEntry::Interval(line) = entry.unwrap() {
            tags.push(line.tag().unwrap().as_str().to_owned());
        }
    }
    assert_eq!(tags, ["delivery", "delivery", "total", "last", "lateness"]);
}

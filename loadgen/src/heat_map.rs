//! Latency over time as counts: a column for each slice of time, a row for each range of latency.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::summary::Summary;

/// Columns at most; neighbouring slices are joined beyond.
const MAX_COLUMNS: usize = 240;
/// Rows for each factor of two.
const ROWS_PER_OCTAVE: f64 = 4.0;

/// The counts, for a chart.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct HeatMap {
    /// Where each column begins, in seconds from the start of the load.
    pub(crate) seconds: Vec<f64>,
    /// The middle of each row's range, in microseconds, from low to high.
    pub(crate) microseconds: Vec<f64>,
    /// Deliveries by row, then column.
    pub(crate) counts: Vec<Vec<u64>>,
}

impl HeatMap {
    /// Of a run's slices. Empty if nothing was delivered.
    pub(crate) fn of(summary: &Summary) -> Self {
        let joined = summary.slices.len().div_ceil(MAX_COLUMNS).max(1);
        let columns: Vec<Vec<(i32, u64)>> = summary
            .slices
            .chunks(joined)
            .map(|slices| slices.iter().flat_map(|slice| rows(&slice.latency)).collect())
            .collect();
        let all = columns.iter().flatten().map(|(row, _)| *row);
        let (Some(low), Some(high)) = (all.clone().min(), all.max()) else {
            return Self::default();
        };
        let mut counts = vec![vec![0; columns.len()]; (high - low + 1) as usize];
        for (place, column) in columns.iter().enumerate() {
            for (row, count) in column {
                counts[(row - low) as usize][place] += count;
            }
        }
        let length = summary.slice_length.as_secs_f64() * joined as f64;
        let middle = |row: i32| ((f64::from(row) + 0.5) / ROWS_PER_OCTAVE).exp2();
        Self {
            seconds: (0..columns.len()).map(|place| place as f64 * length).collect(),
            microseconds: (low..=high).map(middle).collect(),
            counts,
        }
    }
}

/// The row of each recorded value, with its count.
fn rows(latency: &Histogram<u32>) -> impl Iterator<Item = (i32, u64)> + '_ {
    latency.iter_recorded().map(|value| {
        let microseconds = (value.value_iterated_to() as f64 / 1e3).max(1.0);
        let row = (microseconds.log2() * ROWS_PER_OCTAVE).floor() as i32;
        (row, value.count_since_last_iteration())
    })
}

#[cfg(test)]
mod tests;

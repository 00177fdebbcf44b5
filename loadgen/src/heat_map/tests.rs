use std::time::Duration;

use super::*;
use crate::summary::Slice;

fn summary(slices: &[&[u64]]) -> Summary {
    let slice = |microseconds: &&[u64]| {
        let mut slice = Slice::default();
        for time in *microseconds {
            slice.latency.record(time * 1_000).unwrap();
        }
        slice
    };
    Summary {
        slices: slices.iter().map(slice).collect(),
        slice_length: Duration::from_secs(1),
        ..Summary::default()
    }
}

#[test]
fn every_delivery_is_in_the_row_of_its_latency_and_the_column_of_its_time() {
    let map = HeatMap::of(&summary(&[&[100, 100, 210], &[], &[1_700]]));
    assert_eq!(map.seconds, [0.0, 1.0, 2.0]);
    let total: u64 = map.counts.iter().flatten().sum();
    assert_eq!(total, 4);
    let row = |microseconds: f64| {
        let near =
            |middle: &f64| (middle / microseconds).log2().abs() <= 0.5 / ROWS_PER_OCTAVE + 0.02;
        map.microseconds.iter().position(near).unwrap()
    };
    assert_eq!(map.counts[row(100.0)], [2, 0, 0]);
    assert_eq!(map.counts[row(210.0)], [1, 0, 0]);
    assert_eq!(map.counts[row(1_700.0)], [0, 0, 1]);
    assert_eq!(map.counts.len(), map.microseconds.len());
}

#[test]
fn a_long_run_has_joined_columns_and_an_empty_one_none() {
    let long = summary(&vec![&[50_u64][..]; 1_300]);
    let map = HeatMap::of(&long);
    assert_eq!((map.seconds.len(), map.seconds[1]), (217, 6.0));
    assert_eq!(map.counts.iter().flatten().sum::<u64>(), 1_300);
    assert_eq!(HeatMap::of(&summary(&[&[], &[]])), HeatMap::default());
}

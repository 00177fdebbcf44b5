use super::*;
use proptest::prelude::*;

fn receipts(expected: u32, times: &[u64]) -> Receipts {
    let mut receipts = Receipts::expecting(expected);
    times.iter().for_each(|at| receipts.record(*at));
    receipts
}

#[test]
fn the_ranks_of_several_threads_are_those_of_all_subscribers() {
    let threads = [receipts(3, &[10, 20, 70]), receipts(2, &[30, 40])];
    assert_eq!(first_median_last(&threads, 0, 99), Some([10, 30, 70]));
    assert_eq!(first_median_last(&threads[..1], 0, 99), Some([10, 20, 70]));
}

#[test]
fn a_missing_receipt_counts_as_the_latest() {
    let thread = [receipts(4, &[10, 20])];
    assert_eq!(first_median_last(&thread, 2, 99), Some([10, 20, 99]));
    assert_eq!(first_median_last(&thread, 3, 99), Some([10, 99, 99]));
    assert_eq!(first_median_last(&[], 1, 99), Some([99, 99, 99]));
    assert_eq!(first_median_last(&[], 0, 99), None);
}

proptest! {
    #[test]
    fn the_median_of_many_is_off_by_one_rank_in_64_at_most(
        gaps in proptest::collection::vec(0..100u64, 1..2_000), threads in 1..4usize,
    ) {
        let mut at = 0;
        let times: Vec<u64> = gaps.iter().map(|gap| { at += gap; at }).collect();
        let share = |thread| times.iter().copied().skip(thread).step_by(threads);
        let parts: Vec<Receipts> = (0..threads).map(|thread| {
            let own: Vec<u64> = share(thread).collect();
            receipts(own.len() as u32, &own)
        }).collect();
        let [first, median, last] = first_median_last(&parts, 0, u64::MAX).unwrap();
        prop_assert_eq!((first, last), (times[0], at));
        let rank = times.len().div_ceil(2) - 1;
        let slack = times.len() / 64 + threads;
        let exact = times.len() <= 64;
        let low = times[rank.saturating_sub(if exact { 0 } else { slack })];
        let high = times[(rank + if exact { 0 } else { slack }).min(times.len() - 1)];
        prop_assert!((low..=high).contains(&median), "{median} outside {low}..={high}");
    }
}

use super::*;
use crate::schedule::{Arrivals, PublisherId};
use std::time::Duration;

const SCHEDULE: Schedule = Schedule {
    rate: 100.0,
    length: Duration::from_secs(1),
    publishers: 1,
    channels: 2,
    arrivals: Arrivals::Constant,
    seed: 0,
};

fn stamp(sequence: u64) -> Stamp {
    Stamp { publisher: PublisherId(0), sequence, intended: 1_000_000 * (sequence + 1) }
}

fn recorder(channels: &[u32]) -> Recorder {
    let mut recorder = Recorder::new(SCHEDULE, channels.iter().copied().map(Channel));
    recorder.measure_from = 0;
    recorder
}

#[test]
fn the_last_subscriber_is_found_across_threads() {
    let mut collector = Collector::new(SCHEDULE, vec![2, 1]);
    collector.measure_from = 0;
    let (mut a, mut b) = (recorder(&[0, 1]), recorder(&[0, 0]));
    a.deliver(0, Channel(0), stamp(0), 9_000_000);
    b.deliver(0, Channel(0), stamp(0), 4_000_000);
    collector.add(&a.take());
    collector.add(&b.take());
    assert_eq!(collector.last.len(), 0, "one of the second thread's is still missing");
    b.deliver(1, Channel(0), stamp(0), 5_000_000);
    collector.add(&b.finish());
    assert_eq!(collector.last.len(), 1);
    assert!(collector.last.equivalent(collector.last.max(), 8_000_000));
    assert_eq!(collector.total.deliveries, 3);
    assert_eq!(collector.total.per_channel, [2, 0]);
}

#[test]
fn warm_up_counts_for_loss_but_not_for_latency() {
    let mut recorder = recorder(&[0]);
    recorder.measure_from = 2_000_000;
    recorder.deliver(0, Channel(0), stamp(0), 60_000_000_000);
    recorder.deliver(0, Channel(0), stamp(2), 3_500_000);
    let totals = recorder.take().totals;
    assert_eq!((totals.deliveries, totals.latency.len()), (2, 1));
    assert!(totals.latency.max() < 1_000_000);
}

#[test]
fn each_kind_of_fault_is_counted_as_itself() {
    let mut recorder = recorder(&[0]);
    for sequence in [0, 4, 2, 4, 1, 10] {
        recorder.deliver(0, Channel(0), stamp(sequence), 1);
    }
    let totals = recorder.take().totals;
    assert_eq!((totals.reordered, totals.duplicates, totals.misrouted), (1, 1, 1));
    assert_eq!((totals.missing, totals.deliveries), (2, 4));
}

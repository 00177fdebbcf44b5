use super::*;
use crate::phase::Phase;
use std::time::Duration;

const MS: u64 = 1_000_000;

/// A warm-up of 100 ms and a load of 1,900 ms, which begin at 1 ms.
fn recorder(members: &[&[u32]], recovery: bool) -> Recorder {
    let timeline = Timeline::new(vec![
        Phase { measured: false, ..Phase::steady("warm-up", Duration::from_millis(100), 10.0) },
        Phase::steady("load", Duration::from_millis(1_900), 10.0),
    ]);
    let mut recorder = Recorder::new(Arc::new(timeline), recovery);
    for channels in members {
        recorder.admit(channels.iter().copied().map(Channel), false);
    }
    recorder.start = MS;
    recorder
}

/// The `index`-th of publisher 0 in a channel, one every 100 ms.
fn stamp(channel: u32, index: u64) -> Stamp {
    let intended = MS + index * 100 * MS;
    Stamp { publisher: PublisherId(0), channel: Channel(channel), index, intended }
}

/// Received 2 ms after its time.
fn deliver(recorder: &mut Recorder, place: usize, stamp: Stamp) {
    recorder.deliver(place, stamp, false, stamp.intended + 2 * MS);
}

fn checks(batch: &Batch) -> Checks {
    let mut sum = Checks::default();
    batch.phases.values().for_each(|phase| sum.add(&phase.checks));
    sum
}

fn missing(batch: &Batch) -> Vec<(u64, u32)> {
    let incomplete = batch.broadcasts.iter().filter(|(.., broadcast)| broadcast.missing > 0);
    incomplete.map(|(.., broadcast)| (broadcast.index, broadcast.missing)).collect()
}

#[test]
fn each_kind_of_fault_is_counted_as_itself_in_its_channel() {
    let mut recorder = recorder(&[&[0, 1]], false);
    for index in [0, 2, 1, 2, 5] {
        deliver(&mut recorder, 0, stamp(0, index));
    }
    deliver(&mut recorder, 0, stamp(7, 0));
    recorder.deliver(0, stamp(1, 0), true, 9 * MS);
    recorder.illegible(0, 9 * MS);
    recorder.foreign(0, 9 * MS);
    let batch = recorder.finish();
    let first =
        Checks { duplicates: 1, reordered: 1, misrouted: 1, corrupted: 1, foreign: 1, lost: 0 };
    let second = Checks { corrupted: 1, ..Checks::default() };
    assert_eq!(checks(&batch), Checks { corrupted: 2, ..first });
    let found: Vec<_> = batch.channels.iter().map(|end| (end.deliveries, end.checks)).collect();
    assert_eq!(found, [(4, first), (1, second)]);
    assert_eq!((batch.missing, missing(&batch)), (2, vec![(3, 1), (4, 1)]));
}

#[test]
fn a_delivery_belongs_to_the_phase_and_the_slice_it_was_intended_in() {
    let mut recorder = recorder(&[&[0]], false);
    (0..20).for_each(|index| deliver(&mut recorder, 0, stamp(0, index)));
    let batch = recorder.take();
    let phases: Vec<_> = batch.phases.values().map(|phase| phase.deliveries).collect();
    let slices: Vec<_> = batch.slices.values().map(|slice| slice.len()).collect();
    assert_eq!((phases, slices), (vec![1, 19], vec![10, 10]));
    let latency = &batch.phases[&1].delivery;
    assert!(latency.equivalent(latency.min(), 2 * MS) && latency.equivalent(latency.max(), 2 * MS));
}

#[test]
fn one_that_leaves_and_joins_is_due_what_was_intended_while_it_was_there() {
    let mut recorder = recorder(&[&[0], &[0]], false);
    (0..2).for_each(|index| deliver(&mut recorder, 0, stamp(0, index)));
    deliver(&mut recorder, 1, stamp(0, 0));
    recorder.leave(1);
    (2..4).for_each(|index| deliver(&mut recorder, 0, stamp(0, index)));
    recorder.join(1, stamp(0, 4).intended + 1);
    // The fourth was on its way when it joined; the fifth was due to it and never came.
    (4..8).for_each(|index| deliver(&mut recorder, 0, stamp(0, index)));
    (6..8).for_each(|index| deliver(&mut recorder, 1, stamp(0, index)));
    let batch = recorder.finish();
    assert_eq!((missing(&batch), checks(&batch)), (vec![(5, 1)], Checks::default()));
    let complete = batch.broadcasts.iter().filter(|(.., broadcast)| broadcast.missing == 0);
    assert_eq!(complete.count(), 7);
}

#[test]
fn what_was_published_while_all_were_away_is_due_to_none() {
    let mut recorder = recorder(&[&[0], &[0]], false);
    (0..2).for_each(|place| deliver(&mut recorder, place, stamp(0, 0)));
    (0..2).for_each(|place| recorder.leave(place));
    (0..2).for_each(|place| recorder.join(place, stamp(0, 3).intended + 1));
    (0..2).for_each(|place| deliver(&mut recorder, place, stamp(0, 4)));
    let batch = recorder.finish();
    assert_eq!((missing(&batch), batch.missing), (vec![], 0));
}

#[test]
fn one_that_comes_back_for_what_it_missed_is_due_all_of_it() {
    let mut recorder = recorder(&[&[0], &[0]], true);
    (0..6).for_each(|index| deliver(&mut recorder, 0, stamp(0, index)));
    deliver(&mut recorder, 1, stamp(0, 0));
    recorder.leave(1);
    recorder.join(1, stamp(0, 4).intended + 1);
    for index in [1, 2, 4, 5] {
        recorder.deliver(1, stamp(0, index), false, 900 * MS);
    }
    let batch = recorder.finish();
    assert_eq!(missing(&batch), [(3, 1)], "it was not made up for");
    let recovered: u64 = batch.phases.values().map(|phase| phase.recovered).sum();
    let timed: u64 = batch.phases.values().map(|phase| phase.delivery.len()).sum();
    assert_eq!((recovered, timed), (3, 8), "what is made up for has no latency");
}

#[test]
fn one_that_is_slow_on_purpose_is_only_counted() {
    let mut recorder = recorder(&[&[0]], false);
    recorder.admit([Channel(0)].into_iter(), true);
    deliver(&mut recorder, 0, stamp(0, 0));
    deliver(&mut recorder, 1, stamp(0, 5));
    let batch = recorder.finish();
    assert_eq!((batch.slow_deliveries, missing(&batch)), (1, vec![]));
}

#[test]
fn what_is_not_sent_back_is_due_to_all_others() {
    let mut recorder = recorder(&[&[0], &[0]], false);
    recorder.mark_own(0, stamp(0, 0));
    deliver(&mut recorder, 1, stamp(0, 0));
    recorder.mark_own(0, stamp(0, 1));
    let batch = recorder.finish();
    assert_eq!(missing(&batch), [(1, 1)], "the second reached nobody else");
    assert_eq!((batch.channels[0].deliveries, checks(&batch)), (1, Checks::default()));
}

use super::*;
use crate::receipts::first_median_last;

/// A thread with one channel and its count of events.
#[derive(Default)]
struct Thread {
    broadcasts: Broadcasts,
    present: u32,
    event: u64,
    done: Vec<Broadcast>,
}

impl Thread {
    fn with(present: u32) -> Self {
        Self { present, ..Self::default() }
    }

    fn receive(&mut self, index: u64, at: u64, joined: Joined) {
        self.event += 1;
        let receipt = Receipt { index, intended: index * 100, at, joined, live: true };
        let done = |broadcast| self.done.push(broadcast);
        self.broadcasts.receive(receipt, self.present, self.event, done);
    }

    fn join(&mut self, at: u64) -> Joined {
        self.event += 1;
        self.present += 1;
        Joined { event: self.event, at }
    }

    fn indexes(&self) -> Vec<u64> {
        self.done.iter().map(|broadcast| broadcast.index).collect()
    }
}

const START: Joined = Joined::AT_START;

#[test]
fn a_message_is_complete_with_its_last_receiver() {
    let mut thread = Thread::with(2);
    thread.receive(0, 50, START);
    thread.receive(1, 60, START);
    assert!(thread.done.is_empty());
    thread.receive(0, 70, START);
    let ranks = first_median_last(&[thread.done[0].receipts.clone()], 0, 0);
    assert_eq!((thread.indexes(), ranks), (vec![0], Some([50, 50, 70])));
    assert_eq!(
        thread.broadcasts.drain().map(|left| (left.index, left.missing)).next(),
        Some((1, 1))
    );
}

#[test]
fn a_message_nobody_has_is_incomplete_and_its_time_unknown() {
    let mut thread = Thread::with(1);
    thread.receive(2, 50, START);
    let left: Vec<_> = thread.broadcasts.drain().collect();
    assert_eq!(thread.indexes(), [2]);
    assert_eq!(
        left.iter().map(|left| (left.index, left.intended)).collect::<Vec<_>>(),
        [(0, None), (1, None)]
    );
    assert_eq!(thread.broadcasts.end(), 3);
}

#[test]
fn one_that_leaves_is_due_no_more_and_completes_what_waited_for_it() {
    let mut thread = Thread::with(2);
    thread.receive(0, 50, START);
    thread.receive(1, 60, START);
    thread.present -= 1;
    thread.broadcasts.excuse(START, 1, None, false, |done| thread.done.push(done));
    assert_eq!(thread.indexes(), [1]);
    thread.receive(2, 70, START);
    assert_eq!(thread.indexes(), [1, 2]);
    assert_eq!(thread.broadcasts.drain().count(), 1, "the first was due to it and is lost");
}

#[test]
fn one_that_joins_is_due_what_follows_its_confirmation() {
    let mut thread = Thread::with(1);
    thread.receive(0, 50, START);
    let late = thread.join(250);
    // Published before it joined, received by the other afterwards.
    thread.receive(1, 260, START);
    thread.receive(2, 270, START);
    thread.receive(3, 310, START);
    assert_eq!(thread.indexes(), [0]);
    // Its first is the fourth message; the second and third were not meant for it.
    thread.broadcasts.excuse(late, 0, Some(4), true, |done| thread.done.push(done));
    assert_eq!(thread.indexes(), [0, 1, 2]);
    thread.receive(4, 420, late);
    thread.receive(4, 430, START);
    assert_eq!(thread.indexes(), [0, 1, 2, 4]);
    let lost: Vec<_> = thread.broadcasts.drain().map(|left| (left.index, left.missing)).collect();
    assert_eq!(lost, [(3, 1)], "intended at 300, after its confirmation at 250");
}

#[test]
fn an_incomplete_message_does_not_hold_memory_for_ever() {
    let mut thread = Thread::with(2);
    thread.receive(0, 1, START);
    thread.receive(WINDOW as u64 + 9, 2, START);
    assert_eq!(thread.indexes(), (0..10).collect::<Vec<_>>());
    assert_eq!(thread.broadcasts.entries.len(), WINDOW);
}

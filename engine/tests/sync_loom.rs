//! Every interleaving of the bell's memory protocol, of the mailbox's room, of a lane and of
//! a shared frame's counts, by loom. The very source files of the engine are compiled here
//! once more with loom's atomics in place of std's, so this runs with all other tests.

#![allow(dead_code, unreachable_pub, reason = "these files are made for the engine")]

use std::ops::Range;

use loom::sync::atomic::{AtomicUsize, Ordering, fence};
use loom::sync::{Arc, Notify};
use loom::thread;

/// What `sync/atomics.rs` is in the engine.
mod atomics {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
}

#[path = "../src/sync/capacity.rs"]
mod capacity;
#[path = "../src/sync/countdown.rs"]
mod countdown;
#[path = "../src/sync/parking.rs"]
mod parking;
#[path = "../src/sync/presplit_arc.rs"]
mod presplit_arc;
#[path = "../src/sync/spsc.rs"]
mod spsc;

use capacity::Capacity;
use countdown::Countdown;
use parking::Parking;
use presplit_arc::PresplitArc;
use spsc::{LaneReceiver, LaneSender, lane};

/// Work, a bell and the owner's sleep; a wake that is lost is a deadlock, which loom reports.
struct Bench {
    work: AtomicUsize,
    parking: Parking,
    event: Notify,
}

impl Bench {
    fn new() -> Arc<Bench> {
        let (work, parking, event) = (AtomicUsize::new(0), Parking::default(), Notify::new());
        Arc::new(Bench { work, parking, event })
    }

    fn work_and_ring(&self) {
        // Relaxed: the weakest way in which work can be made visible.
        self.work.fetch_add(1, Ordering::Relaxed);
        if self.parking.claim_wake() {
            self.event.notify();
        }
    }

    /// The owner's loop, until it has seen `all` the work.
    fn own_until(&self, all: usize) {
        while self.work.load(Ordering::Relaxed) < all {
            self.parking.park();
            if self.work.load(Ordering::Relaxed) < all {
                self.event.wait();
            }
            self.parking.unpark();
        }
    }
}

#[test]
fn a_ring_is_never_lost() {
    loom::model(|| {
        let bench = Bench::new();
        let ringer = {
            let bench = Arc::clone(&bench);
            thread::spawn(move || bench.work_and_ring())
        };
        bench.own_until(1);
        ringer.join().unwrap();
    });
}

#[test]
fn two_ringers_that_meet_lose_no_ring() {
    let mut model = loom::model::Builder::new();
    // All interleavings with at most three forced switches: the full set takes minutes.
    model.preemption_bound = Some(3);
    model.check(|| {
        let bench = Bench::new();
        let ring = |bench: Arc<Bench>| thread::spawn(move || bench.work_and_ring());
        let ringers = [ring(Arc::clone(&bench)), ring(Arc::clone(&bench))];
        bench.own_until(2);
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}

/// A canary: the model must notice a bell without the fences.
#[test]
#[should_panic(expected = "deadlock")]
fn a_bell_without_fences_is_caught() {
    use loom::sync::atomic::AtomicBool;
    loom::model(|| {
        let all = Arc::new((AtomicUsize::new(0), AtomicBool::new(false), Notify::new()));
        let theirs = Arc::clone(&all);
        let ringer = thread::spawn(move || {
            let (work, parked, event) = &*theirs;
            work.fetch_add(1, Ordering::Relaxed);
            if parked.load(Ordering::Relaxed) && parked.swap(false, Ordering::Relaxed) {
                event.notify();
            }
        });
        let (work, parked, event) = &*all;
        parked.store(true, Ordering::Relaxed);
        if work.load(Ordering::Relaxed) == 0 {
            event.wait();
        }
        ringer.join().unwrap();
    });
}

#[test]
fn room_is_never_given_twice_and_always_comes_back() {
    loom::model(|| {
        let room = Arc::new(Capacity::default());
        let taker = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                let taken = room.try_take(2, 3);
                if taken {
                    assert!(room.used() <= 3);
                    room.give_back(2);
                }
                taken
            })
        };
        let mine = room.try_take(2, 3);
        if mine {
            assert!(room.used() <= 3);
            room.give_back(2);
        }
        let theirs = taker.join().unwrap();
        assert!(mine || theirs, "one of them must find room");
        assert_eq!(room.used(), 0);
    });
}

/// A value whose drop must see all that was done with it.
struct Used {
    uses: [AtomicUsize; 3],
    drops: Arc<AtomicUsize>,
}

impl Drop for Used {
    fn drop(&mut self) {
        // Relaxed: what orders them is the count of shares.
        assert!(self.uses.iter().all(|used| used.load(Ordering::Relaxed) == 1));
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_last_share_drops_the_value_after_all_uses_and_once() {
    // None prepared of the two that are handed out, one, or both.
    for spare in 0..3 {
        loom::model(move || {
            let drops = Arc::new(AtomicUsize::new(0));
            let uses = [0, 0, 0].map(AtomicUsize::new);
            let share = PresplitArc::new(Used { uses, drops: Arc::clone(&drops) }, spare);
            let theirs = [(1, share.split()), (2, share.split())].map(|(place, share)| {
                thread::spawn(move || share.uses[place].store(1, Ordering::Relaxed))
            });
            share.uses[0].store(1, Ordering::Relaxed);
            drop(share);
            theirs.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(drops.load(Ordering::Relaxed), 1);
        });
    }
}

#[test]
fn one_party_is_the_last_and_sees_what_the_others_did() {
    loom::model(|| {
        let all = Arc::new((Countdown::new(2), [0, 0].map(AtomicUsize::new)));
        let finish = |(countdown, done): &(Countdown, [AtomicUsize; 2]), own: usize| {
            done[own].store(1, Ordering::Relaxed);
            let last = countdown.finish_one();
            assert!(!last || done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
            last
        };
        let theirs = Arc::clone(&all);
        let other = thread::spawn(move || finish(&theirs, 1));
        let mine = finish(&all, 0);
        assert!(mine != other.join().unwrap());
    });
}

#[test]
fn a_lane_hands_every_entry_over_once_and_in_order() {
    loom::model(|| {
        // Two slots for three entries: each slot is reused, and the sender meets a full lane.
        let (mut sender, mut receiver) = lane(2, 0);
        let sending = thread::spawn(move || {
            let mut sent = 0;
            for entry in 0..3 {
                sent += u32::from(sender.try_push(Box::new(entry)).is_ok());
            }
            sent
        });
        let mut last = None;
        let mut taken = 0;
        for _ in 0..2 {
            if let Some(entry) = receiver.pop() {
                assert!(last < Some(*entry));
                (last, taken) = (Some(*entry), taken + 1);
            }
        }
        let sent = sending.join().unwrap();
        while receiver.pop().is_some() {
            taken += 1;
        }
        assert_eq!(taken, sent);
        assert!(sent >= 2);
    });
}

/// Sends entries of so many bytes, and sleeps where there is no room until it is woken; takes all
/// in order. A wake that is lost is a deadlock.
fn send_all(
    mut sender: LaneSender<usize>,
    mut receiver: LaneReceiver<usize>,
    entries: Range<usize>,
    bytes: usize,
) {
    let bench = Bench::new();
    let (sleeper, end) = (Arc::clone(&bench), entries.end);
    let sending = thread::spawn(move || {
        for entry in entries {
            while sender.try_push_sized(entry, bytes).is_err() {
                sleeper.parking.park();
                if !sender.has_room_again() {
                    sleeper.event.wait();
                }
                sleeper.parking.unpark();
            }
        }
    });
    let mut taken = 0;
    while taken < end {
        let Some(entry) = receiver.pop() else {
            thread::yield_now();
            continue;
        };
        assert_eq!(entry, taken);
        taken += 1;
        // As before sleeping.
        fence(Ordering::SeqCst);
        if receiver.is_awaited() && bench.parking.claim_wake() {
            bench.event.notify();
        }
    }
    sending.join().expect("the sender");
}

#[test]
fn a_sender_that_found_no_room_is_told_when_there_is_some() {
    loom::model(|| {
        let (sender, receiver) = lane(1, 0);
        send_all(sender, receiver, 0..2, 0);
    });
}

/// Where an entry that is taken leaves too many bytes, the next one wakes the sender.
#[test]
fn a_sender_that_found_no_room_in_bytes_is_told_when_there_is_some() {
    let mut model = loom::model::Builder::new();
    // All interleavings with at most three forced switches: the full set takes minutes.
    model.preemption_bound = Some(3);
    model.check(|| {
        let (sender, receiver) = lane(4, 0);
        let mut sender = sender.bounded_in_bytes(2);
        for (entry, bytes) in [(0, 1), (1, 2)] {
            sender.try_push_sized(entry, bytes).unwrap();
        }
        send_all(sender, receiver, 2..3, 1);
    });
}

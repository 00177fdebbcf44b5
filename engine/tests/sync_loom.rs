//! Every interleaving of the bell's memory protocol and of the mailbox's room, by loom. The very
//! source files of the engine are compiled here once more with loom's atomics in place of std's,
//! so this runs with all other tests.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

/// What `sync/atomics.rs` is in the engine.
mod atomics {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
}

#[path = "../src/sync/parking.rs"]
mod parking;
#[path = "../src/sync/room.rs"]
#[allow(dead_code, reason = "its counter is for the shard")]
mod room;

use parking::Parking;
use room::Room;

/// Work, a bell and the owner's sleep; a wake that is lost is a deadlock, which loom reports.
struct Bench {
    work: AtomicUsize,
    parking: Parking,
    event: Notify,
}

impl Bench {
    fn new() -> Arc<Bench> {
        let (work, parking, event) = (AtomicUsize::new(0), Parking::new(), Notify::new());
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
        let room = Arc::new(Room::new());
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

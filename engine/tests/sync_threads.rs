//! Doorbell, lanes, mailboxes and counters under real threads.

use std::sync::Arc;
use std::thread;

use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uringcast_engine::Time;
use uringcast_engine::limits::CONTROL_COMMANDS;
use uringcast_engine::sync::{
    Cost, Countdown, Doorbell, Heartbeat, PresplitArc, Quota, Stage, lane, mailbox,
};

/// How long a thread sleeps before its wake counts as lost: nothing waits for it when all is well.
const LOST: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// The owner's loop of a bell: takes with `pop`, sleeping while there is nothing.
fn take<T>(bell: &Doorbell, mut pop: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(entry) = pop() {
            return entry;
        }
        bell.park();
        if let Some(entry) = pop() {
            bell.unpark();
            return entry;
        }
        let mut event = [PollFd::new(bell, PollFlags::IN)];
        assert_eq!(poll(&mut event, Some(&LOST)).expect("poll"), 1, "a wake was lost");
        bell.drain();
        bell.unpark();
    }
}

/// Two threads that answer each other: each sleeps nearly every time, so a lost wake stops both.
#[test]
fn two_threads_never_sleep_through_each_others_ring() {
    const ROUNDS: u32 = 100_000;
    let bells = Arc::new([Doorbell::new().unwrap(), Doorbell::new().unwrap()]);
    let ((mut there, mut their), (mut back, mut ours)) = (lane(4, 0), lane(4, 0));
    let other = {
        let bells = Arc::clone(&bells);
        thread::spawn(move || {
            for round in 0..ROUNDS {
                assert_eq!(take(&bells[1], || their.pop()), round);
                back.try_push(round).unwrap();
                bells[0].ring();
            }
        })
    };
    for round in 0..ROUNDS {
        there.try_push(round).unwrap();
        bells[1].ring();
        assert_eq!(take(&bells[0], || ours.pop()), round);
    }
    other.join().unwrap();
}

#[test]
fn a_bell_is_written_only_while_its_owner_is_parked() {
    let bell = Doorbell::new().unwrap();
    let readable = || {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&bell, PollFlags::IN)], Some(&now)).unwrap() == 1
    };
    bell.ring();
    assert!(!readable());
    bell.park();
    assert!(!readable());
    bell.ring();
    assert!(readable());
    bell.drain();
    assert!(!readable());
    bell.ring();
    assert!(!readable(), "one wake per park");
    bell.park();
    bell.unpark();
    bell.ring();
    assert!(!readable());
    bell.drain();
}

/// So many entries, each of ten bytes.
fn entries(entries: usize) -> Cost {
    Cost { entries, bytes: 10 * entries }
}

#[test]
fn producers_share_a_mailbox_without_loss_and_within_its_room() {
    const PRODUCERS: usize = 4;
    const EACH: usize = 20_000;
    const CAPACITY: usize = 64;
    let bell = Arc::new(Doorbell::new().unwrap());
    let (mailbox, mut receiver) = mailbox::<(usize, usize)>(entries(CAPACITY), Arc::clone(&bell));
    let mailbox = Arc::new(mailbox);
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|me| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                for n in 0..EACH {
                    let cost = 1 + n % 7;
                    loop {
                        if let Some(permit) = mailbox.try_reserve(entries(cost)) {
                            break permit.send((me, n));
                        }
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut next = [0; PRODUCERS];
    for _ in 0..PRODUCERS * EACH {
        let ((producer, n), cost) = take(&bell, || receiver.pop());
        assert_eq!(n, next[producer], "order of one producer");
        assert_eq!(cost, entries(1 + n % 7));
        next[producer] += 1;
    }
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    assert!(receiver.pop().is_none() && receiver.is_empty());
    assert!(mailbox.try_reserve(entries(CAPACITY)).is_some(), "all room came back");
}

#[test]
fn a_full_mailbox_still_takes_commands_and_the_last_one() {
    let (mailbox, mut receiver) = mailbox(entries(2), Arc::new(Doorbell::new().unwrap()));
    mailbox.try_reserve(entries(2)).unwrap().send(0);
    assert!(mailbox.try_reserve(entries(1)).is_none());
    for _ in 0..CONTROL_COMMANDS {
        mailbox.send_control(1, 0).unwrap();
    }
    assert_eq!(mailbox.send_control(2, 0), Err(2));
    mailbox.send_owed(3);
    let all: Vec<i32> = std::iter::from_fn(|| receiver.pop()).map(|(entry, _)| entry).collect();
    assert_eq!((all[0], all.len(), all[all.len() - 1]), (0, CONTROL_COMMANDS + 2, 3));
    assert!(mailbox.try_reserve(entries(2)).is_some());
}

#[test]
fn what_is_sent_to_a_dropped_receiver_is_dropped_too() {
    let (mailbox, receiver) = mailbox(entries(4), Arc::new(Doorbell::new().unwrap()));
    let entry = Arc::new(());
    mailbox.try_reserve(entries(3)).unwrap().send(Arc::clone(&entry));
    let unsent = mailbox.try_reserve(entries(1)).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&entry), 1);
    unsent.send(Arc::clone(&entry));
    assert_eq!(Arc::strong_count(&entry), 1);
    assert!(mailbox.try_reserve(entries(4)).is_some(), "its room is back");
}

#[test]
fn no_two_connections_get_the_same_place() {
    const MAX: usize = 3;
    let quota = Quota::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if quota.try_acquire(MAX) {
                        assert!(quota.in_use() <= MAX);
                        quota.release();
                    }
                }
            });
        }
    });
    assert_eq!(quota.in_use(), 0);
    assert!((0..MAX).all(|_| quota.try_acquire(MAX)));
    assert!(!quota.try_acquire(MAX));
}

#[test]
fn exactly_one_party_of_a_countdown_is_the_last() {
    for _ in 0..1_000 {
        let countdown = Countdown::new(4);
        let last: usize = thread::scope(|scope| {
            let parties = [(); 4].map(|()| scope.spawn(|| usize::from(countdown.finish_one())));
            parties.into_iter().map(|party| party.join().unwrap()).sum()
        });
        assert_eq!(last, 1);
    }
}

#[test]
fn a_lane_keeps_order_between_two_threads_and_drops_what_is_left() {
    let (mut sender, mut receiver) = lane(8, 0);
    let counted = Arc::new(());
    let theirs = Arc::clone(&counted);
    let sending = thread::spawn(move || {
        for n in 0..200_000_u32 {
            let mut entry = (n, Arc::clone(&theirs));
            while let Err(back) = sender.try_push(entry) {
                entry = back;
                thread::yield_now();
            }
        }
    });
    for n in 0..199_990 {
        let entry = loop {
            match receiver.pop() {
                Some(entry) => break entry,
                None => thread::yield_now(),
            }
        };
        assert_eq!(entry.0, n);
    }
    // The last ten do not fit into the lane until two more are taken.
    (0..2).for_each(|_| while receiver.pop().is_none() {});
    sending.join().unwrap();
    assert_eq!(Arc::strong_count(&counted), 1 + 8);
    drop(receiver);
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn a_shared_value_goes_with_its_last_share_whoever_has_it() {
    for round in 0..2_000_u32 {
        let alive = Arc::new(());
        // Fewer prepared than are handed out, as many, or more.
        let share = PresplitArc::new(Arc::clone(&alive), round % 5);
        thread::scope(|scope| {
            for share in [share.split(), share.split()] {
                scope.spawn(move || assert!(Arc::strong_count(&share) >= 2));
            }
            drop(share);
        });
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

#[test]
fn a_heartbeat_tells_the_last_beat() {
    let heartbeat = Heartbeat::default();
    assert_eq!(heartbeat.last(), Time(0));
    heartbeat.beat(Time(7));
    assert_eq!(heartbeat.last(), Time(7));
}

#[test]
fn an_engine_that_drains_never_serves_again() {
    let stage = Stage::default();
    assert!(!stage.is_serving());
    stage.serve();
    assert!(stage.is_serving());
    stage.drain();
    stage.serve();
    assert!(!stage.is_serving());
}

/// One step of a lane.
#[derive(Clone, Debug)]
enum Step {
    Push,
    Reply,
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => Just(Step::Push), 1 => Just(Step::Reply), 3 => Just(Step::Pop)]
}

proptest! {
    #[test]
    fn a_lane_is_a_bounded_queue_with_a_reserve_for_replies(
        capacity in 1_usize..5,
        reserve in 0_usize..4,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let (mut sender, mut receiver) = lane(capacity, reserve);
        let mut model = std::collections::VecDeque::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push => {
                    let fits = model.len() < capacity;
                    prop_assert_eq!(sender.try_push(n), if fits { Ok(()) } else { Err(n) });
                    if fits {
                        model.push_back(n);
                    }
                }
                Step::Reply if model.len() < capacity + reserve => {
                    sender.push_reply(n);
                    model.push_back(n);
                }
                Step::Reply => {}
                Step::Pop => prop_assert_eq!(receiver.pop(), model.pop_front()),
            }
            prop_assert_eq!(receiver.is_empty(), model.is_empty());
        }
    }
}

use std::future::{pending, ready};
use std::task::Context;

use super::*;

#[test]
fn the_wait_that_is_longest_over_ends_first_and_the_others_last() {
    let (eviction, mut context) = (IdleEviction::default(), Context::from_waker(Waker::noop()));
    let mut lefts = [Duration::ZERO, Duration::ZERO, Duration::from_secs(3_600)];
    let mut waits = lefts.each_mut().map(|left| Box::pin(eviction.wait_for(left, pending::<()>())));
    assert_eq!(eviction.evict_one(), HANDSHAKE_PATIENCE, "nothing waits before its first poll");
    let mut over = || waits.each_mut().map(|wait| wait.as_mut().poll(&mut context).is_ready());
    assert_eq!(over(), [false; 3]);
    eviction.evict_one();
    assert_eq!(over(), [true, false, false]);
}

#[test]
fn a_wait_that_is_dropped_or_over_is_deregistered() {
    let (eviction, mut context) = (IdleEviction::default(), Context::from_waker(Waker::noop()));
    let mut left = Duration::ZERO;
    let mut cut = Box::pin(eviction.wait_for(&mut left, pending::<()>()));
    assert!(cut.as_mut().poll(&mut context).is_pending());
    assert_eq!(eviction.waits.borrow().len(), 1);
    drop(cut);
    let mut left = Duration::from_secs(1);
    let spoken = pin!(eviction.wait_for(&mut left, ready(7))).poll(&mut context);
    assert_eq!(spoken, Poll::Ready(Some(7)));
    assert!(left < Duration::from_secs(1) && eviction.waits.borrow().is_empty());
}

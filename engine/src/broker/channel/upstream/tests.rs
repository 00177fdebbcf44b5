use super::*;
use crate::config::Retention;
use crate::types::Epoch;

const EPOCH: Epoch = Epoch(1);

fn class() -> ChannelClass {
    ChannelClass::of(&[], Retention { frames: 10, ..Retention::default() })
}

fn since(seq: u64) -> Start {
    Start::Since { epoch: EPOCH, seq: Seq(seq), whole: false }
}

/// An upstream that was answered for a log that begins behind 50.
fn followed(log: &Log) -> Upstream {
    let mut upstream = Upstream::default();
    assert_eq!(upstream.prepare(log, &class(), Need::of(Start::Live, log)), Readiness::MustJoin);
    let (token, lack) = upstream.ask(Time(0)).unwrap();
    assert!(upstream.awaits(token) && lack == Lack::default());
    upstream.answered(Seq(50), 0);
    upstream
}

#[test]
fn the_order_is_asked_for_what_the_log_has_not_and_once_for_all() {
    let log = Log::new(EPOCH, Seq(50)).sparse(true);
    let mut upstream = followed(&log);
    let mut prepare = |start| upstream.prepare(&log, &class(), Need::of(start, &log));
    assert_eq!(prepare(since(50)), Readiness::Live);
    assert_eq!(prepare(since(40)), Readiness::MustJoin);
    // Needs that come before it is asked are taken along.
    assert_eq!(prepare(since(30)), Readiness::Waiting);
    let (token, lack) = upstream.ask(Time(0)).unwrap();
    assert_eq!(lack, Lack { since: Some(Seq(30)), last: 0 });
    let mut prepare = |start| upstream.prepare(&log, &class(), Need::of(start, &log));
    assert_eq!(prepare(since(35)), Readiness::Waiting);
    // An older position is a new question.
    assert_eq!(prepare(since(20)), Readiness::MustJoin);
    assert!(!upstream.awaits(token));
    assert_eq!(upstream.ask(Time(0)).unwrap().1.since, Some(Seq(20)));
    // It has nothing before 25: no question asks for that again.
    upstream.answered(Seq(25), 3);
    let mut prepare = |start| upstream.prepare(&log, &class(), Need::of(start, &log));
    assert_eq!(prepare(since(10)), Readiness::MustJoin);
    assert_eq!(upstream.ask(Time(0)).unwrap().1.since, Some(Seq(25)));
}

#[test]
fn a_position_that_this_engine_has_not_reached_may_be_another_one_s() {
    let log = Log::new(EPOCH, Seq(50)).sparse(true);
    let mut upstream = followed(&log);
    let need = Need::of(since(60), &log);
    assert_eq!(upstream.prepare(&log, &class(), need), Readiness::MustJoin);
    assert_eq!(upstream.ask(Time(0)).unwrap().1.since, Some(Seq(60)));
}

#[test]
fn an_answer_is_not_waited_for_for_ever() {
    let log = Log::new(EPOCH, Seq(0)).sparse(true);
    let mut upstream = Upstream::default();
    let need = Need::of(Start::Last(3), &log);
    assert_eq!(upstream.prepare(&log, &class(), need), Readiness::MustJoin);
    upstream.wait(OperationId(4));
    assert!(!upstream.is_late(Time(u64::MAX)), "it was not asked yet");
    let (token, lack) = upstream.ask(Time(0)).unwrap();
    assert_eq!(lack, Lack { since: None, last: 3 });
    assert!(!upstream.is_late(Time(0)) && upstream.is_late(Time(0) + UPSTREAM_PATIENCE));
    assert_eq!(upstream.unanswered().operations, [OperationId(4)]);
    assert!(!upstream.awaits(token) && !upstream.is_followed());
}

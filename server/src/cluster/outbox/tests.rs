use super::*;

const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn outbox() -> (Outbox<u32>, Arc<str>) {
    (Outbox::new("node".into()), "s.a".into())
}

fn push(outbox: &mut Outbox<u32>, channel: &Arc<str>, id: Option<&str>, of: u32) {
    let data = Bytes::from(format!("{of}"));
    outbox.push(at(0), channel, (data, id), of).expect("there is room");
}

fn attempts(outbox: &mut Outbox<u32>, now: Duration) -> Vec<Attempt> {
    std::iter::from_fn(|| outbox.poll_attempt(now)).collect()
}

fn ended(outbox: &mut Outbox<u32>) -> Vec<(u32, Ended)> {
    std::iter::from_fn(|| outbox.poll_ended()).collect()
}

#[test]
fn what_waits_for_an_acknowledgement_goes_together_and_is_numbered_in_order() {
    let (mut outbox, channel) = outbox();
    push(&mut outbox, &channel, None, 1);
    let first = attempts(&mut outbox, at(0));
    assert_eq!(first[0].data, "1");
    (2..5).for_each(|of| push(&mut outbox, &channel, None, of));
    assert!(attempts(&mut outbox, at(1)).is_empty(), "one without an acknowledgement");
    outbox.handle_outcome(at(1), first[0].id, Outcome::Stored(7));
    assert_eq!(ended(&mut outbox), [(1, Ended::Stored(7 * 256))]);
    let second = attempts(&mut outbox, at(2));
    assert_eq!(second[0].data, "2\x1e3\x1e4");
    assert_ne!(first[0].message_id, second[0].message_id);
    outbox.handle_outcome(at(3), second[0].id, Outcome::Stored(9));
    let places = [(2, 2302), (3, 2303), (4, 2304)].map(|(of, seq)| (of, Ended::Stored(seq)));
    assert_eq!(ended(&mut outbox), places);
    assert_eq!((outbox.len(), outbox.attempts.len()), (0, 0));
}

#[test]
fn a_publication_with_an_id_goes_alone_with_that_id() {
    let (mut outbox, channel) = outbox();
    push(&mut outbox, &channel, Some("mine"), 1);
    push(&mut outbox, &channel, None, 2);
    let first = attempts(&mut outbox, at(0));
    assert_eq!((&*first[0].message_id, &*first[0].data), ("s.a mine", &b"1"[..]));
}

#[test]
fn channels_do_not_wait_for_each_other() {
    let (mut outbox, channel) = outbox();
    let other: Arc<str> = "s.b".into();
    push(&mut outbox, &channel, None, 1);
    push(&mut outbox, &other, None, 2);
    assert_eq!(attempts(&mut outbox, at(0)).len(), 2);
}

#[test]
fn what_is_not_acknowledged_is_sent_again_with_the_same_id() {
    let (mut outbox, channel) = outbox();
    push(&mut outbox, &channel, None, 1);
    let first = attempts(&mut outbox, at(0));
    let late = ACK_PATIENCE + at(1);
    assert!(attempts(&mut outbox, late).is_empty(), "it waits before it is sent again");
    let again = attempts(&mut outbox, late + PUBLISH_RETRY);
    assert_eq!(again[0].message_id, first[0].message_id);
    assert_ne!(again[0].id, first[0].id);
    // The answer to the first attempt is as good.
    outbox.handle_outcome(late + at(100), first[0].id, Outcome::Stored(3));
    assert_eq!(ended(&mut outbox), [(1, Ended::Stored(768))]);
    outbox.handle_outcome(late + at(101), again[0].id, Outcome::Stored(3));
    assert_eq!(ended(&mut outbox), [], "it has ended already");
}

/// How long after an attempt the next one is made, if nothing is heard of it.
fn patience(outbox: &mut Outbox<u32>, from: Duration) -> Duration {
    let again = (1..3_000).map(at).find(|after| !attempts(outbox, from + *after).is_empty());
    again.expect("another attempt")
}

#[test]
fn who_says_nothing_is_asked_again_soon_and_then_less_often() {
    let (mut outbox, channel) = outbox();
    push(&mut outbox, &channel, None, 1);
    assert_eq!(attempts(&mut outbox, at(0)).len(), 1);
    let mut now = at(0);
    for (acknowledgement, pause) in [(250, 50), (500, 100), (1_000, 200), (2_000, 400)] {
        let waited = patience(&mut outbox, now);
        assert_eq!(waited, at(acknowledgement + pause));
        now += waited;
    }
}

#[test]
fn a_stream_that_is_slow_gets_nothing_twice_for_that() {
    let (mut outbox, channel) = outbox();
    let mut now = at(0);
    let mut sent_twice = 0;
    for of in 0..20 {
        push(&mut outbox, &channel, None, of);
        let first = attempts(&mut outbox, now);
        let again = (1..=320).map(|after| attempts(&mut outbox, now + at(after)).len());
        sent_twice += again.sum::<usize>();
        outbox.handle_outcome(now + at(330), first[0].id, Outcome::Stored(1));
        now += at(400);
    }
    assert_eq!(sent_twice, 2, "until it is known that the stream is slow");
    push(&mut outbox, &channel, None, 20);
    assert_eq!(attempts(&mut outbox, now).len(), 1);
    assert!(patience(&mut outbox, now) > at(1_200));
}

/// Goes on until the stream has been given up.
fn give_up(outbox: &mut Outbox<u32>, answer: Option<Outcome>) -> Vec<(u32, Ended)> {
    let mut now = at(0);
    while now < PUBLISH_PATIENCE + ACK_PATIENCE_MAX + PUBLISH_RETRY_MAX + at(100) {
        for attempt in attempts(outbox, now) {
            answer.iter().for_each(|answer| outbox.handle_outcome(now, attempt.id, *answer));
        }
        now += at(10);
    }
    ended(outbox)
}

#[test]
fn a_publication_that_was_always_refused_is_not_stored() {
    let (mut outbox, channel) = outbox();
    push(&mut outbox, &channel, None, 1);
    assert_eq!(give_up(&mut outbox, Some(Outcome::Refused)), [(1, Ended::NotStored)]);
}

#[test]
fn a_publication_that_was_never_answered_has_an_unknown_outcome() {
    let (mut outbox, channel) = outbox();
    push(&mut outbox, &channel, None, 1);
    assert_eq!(give_up(&mut outbox, None), [(1, Ended::Unknown)]);
    assert_eq!(outbox.attempts.len(), 0);
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let (mut outbox, channel) = outbox();
    let large = Bytes::from(vec![b'x'; OUTBOX_BYTES / 2]);
    for of in 0..2 {
        outbox.push(at(0), &channel, (large.clone(), None), of).expect("there is room");
    }
    assert_eq!(outbox.push(at(0), &channel, (Bytes::from("x"), None), 2), Err(2));
}

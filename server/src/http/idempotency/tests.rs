use super::*;

fn claim(repeats: &IdempotencyTable, id: &str, now: Instant) -> Claim {
    repeats.claim(ChannelName::parse("c").unwrap(), id.into(), now)
}

fn first(repeats: &IdempotencyTable, id: &str, now: Instant) -> Reservation {
    match claim(repeats, id, now) {
        Claim::New(first) => first,
        other => panic!("{id} is not new: {other:?}"),
    }
}

#[test]
fn a_repeat_is_known_within_the_window_and_forgotten_after_it() {
    let (repeats, start) = (IdempotencyTable::default(), Instant::now());
    first(&repeats, "a", start).settle(Ok(Seq(7)));
    let late = start + REPEAT_WINDOW;
    let just = late - std::time::Duration::from_millis(1);
    assert!(matches!(claim(&repeats, "a", just), Claim::Known(Seq(7))));
    first(&repeats, "a", late).settle(Ok(Seq(8)));
    let elsewhere = repeats.claim(ChannelName::parse("d").unwrap(), "a".into(), late);
    assert!(matches!(elsewhere, Claim::New(_)), "an id is of its channel");
}

#[tokio::test]
async fn who_asks_meanwhile_is_told_with_the_first() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    let publishing = first(&repeats, "a", now);
    let Claim::Pending(waiting) = claim(&repeats, "a", now) else { panic!("not known") };
    publishing.settle(Ok(Seq(3)));
    assert_eq!(waiting.result().await, Ok(Seq(3)));
}

#[tokio::test]
async fn a_message_that_was_lost_or_given_up_may_be_published_again() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    first(&repeats, "a", now).settle(Err(PublishError::Closed));
    let given_up = first(&repeats, "a", now);
    let Claim::Pending(waiting) = claim(&repeats, "a", now) else { panic!("not known") };
    drop(given_up);
    assert!(matches!(waiting.result().await, Err(PublishError::Saturated)));
    first(&repeats, "a", now).settle(Ok(Seq(1)));
}

#[test]
fn the_table_holds_so_many_and_the_oldest_go() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    for i in 0..=MAX_REPEATS {
        first(&repeats, &i.to_string(), now).settle(Ok(Seq(i as u64)));
    }
    let table = repeats.0.lock();
    assert_eq!((table.entries.len(), table.order.len()), (MAX_REPEATS, MAX_REPEATS));
    drop(table);
    assert!(matches!(claim(&repeats, "1", now), Claim::New(_)), "0 and then 1 had to go");
    let last = MAX_REPEATS.to_string();
    assert!(matches!(claim(&repeats, &last, now), Claim::Known(_)));
}

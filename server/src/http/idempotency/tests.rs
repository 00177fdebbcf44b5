use super::*;

use crate::limits::{MAX_REPEATS, REPEAT_WINDOW};

fn owner(key: &str, service: u8) -> Owner<'_> {
    Owner { key, service: ServiceId(service) }
}

fn claim_as(repeats: &IdempotencyTable, owner: Owner<'_>, id: &str, now: Instant) -> Claim {
    repeats.claim(owner, &ChannelName::parse("c").unwrap(), id.into(), now)
}

fn claim(repeats: &IdempotencyTable, id: &str, now: Instant) -> Claim {
    claim_as(repeats, owner("", 0), id, now)
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
    let elsewhere =
        repeats.claim(owner("", 0), &ChannelName::parse("d").unwrap(), "a".into(), late);
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

#[tokio::test]
async fn who_waits_for_one_that_is_evicted_is_told() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    let _publishing = first(&repeats, "a", now);
    let Claim::Pending(waiting) = claim(&repeats, "a", now) else { panic!("not known") };
    (0..MAX_REPEATS).for_each(|id| first(&repeats, &id.to_string(), now).settle(Ok(Seq(1))));
    assert_eq!(waiting.result().await, Err(PublishError::Unknown));
}

#[test]
fn who_was_evicted_changes_nothing_of_the_id_in_its_place() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    let [settled, dropped] = ["a", "b"].map(|id| first(&repeats, id, now));
    (0..MAX_REPEATS).for_each(|id| first(&repeats, &id.to_string(), now).settle(Ok(Seq(1))));
    settled.settle(Ok(Seq(2)));
    drop(dropped);
    for id in 0..MAX_REPEATS {
        assert!(matches!(claim(&repeats, &id.to_string(), now), Claim::Known(Seq(1))), "{id}");
    }
}

#[test]
fn names_that_are_one_text_together_are_different() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    for (channel, id) in [("ab", "c"), ("a", "bc")] {
        let channel = ChannelName::parse(channel).unwrap();
        let claim = || repeats.claim(owner("", 0), &channel, id.into(), now);
        let Claim::New(new) = claim() else { panic!("{id} is new in {channel}") };
        new.settle(Ok(Seq(1)));
        assert!(matches!(claim(), Claim::Known(Seq(1))));
    }
}

#[test]
fn the_table_holds_so_many_and_the_oldest_go() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    for i in 0..=MAX_REPEATS {
        first(&repeats, &i.to_string(), now).settle(Ok(Seq(i as u64)));
    }
    let table = repeats.0.lock();
    assert_eq!([table.len(), table.chains[0].length], [MAX_REPEATS; 2]);
    drop(table);
    assert!(matches!(claim(&repeats, "1", now), Claim::Known(_)), "a repeat evicts nothing");
    assert!(matches!(claim(&repeats, "0", now), Claim::New(_)), "the oldest had to go");
    let last = MAX_REPEATS.to_string();
    assert!(matches!(claim(&repeats, &last, now), Claim::Known(_)));
}

#[test]
fn ids_belong_to_a_key_and_a_service() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    for owner in [owner("ci", 0), owner("other", 0), owner("ci", 1)] {
        let Claim::New(new) = claim_as(&repeats, owner, "a", now) else { panic!("{owner:?}") };
        new.settle(Ok(Seq(1)));
        assert!(matches!(claim_as(&repeats, owner, "a", now), Claim::Known(_)), "{owner:?}");
    }
}

#[test]
fn one_owner_s_ids_evict_no_other_s_share() {
    let (repeats, now) = (IdempotencyTable::default(), Instant::now());
    let (small, large) = (owner("small", 0), owner("large", 0));
    let publish =
        |owner: Owner<'_>, id: usize| match claim_as(&repeats, owner, &id.to_string(), now) {
            Claim::New(new) => new.settle(Ok(Seq(1))),
            other => panic!("{id} of {owner:?} is not new: {other:?}"),
        };
    let is_known = |owner: Owner<'_>, id: usize| {
        matches!(claim_as(&repeats, owner, &id.to_string(), now), Claim::Known(_))
    };
    (0..100).for_each(|id| publish(small, id));
    (0..2 * MAX_REPEATS).for_each(|id| publish(large, id));
    assert!((0..100).all(|id| is_known(small, id)));
    // The other one gets its half in turn, and not more.
    (100..MAX_REPEATS).for_each(|id| publish(small, id));
    assert!(is_known(small, MAX_REPEATS / 2 + 2) && !is_known(small, 0));
    assert!(is_known(large, 3 * MAX_REPEATS / 2 + 2));
    // The claim of the one that is gone took a place, and gave it up.
    assert_eq!(repeats.0.lock().len(), MAX_REPEATS - 1);
}

#[test]
fn what_others_have_left_behind_goes_first() {
    let (repeats, start) = (IdempotencyTable::default(), Instant::now());
    let (old, new) = (owner("old", 0), owner("new", 0));
    let publish = |owner: Owner<'_>, id: usize, now| {
        if let Claim::New(new) = claim_as(&repeats, owner, &id.to_string(), now) {
            new.settle(Ok(Seq(1)));
        }
    };
    (0..MAX_REPEATS / 2).for_each(|id| publish(old, id, start));
    let late = start + REPEAT_WINDOW;
    (0..MAX_REPEATS).for_each(|id| publish(new, id, late));
    assert!(matches!(claim_as(&repeats, new, "0", late), Claim::Known(_)));
}

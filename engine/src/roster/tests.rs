use super::*;

const LATER: Time = Time(PRESENCE_LINGER_NS);
const PRESENCE_LINGER_NS: u64 = 10_000_000_000;

fn user(name: &str) -> Member {
    Member::User(name.into())
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn changes(roster: &mut Roster, now: Time) -> Vec<RosterChange> {
    std::iter::from_fn(|| roster.next_change(now)).collect()
}

#[test]
fn a_user_is_one_member_over_all_connections() {
    let mut roster = Roster::default();
    roster.enter(id(1), Some("ann".into()));
    roster.enter(id(2), Some("ann".into()));
    roster.enter(id(3), None);
    let told = changes(&mut roster, Time(0));
    assert_eq!(
        told,
        [RosterChange::Join(user("ann")), RosterChange::Join(Member::Connection(id(3)))]
    );
    assert_eq!((roster.count(), roster.connections()), (2, 3));
    assert_eq!(roster.leave(id(1), true, LATER), None, "another connection is there");
    assert!(changes(&mut roster, Time(0)).is_empty());
    assert_eq!(roster.leave(id(3), true, LATER), None, "no connection comes back");
    let left = changes(&mut roster, Time(0));
    assert_eq!(left, [RosterChange::Leave(Member::Connection(id(3)))]);
}

#[test]
fn a_user_who_comes_back_in_time_has_not_left() {
    let mut roster = Roster::default();
    roster.enter(id(1), Some("ann".into()));
    changes(&mut roster, Time(0));
    let gone = roster.leave(id(1), true, LATER).expect("it was the last connection");
    assert!(changes(&mut roster, Time(1)).is_empty());
    let shown = Present { member: user("ann"), connections: 0 };
    assert_eq!(roster.members(), Some(vec![shown]));
    roster.enter(id(2), Some("ann".into()));
    roster.expire(&gone, LATER);
    assert!(changes(&mut roster, LATER).is_empty(), "neither leave nor join");
    assert_eq!(roster.leave(id(2), true, Time(2 * LATER.0)), Some(gone.clone()));
    roster.expire(&gone, LATER);
    assert!(changes(&mut roster, LATER).is_empty(), "an earlier leave's time is not this one's");
    roster.expire(&gone, Time(2 * LATER.0));
    assert_eq!(changes(&mut roster, Time(2 * LATER.0)), [RosterChange::Leave(gone)]);
    assert!(roster.is_empty());
}

#[test]
fn a_connection_that_leaves_and_comes_back_is_told_of_once() {
    let mut roster = Roster::default();
    roster.enter(id(1), None);
    changes(&mut roster, Time(0));
    let gone = roster.leave(id(1), false, LATER).expect("it may come back");
    for _ in 0..9 {
        roster.enter(id(1), None);
        assert_eq!(roster.leave(id(1), false, Time(LATER.0 + 5)), None, "it is awaited already");
    }
    assert!(changes(&mut roster, Time(1)).is_empty());
    assert_eq!(roster.expire(&gone, LATER), Some(Time(LATER.0 + 5)), "it left again");
    assert!(changes(&mut roster, LATER).is_empty());
    assert_eq!(roster.expire(&gone, Time(LATER.0 + 5)), None);
    assert_eq!(changes(&mut roster, Time(LATER.0 + 5)), [RosterChange::Leave(gone)]);
}

#[test]
fn who_comes_and_goes_unseen_is_not_told_of() {
    let mut roster = Roster::default();
    roster.enter(id(1), Some("ann".into()));
    assert_eq!(roster.leave(id(1), true, LATER), None);
    assert!(changes(&mut roster, Time(0)).is_empty());
    assert!(roster.is_empty());
    assert_eq!(roster.leave(id(7), true, LATER), None, "it was never there");
}

#[test]
fn many_are_counted_and_named_again_when_they_are_few() {
    let mut roster = Roster::default();
    let most = PRESENCE_NAMED as u128;
    (0..=most).for_each(|n| assert!(roster.enter(id(n), None)));
    assert_eq!(changes(&mut roster, Time(0)), [RosterChange::Count]);
    assert_eq!((roster.count(), roster.members()), (PRESENCE_NAMED + 1, None));
    roster.enter(id(most + 1), None);
    assert!(changes(&mut roster, Time(1)).is_empty(), "it was counted just now");
    let due = roster.next_count().expect("it is counted again");
    assert_eq!(due, Time(0) + PRESENCE_COUNTS);
    assert_eq!(changes(&mut roster, due), [RosterChange::Count]);
    assert_eq!(roster.next_count(), None, "nothing has changed since");
    for n in 0..=most {
        roster.leave(id(n), true, LATER);
    }
    assert_eq!(changes(&mut roster, due), [RosterChange::List]);
    assert_eq!(roster.members().map(|all| all.len()), Some(1));
    roster.leave(id(most + 1), true, LATER);
    let left = changes(&mut roster, due);
    assert_eq!(left, [RosterChange::Leave(Member::Connection(id(most + 1)))]);
}

#[test]
fn who_was_told_something_unknown_is_told_who_is_there() {
    let mut roster = Roster::default();
    roster.enter(id(1), Some("ann".into()));
    roster.enter(id(2), None);
    changes(&mut roster, Time(0));
    let ann = roster.leave(id(1), true, LATER).expect("she may come back");
    roster.leave(id(2), true, LATER);
    roster.enter(id(3), Some("bob".into()));
    assert_eq!(roster.tell_anew(), RosterChange::List);
    let all = roster.members().expect("they are few");
    let all: Vec<_> = all.into_iter().map(|present| present.member).collect();
    assert_eq!(all, [user("ann"), user("bob")], "one that may come back is there");
    assert!(changes(&mut roster, Time(1)).is_empty(), "all is told");
    roster.expire(&ann, LATER);
    assert_eq!(changes(&mut roster, LATER), [RosterChange::Leave(ann)]);
}

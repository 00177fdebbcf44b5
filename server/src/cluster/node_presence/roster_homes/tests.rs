use uringcast_engine::RosterChange;
use uuid::Uuid;

use super::*;
use crate::cluster::node_presence::node_message::{Report, Reports};

const HERE: NodeId = NodeId(1);
const THERE: NodeId = NodeId(2);
const NOW: Duration = Duration::from_secs(100);

fn entered(connection: u128, user: &str) -> Report {
    Report::Entered("_.room".into(), Uuid::from_u128(connection), Some(user.into()))
}

fn left(connection: u128) -> Report {
    Report::Left("_.room".into(), Uuid::from_u128(connection), true)
}

/// Another node tells this one, whatever the channel's home is, and all that has changed is told.
fn tell(homes: &mut Homes, number: u64, reports: Vec<Report>) -> Vec<RosterChange> {
    tell_by(THERE, homes, number, reports)
}

fn tell_by(
    from: NodeId,
    homes: &mut Homes,
    number: u64,
    reports: Vec<Report>,
) -> Vec<RosterChange> {
    let mut members = Members::new(HERE);
    members.begin(NOW);
    let (session, is_new, whole) = (1, true, None);
    let reports = Reports { from, session, number, is_new, whole, reports };
    assert_eq!(homes.handle_reports(NOW, &members, reports), Received::Known);
    let tellings = homes.poll_tellings(NOW, &members, true);
    for telling in &tellings {
        homes.handle_told(NOW, telling.id, Some(Seq(number + 1)));
    }
    tellings.into_iter().map(|telling| telling.change).collect()
}

fn names(homes: &Homes) -> Vec<String> {
    let list = homes.rosters["_.room"].list(Epoch(7));
    let name = |member: Member| match member {
        Member::User(user) => user.to_string(),
        Member::Connection(id) => id.to_string(),
    };
    list.members.unwrap().into_iter().map(|present| name(present.member)).collect()
}

#[test]
fn subscribers_beyond_the_bound_are_counted_and_others_are_there_as_before() {
    let mut homes = Homes::new(2);
    tell(&mut homes, 0, vec![entered(1, "ann"), entered(2, "bob"), entered(3, "eve")]);
    assert_eq!((names(&homes), homes.refused), (vec!["ann".into(), "bob".into()], 1));
    // A connection that is not there cannot leave, or take others along.
    assert_eq!(tell(&mut homes, 1, vec![left(3), entered(4, "eve")]), []);
    assert_eq!((names(&homes), homes.refused), (vec!["ann".into(), "bob".into()], 2));
    // A user lingers, and his connection has made room.
    assert_eq!(tell(&mut homes, 2, vec![left(1)]), []);
    let eve = RosterChange::Join(Member::User("eve".into()));
    assert_eq!(tell(&mut homes, 3, vec![entered(5, "eve")]), [eve]);
    assert_eq!((names(&homes), homes.refused), (vec!["ann".into(), "bob".into(), "eve".into()], 2));
    homes.forget(NOW, THERE);
    assert_eq!(homes.connections, 0);
}

#[test]
fn at_the_bound_a_subscriber_may_become_another_user() {
    let mut homes = Homes::new(1);
    tell(&mut homes, 0, vec![entered(1, "ann")]);
    let bob = RosterChange::Join(Member::User("bob".into()));
    assert!(tell(&mut homes, 1, vec![entered(1, "bob")]).contains(&bob));
    assert_eq!((homes.refused, homes.connections), (0, 1));
}

#[test]
fn what_comes_late_of_a_node_that_was_handed_over_takes_nobody_along() {
    let mut homes = Homes::new(10);
    tell(&mut homes, 0, vec![entered(1, "ann")]);
    // The node that goes on with the connection tells of it first.
    let bob = RosterChange::Join(Member::User("bob".into()));
    assert!(tell_by(HERE, &mut homes, 0, vec![entered(2, "bob")]).contains(&bob));
    assert_eq!(tell(&mut homes, 1, vec![entered(2, "bob")]), []);
    homes.forget(NOW, THERE);
    assert_eq!(homes.connections, 1);
    // The node that has the connection ends it, also where both nodes told of it.
    tell(&mut homes, 0, vec![entered(2, "bob")]);
    assert_eq!(homes.connections, 1);
    tell_by(HERE, &mut homes, 1, vec![left(2)]);
    assert_eq!(homes.connections, 0);
    homes.forget(NOW, THERE);
    assert_eq!(homes.connections, 0);
}

//! Connections that go over early.

use super::samples::{connection, name, sample, subscription};
use super::*;
use crate::handover::{Early, EarlyBook, EarlySubscription};

/// A connection in a slot of shard 1, with a channel.
fn early(slot: u32) -> Connection {
    let mut connection = connection(1, slot);
    connection.subscriptions = vec![subscription("news", 1)];
    connection
}

fn divide(state: State, early: Vec<Connection>) -> Result<Vec<Part>, HandoverError> {
    let early = vec![Early { shard: ShardId(0), connections: early }];
    let (book, parts) = EarlyBook::divide(early, 2, 1)?;
    assert!(parts.iter().flatten().all(|connection| connection.subscriptions.is_empty()));
    state.divide(2, book)
}

/// The slots of those that have the channel, and what they were handed of it.
fn subscribed(part: &Part) -> Vec<(u32, Option<Seq>)> {
    let place = part.channels.iter().position(|placed| placed.channel.name == name("news"));
    let place = place.expect("it is needed here") as u32;
    let one = |of: &EarlySubscription| {
        assert_eq!(of.channel, place);
        (of.slot, of.handed)
    };
    part.early.iter().map(one).collect()
}

#[test]
fn they_have_all_of_their_channels() {
    let parts = divide(sample(), vec![early(70), early(60)]).unwrap();
    assert_eq!(subscribed(&parts[1]), [(60, None), (70, None)]);
    assert!(parts[0].early.is_empty() && parts[1].retracted.is_empty());
}

#[test]
fn what_their_shard_lacked_they_are_still_to_have() {
    let mut state = sample();
    state.shards[0].heads = vec![(name("news"), Seq(3))];
    // A shard that none of them was on.
    state.shards[1].heads = vec![(name("news"), Seq(2))];
    let parts = divide(state, vec![early(60)]).unwrap();
    assert_eq!(subscribed(&parts[1]), [(60, Some(Seq(3)))]);
    let news = parts[1].channels.iter().find(|placed| placed.channel.name == name("news"));
    assert_eq!(news.unwrap().channel.frames.last().map(|frame| frame.seq), Some(Seq(4)));
}

#[test]
fn those_that_have_ended_or_changed_are_taken_back() {
    let mut state = sample();
    state.shards[0].ended = vec![(ShardId(1), 60)];
    let mut changed = early(70);
    changed.awaits_pong = true;
    state.shards[0].connections.push(changed);
    state.shards[0].sealed = vec![(ShardId(1), 80, 9)];
    let parts = divide(state, vec![early(60), early(70), early(80)]).unwrap();
    assert_eq!(subscribed(&parts[1]), [(80, None)]);
    let mut retracted = parts[1].retracted.clone();
    retracted.sort_unstable();
    assert_eq!(retracted, [60, 70]);
    assert!(parts[1].connections.iter().any(|one| one.socket.slot == 70 && one.awaits_pong));
    assert_eq!(parts[1].sealed, [(80, 9)]);
}

#[test]
fn contradictions_about_them_are_refused() {
    let refused = |why: &'static str, spoil: fn(&mut State, &mut Vec<Connection>)| {
        let (mut state, mut all) = (sample(), vec![early(60)]);
        spoil(&mut state, &mut all);
        assert_eq!(divide(state, all).unwrap_err(), HandoverError::Malformed(why));
    };
    refused("a slot is taken twice", |_, all| all.push(early(60)));
    refused("a shard that is not there", |_, all| all[0].socket.shard = ShardId(2));
    refused("a shard that is not there", |state, _| {
        state.shards[0].sealed = vec![(ShardId(2), 60, 1)];
    });
    refused("a service that is not there", |_, all| {
        all[0].service = crate::types::ServiceId(1);
        all[0].subscriptions.clear();
    });
    refused("a subscription", |_, all| {
        let twice = all[0].subscriptions[0].clone();
        all[0].subscriptions.push(twice);
    });
    refused("a subscription", |_, all| all[0].subscriptions[0].channel = name("nowhere"));
    refused("a connection that ended twice", |state, _| {
        state.shards[0].ended = vec![(ShardId(1), 60), (ShardId(1), 60)];
    });
    refused("a connection that ended twice", |state, _| {
        state.shards[0].ended = vec![(ShardId(7), 60)];
    });
    refused("a connection that must not go early", |_, all| all[0].skipped = (1, 0));
    refused("a connection that must not go early", |_, all| all[0].patterns = vec!["a".into()]);
    refused("a connection that must not go early", |_, all| {
        all[0].session.waiting = vec![Waiting::Close(1000)];
    });
}

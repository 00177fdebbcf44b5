//! The format: round trips, every damage, and what versions promise each other.

mod early;
mod samples;
mod versions;

use proptest::prelude::*;

use super::*;
use crate::shared_frame::Frame;
use crate::tests::fuzz_bodies;
use crate::types::{ChannelName, Seq, ShardId, Time};
use samples::{frame, name};
pub(crate) use samples::{sample, some_state};

/// Places of a state, and bits to be changed there.
#[derive(Debug)]
struct Changes(Vec<(u32, u8)>);

impl Arbitrary for Changes {
    type Parameters = ();
    type Strategy = BoxedStrategy<Changes>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Changes> {
        prop::collection::vec(any::<(u32, u8)>(), 1..60).prop_map(Changes).boxed()
    }
}

/// What a state says, in an order that does not depend on how it was made.
fn text(state: &State) -> String {
    format!("{state:?}")
}

proptest! {
    #[test]
    fn a_state_is_read_as_it_was_written(seed: u64) {
        let state = some_state(&mut fastrand::Rng::with_seed(seed));
        let bytes = state.encode();
        let read = State::decode(&bytes).unwrap();
        prop_assert_eq!(text(&read), text(&state));
        prop_assert_eq!(&*read.encode(), &*bytes);
    }

    #[test]
    fn a_state_that_is_cut_or_changed_is_an_error(seed: u64, changes: Changes) {
        let bytes = some_state(&mut fastrand::Rng::with_seed(seed)).encode();
        for (place, change) in changes.0 {
            let place = place as usize % bytes.len();
            prop_assert!(State::decode(&bytes[..place]).is_err(), "cut at {}", place);
            let mut changed = bytes.clone();
            changed[place] ^= change.max(1);
            prop_assert!(State::decode(&changed).is_err(), "changed at {}", place);
        }
    }

    /// The checksums are right, and the content is anything: an error at worst.
    #[test]
    fn what_a_liar_writes_is_an_error_at_worst(seed: u64, changes: Changes) {
        let bytes = some_state(&mut fastrand::Rng::with_seed(seed)).encode();
        for change in changes.0.chunks(3) {
            let mut forged = bytes.to_vec();
            for (place, change) in change {
                let len = forged.len();
                forged[*place as usize % len] ^= change;
            }
            fuzz_bodies::handover_state(&forged);
        }
    }

    #[test]
    fn a_divided_state_has_everything_once(seed: u64, shards in 1_usize..6) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut state = some_state(&mut rng);
        let all = state.shards.iter_mut().flat_map(|shard| &mut shard.connections);
        for (slot, connection) in all.enumerate() {
            connection.socket.shard = ShardId((slot % shards) as u8);
            connection.socket.slot = slot as u32;
        }
        // Tests of their own have these.
        state.early.clear();
        state.shards.iter_mut().for_each(|shard| shard.ended.clear());
        check_division(state, shards);
    }
}

/// Every channel is at one home, and wherever it has subscribers, with all that they need.
fn check_division(state: State, shards: usize) {
    let homes = state.engine.homes(shards);
    let heads: Vec<(ChannelName, Seq, bool)> = state
        .shards
        .iter()
        .flat_map(|shard| &shard.channels)
        .map(|channel| (channel.name.clone(), channel.head, channel.is_published))
        .collect();
    let connections: usize = state.shards.iter().map(|shard| shard.connections.len()).sum();
    let parts = state.divide(shards, EarlyBook::default()).unwrap();
    assert_eq!(parts.iter().map(|part| part.connections.len()).sum::<usize>(), connections);
    let find = |part: &Part, name: &ChannelName| {
        part.channels.iter().position(|placed| placed.channel.name == *name)
    };
    for (name, head, is_published) in heads {
        let home = homes.of(&name);
        let here = &parts[home.index()];
        let subscribers = parts.iter().flat_map(|part| &part.connections);
        let mut subscriptions = subscribers.flat_map(|connection| &connection.subscriptions);
        let is_used = is_published || subscriptions.any(|of| of.channel == name);
        let Some(slot) = find(here, &name) else {
            assert!(!is_used && here.floor >= head);
            continue;
        };
        assert!(is_used);
        let PlacedChannel { channel: ours, role, .. } = &here.channels[slot];
        let PlacedRole::Home(served) = role else { panic!("{name} twice") };
        for (part, shard) in parts.iter().zip(0..) {
            let of_part = part.connections.iter().flat_map(|connection| &connection.subscriptions);
            let oldest = of_part.filter(|of| of.channel == name).map(|of| of.handed).min();
            let slot = find(part, &name);
            let is_served = served.contains(&(ShardId(shard), slot.unwrap_or(0) as u32));
            assert_eq!(oldest.is_some() && ShardId(shard) != home, is_served);
            let (Some(oldest), Some(slot)) = (oldest, slot) else { continue };
            let theirs = &part.channels[slot].channel;
            let needed = |frames: &[Frame]| -> Vec<Seq> {
                frames.iter().map(|frame| frame.seq).filter(|seq| *seq > oldest).collect()
            };
            assert_eq!(needed(&theirs.frames), needed(&ours.frames));
            assert_eq!(theirs.head, ours.head);
        }
    }
}

/// Every byte and every length, of a small state.
#[test]
fn no_byte_can_be_missing_or_wrong() {
    let bytes = sample().encode();
    for place in 0..bytes.len() {
        assert!(State::decode(&bytes[..place]).is_err(), "cut at {place}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            assert!(State::decode(&changed).is_err(), "bit {bit} of byte {place}");
        }
    }
    assert!(State::decode(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", sample());
    assert!(printed.contains("SecretBytes(…)"));
    for secret in ["traffic secret", "token of a client", "ticket key"] {
        let as_list = format!("{:?}", secret.as_bytes());
        assert!(!printed.contains(secret) && !printed.contains(&as_list), "{secret}");
    }
    assert!(!printed.contains("81985529216486895"), "the key of homes");
}

#[test]
fn contradictions_are_refused() {
    let refused = |why: &'static str, spoil: fn(&mut State)| {
        let mut state = sample();
        spoil(&mut state);
        let read = State::decode(&state.encode()).expect("it can be read");
        assert_eq!(
            read.divide(2, EarlyBook::default()).unwrap_err(),
            HandoverError::Malformed(why)
        );
    };
    refused("a log has a hole", |state| drop(state.shards[0].channels[0].frames.remove(1)));
    refused("a log has a hole", |state| state.shards[0].channels[0].head = Seq(9));
    refused("a log has a hole", |state| {
        let kept = frame(8, 8, None);
        state.shards[0].channels[0].kept.push(kept);
    });
    refused("a channel with two homes", |state| {
        let mut again = sample().shards.swap_remove(0).channels.swap_remove(0);
        (again.first, again.frames) = (again.head.next(), Vec::new());
        state.shards[1].channels.push(again);
    });
    refused("a slot is taken twice", |state| {
        let again = state.shards[0].connections[0].clone();
        state.shards[0].connections.push(again);
    });
    refused("a shard that is not there", |state| {
        state.shards[0].connections[0].socket.shard = ShardId(2);
    });
    refused("a service that is not there", |state| state.engine.services.clear());
    refused("a subscription", |state| {
        state.shards[0].connections[0].subscriptions[0].handed = Seq(99);
    });
    refused("a subscription", |state| {
        let other = ChannelName::parse("nowhere").unwrap();
        state.shards[0].connections[0].subscriptions[0].channel = other;
    });
    refused("a subscription", |state| {
        let twice = state.shards[0].connections[0].subscriptions[0].clone();
        state.shards[0].connections[0].subscriptions.push(twice);
    });
}

#[test]
fn a_frame_must_be_one() {
    for bytes in [&b"\x81\x03ab"[..], b"\x81\x02abc", b"\x82\x01a", b"\x81\x01\xff", b"\x81", b""] {
        let mut state = sample();
        let at = Time(0);
        state.shards[0].channels[0].last = Some(Frame::new(bytes.into(), Seq(1), at, 0));
        let read = State::decode(&state.encode());
        assert_eq!(read.unwrap_err(), HandoverError::Malformed("a frame is not whole"));
    }
}

#[test]
fn every_shard_learns_what_clients_were_told_of_messages_that_have_not_come() {
    let mut state = sample();
    state.shards[1].acknowledged = vec![(name("news"), Seq(9))];
    let read = State::decode(&state.encode()).unwrap();
    let parts = read.divide(3, EarlyBook::default()).unwrap();
    assert!(parts.iter().all(|part| part.acknowledged == [(name("news"), Seq(9))]));
}

#[test]
fn older_messages_that_were_put_in_front_of_what_went_before_stay() {
    let mut state = sample();
    let channel = &mut state.shards[0].channels[0];
    channel.frames.insert(0, frame(2, 2, Some("a")));
    let parts = state.divide(2, EarlyBook::default()).unwrap();
    let mut placed = parts.iter().flat_map(|part| &part.channels);
    let home = placed.find(|placed| matches!(placed.role, PlacedRole::Home(_))).unwrap();
    let positions: Vec<_> = home.channel.frames.iter().map(|frame| frame.seq.0).collect();
    assert_eq!(positions, [2, 3, 4]);
}

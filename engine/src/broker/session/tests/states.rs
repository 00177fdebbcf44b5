//! State documents.

use super::*;
use crate::config::{Retention, Service};
use crate::limits::{CHANNEL_IDLE, STATE_REST};
use crate::types::{
    ChannelName, Epoch, EventName, JsonObject, Publication, PublishError, Seq, StateDocument,
    StateError, Time,
};

const EPOCH: Epoch = Epoch(7);

fn state(epoch: Epoch, seq: u64, len: usize) -> Arc<StateDocument> {
    let text = format!(r#"{{"x":"{}"}}"#, "x".repeat(len));
    let state = JsonObject::parse(text.as_bytes()).unwrap();
    Arc::new(StateDocument { state, epoch, seq: Seq(seq) })
}

fn hub(config: Config) -> Hub {
    Hub::new(Arc::new(config), ShardId(0), 1, 1, 1).with_epoch(EPOCH)
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn publish(hub: &mut Hub, channel: &ChannelName) {
    let (event, data) = (EventName::parse("e").unwrap(), JsonObject::parse(b"{}").unwrap());
    hub.publish(&Publication { channel: channel.clone(), event, data, key: None }).unwrap();
    hub.poll_transmit(&mut Wire::default(), &mut Alone);
}

#[test]
fn a_state_has_a_position_that_was_reached_and_is_never_replaced_by_an_older_one() {
    let (mut hub, a) = (hub(Config::default()), name("a"));
    assert_eq!(
        hub.set_state(&a, Some(state(EPOCH, 1, 3))),
        Err(StateError::Ahead { newest: Seq(0) })
    );
    assert!(hub.channel(&a).is_none(), "what is refused makes no channel");
    (0..3).for_each(|_| publish(&mut hub, &a));
    assert_eq!(hub.set_state(&a, Some(state(Epoch(8), 1, 3))), Err(StateError::Restart));
    assert_eq!(
        hub.set_state(&a, Some(state(EPOCH, 4, 3))),
        Err(StateError::Ahead { newest: Seq(3) })
    );
    assert_eq!(hub.set_state(&a, Some(state(EPOCH, 2, 3))), Ok(false));
    assert_eq!(
        hub.set_state(&a, Some(state(EPOCH, 1, 3))),
        Err(StateError::Older { held: Seq(2) })
    );
    assert_eq!(hub.state(&a).unwrap().seq, Seq(2));
    assert_eq!(hub.set_state(&a, Some(state(EPOCH, 2, 5))), Ok(true), "of the same position");
    assert_eq!(hub.set_state(&a, None), Ok(true));
    assert_eq!((hub.set_state(&a, None), hub.state(&a).is_none()), (Ok(false), true));
    assert_eq!(hub.set_state(&a, Some(state(EPOCH, 1, 3))), Ok(false), "it was taken back");
    assert_eq!(hub.set_state(&name("b"), Some(state(EPOCH, 0, 3))), Ok(false), "before all");
}

#[test]
fn states_have_a_share_of_the_bytes_of_logs_and_give_back_what_they_took() {
    let retention = Retention { shard_bytes: 400_000, ..Config::default().retention };
    let services = ["flooded", "other"].map(|name| Service { name: name.into(), ..<_>::default() });
    let mut hub = hub(Config { retention, services: services.into(), ..Config::default() });
    let channel = |service, i: usize| name(&format!("c:{i}")).at(ServiceId(service));
    let len = 10_000 - STATE_REST - 8;
    let mut put = |service| {
        let set =
            |i: &usize| hub.set_state(&channel(service, *i), Some(state(EPOCH, 0, len))).is_ok();
        (0..).take_while(set).count()
    };
    assert_eq!([put(0), put(1)], [5, 5], "half of a quarter each");
    let larger = hub.set_state(&channel(0, 0), Some(state(EPOCH, 0, len + 1)));
    assert_eq!(larger, Err(PublishError::Saturated.into()));
    assert_eq!(hub.set_state(&channel(0, 0), Some(state(EPOCH, 0, len))), Ok(true));
    for (service, i) in (0..2).flat_map(|service| (0..5).map(move |i| (service, i))) {
        assert_eq!(hub.set_state(&channel(service, i), None), Ok(true));
    }
    assert_eq!(put_all(&mut hub), 5);
    fn put_all(hub: &mut Hub) -> usize {
        let len = 10_000 - STATE_REST - 8;
        let set = |i: &usize| {
            let channel = name(&format!("d:{i}")).at(ServiceId(0));
            hub.set_state(&channel, Some(state(EPOCH, 0, len))).is_ok()
        };
        (0..).take_while(set).count()
    }
}

#[test]
fn what_states_take_logs_do_not_keep() {
    let retention = Retention { shard_bytes: 40_000, ..Config::default().retention };
    let (mut hub, a) = (hub(Config { retention, ..Config::default() }), name("a"));
    (0..200).for_each(|_| publish(&mut hub, &a));
    let held = |hub: &Hub| hub.log(&a).unwrap().bytes();
    let before = held(&hub);
    assert!((39_000..=40_000).contains(&before), "{before}");
    hub.set_state(&a, Some(state(EPOCH, 200, 8_000))).unwrap();
    assert!((30_000..31_000).contains(&held(&hub)), "{}", held(&hub));
}

#[test]
fn a_channel_stays_for_its_state_while_there_are_places() {
    for (places, stays) in [(100, true), (2, false)] {
        let mut hub = hub(Config { max_channels: places, ..Config::default() });
        for channel in ["a", "b"] {
            hub.set_state(&name(channel), Some(state(EPOCH, 0, 3))).unwrap();
        }
        let late = Now { mono: Time(0) + CHANNEL_IDLE * 100, unix_us: 0 };
        hub.begin_iteration(late);
        (0..100).for_each(|_| hub.handle_tick());
        let kept = ["a", "b"].iter().filter(|channel| hub.state(&name(channel)).is_some()).count();
        assert_eq!(kept, if stays { 2 } else { 1 }, "{places} places");
    }
}

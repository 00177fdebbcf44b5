//! Telling clients to reconnect, and closing them in their slots.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::config::{Access, AuthMode};
use crate::limits::{DISCONNECTS_AT_ONCE, TICK};
use crate::types::{ClientAction, DrainReason, Target};

const SPREAD: Duration = Duration::from_secs(5);

fn hub(capacity: usize, mode: AuthMode) -> Hub {
    let access = Access { mode, ..Access::default() };
    let first = Service { access, ..Service::default() };
    let services = vec![first, Service { name: "other".into(), ..Service::default() }];
    let config = Config { services, ..Config::default() };
    Hub::new(Arc::new(config), ShardId(0), 1, capacity, 7)
}

fn admit(hub: &mut Hub, service: u8) -> ConnectionKey {
    let plain = Admission::plain(([10, 0, 0, 1], 9).into());
    hub.admit(Admission { service: ServiceId(service), ..plain }).unwrap()
}

/// Tells these of the first service; returns how many.
fn tell(hub: &mut Hub, target: Target, why: DrainReason) -> u64 {
    let action = ClientAction::Reconnect(SPREAD, why);
    let command = ClientCommand { service: ServiceId(0), target, action };
    let (mut told, mut next) = (0, Some(0));
    while let Some(from) = next {
        let (some, rest) = hub.disconnect(&command, from);
        assert!(some <= DISCONNECTS_AT_ONCE, "a bounded part at a time");
        (told, next) = (told + some, rest);
    }
    told
}

/// What clients were told since the last call: milliseconds and reason, by connection.
fn heard(hub: &mut Hub) -> HashMap<ConnectionKey, (u64, String)> {
    let mut all = HashMap::new();
    while let Some(reply) = hub.parts.core.cx.next_reply() {
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        let Some((_, data)) = text.split_once("\"after_ms\":") else { continue };
        assert!(text.contains("\"session.reconnect\""));
        let (after, rest) = data.split_once(",\"reason\":\"").unwrap();
        let reason = rest.split_once('"').unwrap().0.to_owned();
        assert!(all.insert(reply.key, (after.parse().unwrap(), reason)).is_none(), "told once");
    }
    all
}

/// Those that were told and are not released, by service.
fn draining(hub: &Hub) -> Vec<u64> {
    hub.loads().iter().map(|load| load.draining).collect()
}

fn tick(hub: &mut Hub, at: Duration) {
    hub.begin_iteration(Now { mono: Time::default() + at, unix_us: 0 });
    hub.handle_tick();
}

#[test]
fn every_client_is_told_its_slot_and_closed_at_its_end() {
    const MANY: usize = 1_000;
    let mut hub = hub(MANY, AuthMode::Off);
    let keys: Vec<_> = (0..MANY).map(|_| admit(&mut hub, 0)).collect();
    assert_eq!(tell(&mut hub, Target::Share(100), DrainReason::Shutdown), MANY as u64);
    let slots = heard(&mut hub);
    assert_eq!(slots.len(), MANY);
    assert!(slots.values().all(|(_, reason)| reason == "shutdown"));
    let (mut at, mut open) = (Duration::ZERO, MANY);
    while at <= SPREAD {
        at += TICK;
        tick(&mut hub, at);
        let now = at.as_millis() as u64;
        for key in &keys {
            let (after, _) = slots[key];
            assert!(hub.is_open(*key) == (after >= now), "{after} ms, at {now}");
        }
        let left = keys.iter().filter(|key| hub.is_open(**key)).count();
        assert!((8..=12).contains(&(open - left)) || left == 0, "{} in one tick", open - left);
        open = left;
    }
    assert_eq!(open, 0);
}

#[test]
fn a_share_is_told_and_another_one_is_of_the_rest() {
    let mut hub = hub(1_200, AuthMode::Off);
    for _ in 0..1_000 {
        admit(&mut hub, 0);
    }
    for _ in 0..100 {
        admit(&mut hub, 1);
    }
    let probe = Admission { probe: true, ..Admission::plain(([10, 0, 0, 1], 9).into()) };
    hub.admit(probe).unwrap();
    assert_eq!(tell(&mut hub, Target::Share(30), DrainReason::Drain), 300);
    assert_eq!(tell(&mut hub, Target::Share(50), DrainReason::Drain), 350);
    assert_eq!(heard(&mut hub).len(), 650, "nobody was told twice");
    assert_eq!(draining(&hub), [650, 0]);
    // The end of the server is another thing to be told.
    assert_eq!(tell(&mut hub, Target::Share(100), DrainReason::Shutdown), 1_000);
    assert_eq!(heard(&mut hub).len(), 1_000);
    assert_eq!(tell(&mut hub, Target::Share(100), DrainReason::Drain), 0);
    assert_eq!(draining(&hub), [1_000, 0]);
}

#[test]
fn those_of_a_network_are_told() {
    let mut hub = hub(4, AuthMode::Off);
    let near = admit(&mut hub, 0);
    hub.admit(Admission::plain(([192, 0, 2, 1], 9).into())).unwrap();
    let network = Target::Network("10.0.0.0/8".parse().unwrap());
    assert_eq!(tell(&mut hub, network, DrainReason::Drain), 1);
    assert_eq!(heard(&mut hub).into_keys().collect::<Vec<_>>(), [near]);
}

#[test]
fn who_has_no_welcome_is_closed_without_a_word() {
    let mut hub = hub(4, AuthMode::Required);
    let key = admit(&mut hub, 0);
    assert_eq!(tell(&mut hub, Target::Share(100), DrainReason::Drain), 1);
    assert!(heard(&mut hub).is_empty());
    tick(&mut hub, SPREAD);
    assert!(!hub.is_open(key));
}

#[test]
fn who_comes_while_newcomers_are_refused_is_closed_at_once() {
    let mut hub = hub(4, AuthMode::Off);
    let before = admit(&mut hub, 0);
    hub.refuse_newcomers();
    let after = admit(&mut hub, 0);
    assert!(hub.is_open(before) && !hub.is_open(after));
}

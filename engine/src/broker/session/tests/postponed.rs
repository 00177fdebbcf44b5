//! Requests for many channels: of a storm of them, others wait for one and not for all.

use super::*;
use crate::limits::{MAX_CHANNELS_PER_REQUEST, TURN_CHANNELS};

const STORM: u8 = 10;

fn rig() -> Rig {
    let mut hub = Hub::new(Arc::new(Config::from(Service::default())), ShardId(0), 1, 64, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    rig.hear();
    rig
}

impl Rig {
    fn another(&mut self) -> ConnectionKey {
        self.key = connect(&mut self.hub, self.now, None);
        self.hear();
        self.key
    }

    fn ask(&mut self, kind: &str, id: &str) {
        let names: Vec<String> =
            (0..MAX_CHANNELS_PER_REQUEST).map(|n| format!("{id}:{n}")).collect();
        self.say(&json!({"id": id, "type": kind, "data": {"channels": names}}));
    }

    /// New clients ask for fresh channels, all in this iteration.
    fn storm(&mut self) -> Vec<ConnectionKey> {
        let clients: Vec<_> = (0..STORM).map(|_| self.another()).collect();
        for (number, key) in clients.iter().enumerate() {
            self.key = *key;
            self.ask("subscribe", &format!("storm-{number}"));
        }
        clients
    }

    /// The requests that are answered in this iteration.
    fn answered(&mut self) -> Vec<String> {
        let mut wire = Wire::default();
        self.hub.poll_transmit(&mut wire, &mut Alone);
        let id = |message: &Value| message["correlation_id"].as_str().unwrap().to_owned();
        messages(&wire.written).iter().map(id).collect()
    }

    fn next_iteration(&mut self) -> Vec<String> {
        self.hub.begin_iteration(self.now);
        self.answered()
    }
}

#[test]
fn a_storm_of_requests_for_many_channels_lets_others_between() {
    const { assert!(TURN_CHANNELS < MAX_CHANNELS_PER_REQUEST) };
    let mut rig = rig();
    let small = rig.key;
    rig.storm();
    rig.key = small;
    rig.subscribe("small");
    rig.say(&json!({"id": "ping", "type": "ping"}));
    assert_eq!(rig.answered(), ["small", "ping", "storm-0"]);
    // Later ones wait behind those that wait already.
    for n in 1..STORM {
        if n == 5 {
            rig.key = small;
            rig.ask("subscribe", "late");
        }
        assert_eq!(rig.next_iteration(), [format!("storm-{n}")]);
    }
    assert_eq!(rig.next_iteration(), ["late"]);
    assert!(!rig.hub.poll_transmit(&mut Wire::default(), &mut Alone), "nothing is left");
    rig.hub.check();
}

#[test]
fn what_a_client_sends_behind_a_postponed_request_waits_for_it() {
    let mut rig = rig();
    let client = rig.key;
    rig.storm();
    rig.key = client;
    rig.ask("subscribe", "own");
    rig.say(&json!({"id": "ping", "type": "ping"}));
    rig.ask("unsubscribe", "own");
    rig.subscribe("last");
    assert!(rig.hub.is_paused(client));
    let mut answered = rig.answered();
    for _ in 0..=STORM + 1 {
        answered.extend(rig.next_iteration());
    }
    answered.retain(|id| !id.starts_with("storm"));
    assert_eq!(answered, ["own", "ping", "own", "last"]);
    assert!(!rig.hub.is_paused(client));
}

#[test]
fn a_postponed_request_of_a_client_that_is_gone_is_dropped() {
    let mut rig = rig();
    let storm = rig.storm();
    for key in &storm[1..] {
        rig.hub.end_by(*key, Ending::Lost);
    }
    assert_eq!(rig.answered(), ["storm-0"]);
    assert!(rig.next_iteration().is_empty());
    let known = |n: usize| ChannelName::parse(&format!("storm-{n}:0")).unwrap();
    assert!(rig.hub.log(&known(0)).is_some() && rig.hub.log(&known(1)).is_none());
    rig.asked();
    rig.hub.check();
}

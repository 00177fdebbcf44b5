//! Two services of a shard: a flood by the clients of one refuses the other's nothing.

use super::*;
use crate::broker::turn_limits::TurnLimits;
use crate::types::{ChannelName, ServiceId};

const FLOODED: ServiceId = ServiceId(0);
const OTHER: ServiceId = ServiceId(1);

fn rig(shards: usize, max_channels: usize, limits: TurnLimits) -> Rig {
    let service = |name: &str| Service {
        name: name.into(),
        message_rate: 0,
        anonymous_publish: true,
        ..Service::default()
    };
    let services = vec![service("flooded"), service("other")];
    let config = Config { services, max_channels, ..Config::default() };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), shards, 64, 1);
    hub.set_limits(limits);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    rig.hear();
    rig
}

impl Rig {
    /// A client of a service, from an address of its own.
    fn client_of(&mut self, service: ServiceId, host: u8) -> ConnectionKey {
        let plain = Admission::plain(([10, 0, service.0, host], 1).into());
        self.key = self.hub.admit(Admission { service, ..plain }).unwrap();
        self.hear();
        self.key
    }

    /// What the client is told of a subscription that is refused.
    fn refused(&mut self, channel: &str) -> Option<String> {
        self.subscribe(channel);
        let reply = self.hear().pop().unwrap();
        Some(reply["error_message"].as_str()?.to_owned())
    }
}

#[test]
fn channels_of_subscribers_are_shared_between_services() {
    const PLACES: usize = 64;
    let mut rig = rig(1, PLACES, TurnLimits::default());
    for n in 0..PLACES as u8 / 2 {
        rig.client_of(FLOODED, n);
        assert_eq!(rig.refused(&n.to_string()), None);
    }
    rig.client_of(FLOODED, 100);
    let said = rig.refused("more").unwrap();
    assert!(said.starts_with("This service's clients are subscribed to as many"), "{said}");
    rig.client_of(OTHER, 1);
    assert_eq!(rig.refused("more"), None);
    rig.hub.check();
}

#[test]
fn the_service_that_holds_most_of_unfinished_messages_gives_way() {
    let limits = TurnLimits { unfinished_bytes: 3_000, ..TurnLimits::default() };
    let mut rig = rig(1, 64, limits);
    let begin = |rig: &mut Rig, key, bytes: usize| {
        // A final text frame of 60,000 bytes, masked with zeros.
        let mut begun = vec![0x81, 0x80 | 126, 0xea, 0x60, 0, 0, 0, 0];
        begun.resize(8 + bytes, b'x');
        rig.hub.handle_received(key, &mut begun);
    };
    let many: Vec<_> = (0..4).map(|n| rig.client_of(FLOODED, n)).collect();
    let one = rig.client_of(OTHER, 1);
    begin(&mut rig, one, 1_000);
    many.iter().for_each(|key| begin(&mut rig, *key, 600));
    let open = many.iter().filter(|key| rig.hub.is_open(**key)).count();
    assert!(rig.hub.is_open(one), "it holds more than any, and its service less");
    assert_eq!(open, 3);
}

#[test]
fn verifications_are_shared_between_services() {
    let service = |name: &str| Service {
        name: name.into(),
        access: access(AuthMode::Required),
        ..Service::default()
    };
    let services = vec![service("flooded"), service("other")];
    let config = Config { services, ..Config::default() };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 2 * VERIFICATIONS_PER_SHARD, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    let show = |rig: &mut Rig, service: ServiceId| {
        let plain = Admission::plain(([127, 0, 0, 1], 1).into());
        let token = Some(Secret::new("token"));
        rig.key = rig.hub.admit(Admission { service, token, ..plain }).unwrap();
    };
    show(&mut rig, FLOODED);
    let first = rig.key;
    (1..VERIFICATIONS_PER_SHARD / 2).for_each(|_| show(&mut rig, FLOODED));
    assert_eq!(rig.asked().len(), VERIFICATIONS_PER_SHARD / 2);
    show(&mut rig, FLOODED);
    assert_eq!(rig.hear(), [closed(1013, "Too many authentications")]);
    show(&mut rig, OTHER);
    assert_eq!(rig.asked().len(), 1);
    // A connection that is gone has its place until its token is answered.
    rig.hub.end_by(first, Ending::Lost);
    show(&mut rig, FLOODED);
    assert!(rig.asked().is_empty());
    rig.key = first;
    rig.answer(Err(AuthError::invalid()));
    show(&mut rig, FLOODED);
    assert_eq!(rig.asked().len(), 1);
}

#[test]
fn publications_under_way_are_shared_between_services() {
    let limits = TurnLimits { publishing_bytes: 1_000, ..TurnLimits::default() };
    let mut rig = rig(2, 64, limits);
    let mut answer = |service: ServiceId, host: u8, bytes: usize| {
        rig.client_of(service, host);
        let remote = |name: &ChannelName| rig.hub.home_of(name) == ShardId(1);
        let mut names = (0..).map(|n| ChannelName::parse(&n.to_string()).unwrap().at(service));
        let channel = names.find(remote).unwrap();
        let data = json!({"x": "x".repeat(bytes - 8)});
        let data = json!({"channel": channel.as_str(), "event": "e", "data": data});
        rig.say(&json!({"id": "p", "type": "request", "event": "publish", "data": data}));
        rig.hear().pop().map(|reply| reply["error_code"].clone())
    };
    assert_eq!(answer(FLOODED, 0, 400), None);
    assert_eq!(answer(FLOODED, 1, 200), Some(json!("BUSY")));
    assert_eq!(answer(OTHER, 0, 500), None);
    assert_eq!(answer(OTHER, 1, 100), Some(json!("BUSY")));
    assert_eq!(answer(FLOODED, 2, 100), None);
}

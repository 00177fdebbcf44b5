//! Ending connections and subscriptions from outside.

use super::*;
use crate::limits::DISCONNECTS_AT_ONCE;
use crate::types::{ClientAction, Target};
use crate::wire::Message;

const MANY: usize = 600;

fn hub(capacity: usize) -> Hub {
    let services = vec![Service::default(), Service { name: "other".into(), ..Service::default() }];
    let config = Config { services, ..Config::default() };
    Hub::new(Arc::new(config), ShardId(0), 1, capacity, 7)
}

fn admit(hub: &mut Hub, service: u8) -> ConnectionKey {
    let plain = Admission::plain(([127, 0, 0, 1], 9).into());
    hub.admit(Admission { service: ServiceId(service), ..plain }).unwrap()
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn subscribe(hub: &mut Hub, key: ConnectionKey, channel: &str) {
    let text = format!(r#"{{"type":"subscribe","room":"{channel}"}}"#);
    hub.parts.sessions.handle_message(&mut hub.parts.core, key, Message::Text(&text));
}

fn command(service: u8, target: Target, action: ClientAction) -> ClientCommand {
    ClientCommand { service: ServiceId(service), target, action }
}

fn id(hub: &Hub, key: ConnectionKey) -> String {
    hub.parts.core.connections.id(hub.parts.core.cx.shard, key).to_string()
}

#[test]
fn a_disconnect_of_many_takes_several_bounded_steps() {
    let mut hub = hub(MANY);
    for _ in 0..MANY {
        let key = admit(&mut hub, 0);
        subscribe(&mut hub, key, "all");
    }
    let all = command(0, Target::Channel(name("all")), ClientAction::Disconnect);
    let (mut sum, mut steps, mut next) = (0, 0, Some(0));
    while let Some(from) = next {
        let (count, rest) = hub.disconnect(&all, from);
        assert!(count <= DISCONNECTS_AT_ONCE);
        (sum, steps, next) = (sum + count, steps + 1, rest);
    }
    assert_eq!((sum, steps), (MANY as u64, 3));
    assert_eq!(hub.subscribers(&[name("all")]), [0]);
    assert_eq!(hub.disconnect(&all, 0), (0, None), "none is closed twice");
}

#[test]
fn an_id_is_found_only_as_it_was_given_and_only_in_its_service() {
    let mut hub = hub(4);
    let (key, other) = (admit(&mut hub, 0), admit(&mut hub, 1));
    let (own, others) = (id(&hub, key), id(&hub, other));
    let mut forged = own.clone().into_bytes();
    let last = forged.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    let forged = String::from_utf8(forged).unwrap();
    let mut disconnect = |text: &str| {
        let command = command(0, Target::Connection(text.into()), ClientAction::Disconnect);
        hub.disconnect(&command, 0).0
    };
    assert_eq!([disconnect("no id"), disconnect(&forged), disconnect(&others)], [0; 3]);
    assert_eq!([disconnect(&own), disconnect(&own)], [1, 0]);
}

#[test]
fn subscriptions_end_one_or_all_and_the_connection_stays() {
    let mut hub = hub(4);
    let (key, other) = (admit(&mut hub, 0), admit(&mut hub, 0));
    for channel in ["a", "b", "c"] {
        subscribe(&mut hub, key, channel);
        subscribe(&mut hub, other, channel);
    }
    let names = ["a", "b", "c"].map(name);
    let one = ClientAction::Unsubscribe(Some(name("a")));
    let one = command(0, Target::Channel(name("a")), one);
    assert_eq!(hub.disconnect(&one, 0), (2, None));
    assert_eq!(hub.subscribers(&names), [0, 2, 2]);
    let target = Target::Connection(id(&hub, key));
    let all = command(0, target, ClientAction::Unsubscribe(None));
    assert_eq!(hub.disconnect(&all, 0), (2, None));
    assert_eq!(hub.subscribers(&names), [0, 1, 1]);
    assert!(hub.is_open(key));
}

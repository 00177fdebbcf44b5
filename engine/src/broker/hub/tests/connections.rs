//! Looking for connections.

use std::time::Duration;

use super::*;
use crate::broker::connection_query::{AddressFilter, ConnectionQuery};
use crate::config::{Access, AuthMode};
use crate::limits::{CONNECTION_LOOKS, CONNECTIONS_PAGE, SUBSCRIPTIONS_SHOWN};
use crate::types::{Identity, Seq, ServiceLoad, Time};
use crate::wire::{Message, Secret};

fn hub(capacity: usize) -> Hub {
    let access = Access { mode: AuthMode::Optional, ..Access::default() };
    let one = Service { access, message_rate: 100, ..Service::default() };
    let services = vec![one, Service { name: "other".into(), ..Service::default() }];
    let config = Config { services, ..Config::default() };
    Hub::new(Arc::new(config), ShardId(0), 1, capacity, 7)
}

/// A client of this user on a port of its own; an anonymous one without a name.
fn admit(hub: &mut Hub, user: &str, port: u16) -> ConnectionKey {
    let plain = Admission::plain(([10, 0, 0, 1], port).into());
    let token = (!user.is_empty()).then(|| Secret::new(user));
    let key = hub.admit(Admission { token, ..plain }).unwrap();
    if !user.is_empty() {
        let identity = Identity { user: user.into(), ..Identity::default() };
        hub.handle_authenticated(key, Ok(identity));
    }
    key
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn subscribe(hub: &mut Hub, key: ConnectionKey, channel: &str) {
    let text = format!(r#"{{"type":"subscribe","room":"{channel}"}}"#);
    hub.parts.sessions.handle_message(&mut hub.parts.core, key, Message::Text(&text));
}

/// The ports of all that a query finds, and the steps that it took.
fn ports(hub: &Hub, query: &ConnectionQuery) -> (Vec<u16>, usize) {
    let (mut all, mut steps, mut next) = (Vec::new(), 0, Some(0));
    while let Some(from) = next {
        let (page, rest) = hub.find_connections(query, from, CONNECTIONS_PAGE);
        assert!(page.len() <= CONNECTIONS_PAGE);
        all.extend(page.iter().map(|info| info.peer.port()));
        (steps, next) = (steps + 1, rest);
    }
    (all, steps)
}

#[test]
fn a_search_of_many_takes_bounded_steps_and_finds_all() {
    let many = 2 * CONNECTION_LOOKS as u16 + 5;
    let mut hub = hub(many.into());
    for port in 1..=many {
        let user = if port == many { "last" } else { "" };
        let key = admit(&mut hub, user, port);
        if port % 100 == 0 {
            subscribe(&mut hub, key, "hundreds");
        }
    }
    let last = ConnectionQuery { user: Some("last".into()), ..ConnectionQuery::default() };
    assert_eq!(ports(&hub, &last), (vec![many], 3));
    let (all, _) = ports(&hub, &ConnectionQuery::default());
    assert_eq!(all, (1..=many).collect::<Vec<_>>());
    let channel = Some(name("hundreds"));
    let subscribers = ConnectionQuery { channel, ..ConnectionQuery::default() };
    let hundreds = (100..=many).step_by(100).collect::<Vec<u16>>();
    assert_eq!(ports(&hub, &subscribers), (hundreds, 3));
    let channel = Some(name("nobody's"));
    let nobody = ConnectionQuery { channel, ..ConnectionQuery::default() };
    assert_eq!(ports(&hub, &nobody), (vec![], 1), "an unknown channel costs no search");
    let loads = [(u64::from(many), u64::from(many / 100)), (0, 0)];
    let load = |(connections, subscriptions)| ServiceLoad {
        connections,
        subscriptions,
        ..ServiceLoad::default()
    };
    assert_eq!(hub.loads(), loads.map(load));
}

#[test]
fn a_search_looks_at_service_address_and_user_together() {
    let mut hub = hub(8);
    admit(&mut hub, "ann", 1);
    admit(&mut hub, "ann", 2);
    let gone = admit(&mut hub, "ann", 3);
    admit(&mut hub, "", 4);
    let plain = Admission::plain(([10, 0, 0, 1], 5).into());
    hub.admit(Admission { service: ServiceId(1), ..plain.clone() }).unwrap();
    hub.admit(Admission { probe: true, ..plain }).unwrap();
    hub.parts.close(gone, CloseReason::Expelled);

    let ann = Some("ann".to_owned());
    let socket = |port| Some(AddressFilter::Socket(([10, 0, 0, 1], port).into()));
    let network = |text: &str| Some(AddressFilter::Network(text.parse().unwrap()));
    let all = ConnectionQuery::default();
    for (query, found) in [
        (all.clone(), vec![1, 2, 4]),
        (ConnectionQuery { user: ann.clone(), ..all.clone() }, vec![1, 2]),
        (ConnectionQuery { address: socket(2), ..all.clone() }, vec![2]),
        (ConnectionQuery { address: socket(4), user: ann, ..all.clone() }, vec![]),
        (ConnectionQuery { address: network("10.0.0.0/8"), ..all.clone() }, vec![1, 2, 4]),
        (ConnectionQuery { address: network("10.0.0.2/32"), ..all.clone() }, vec![]),
        (ConnectionQuery { owed: Some(0), ..all.clone() }, vec![]),
        (ConnectionQuery { service: ServiceId(1), ..all }, vec![5]),
    ] {
        assert_eq!(ports(&hub, &query).0, found, "{query:?}");
    }
}

#[test]
fn a_connection_is_described_with_what_it_is_owed_and_may_send() {
    let mut hub = hub(4);
    let at = |seconds: u64| Now {
        mono: Time(seconds * 1_000_000_000),
        unix_us: 1_000_000_000 + seconds as i64 * 1_000_000,
    };
    hub.begin_iteration(at(7));
    let key = admit(&mut hub, "ann", 1);
    let channels = SUBSCRIPTIONS_SHOWN + 3;
    (0..channels).for_each(|n| subscribe(&mut hub, key, &n.to_string()));
    hub.begin_iteration(at(10));
    let core = &mut hub.parts.core;
    let channel = core.channels.find(&name("0")).unwrap();
    core.recover(key, channel, (Seq(1), Seq(0)));
    let id = core.connections.id(core.cx.shard, key).to_string();

    let detail = hub.find_connection(ServiceId(0), &id).unwrap();
    assert_eq!(detail.channels.len(), SUBSCRIPTIONS_SHOWN);
    assert_eq!((detail.messages_left, detail.bytes_left), (Some(150), None));
    let info = detail.info;
    assert_eq!((info.user.as_deref(), info.subscriptions), (Some("ann"), channels));
    assert_eq!((info.since, info.silent), (1_007, Duration::from_secs(3)));
    let lag = info.lag.unwrap();
    assert_eq!((lag.owed, lag.since, lag.state.label()), (0, 1_010, "recovering"));
    assert!(hub.find_connection(ServiceId(1), &id).is_none(), "it is another service's");
    assert!(hub.find_connection(ServiceId(0), "no id").is_none());
}

#[test]
fn a_channel_is_described_with_its_log_and_its_last_message() {
    let mut hub = hub(1);
    assert!(hub.channel(&name("c")).is_none());
    let publication = Publication {
        channel: name("c"),
        event: crate::types::EventName::parse("e").unwrap(),
        data: JsonObject::parse(b"{}").unwrap(),
        key: None,
    };
    assert_eq!(hub.publish(&publication), Ok(Seq(1)));
    hub.begin_iteration(Now { mono: Time(2_000_000_000), unix_us: 0 });
    let state = hub.channel(&name("c")).unwrap();
    assert_eq!((state.entry.seq, state.log_frames, state.has_status), (Seq(1), 1, false));
    assert!(state.log_bytes > 50);
    assert_eq!(state.last_publish, Some(Duration::from_secs(2)));
}

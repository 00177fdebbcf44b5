//! Two services of one engine share shards and nothing else.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::{Message, WebSocket};
use uringcast_engine::telemetry::{ConnectionError, MessageType, Totals};
use uringcast_engine::{
    ChannelName, Config, Engine, EventName, JsonObject, Publication, Service, ServiceId,
};

const ONE: ServiceId = ServiceId(0);
const OTHER: ServiceId = ServiceId(1);

fn service(name: &str) -> Service {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    Service {
        name: name.into(),
        welcome: format!("Hello from {name}"),
        listen,
        ..Service::default()
    }
}

fn connect(address: SocketAddr) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    tungstenite::client("ws://localhost/", stream).unwrap().0
}

fn read(client: &mut WebSocket<TcpStream>) -> Value {
    match client.read().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other}"),
    }
}

fn subscribe(client: &mut WebSocket<TcpStream>) {
    client.send(r#"{"type":"subscribe","room":"global"}"#.into()).unwrap();
    assert_eq!(read(client)["data"]["status"], "subscribed");
}

fn publication(event: &str) -> Publication {
    Publication {
        channel: ChannelName::parse("global").unwrap(),
        event: EventName::parse(event).unwrap(),
        data: JsonObject::parse(b"{}").unwrap(),
        key: None,
    }
}

#[test]
fn a_channel_of_one_service_is_not_the_other_s_of_that_name() {
    let mut other = service("other");
    other.welcome_extra.insert("rate_limit".into(), 7.into());
    other.max_connections = 1;
    let services = vec![service("one"), other];
    let engine = Engine::start(Config { services, shards: Some(2), ..Config::default() }).unwrap();
    assert_eq!((engine.service("other"), engine.service("none")), (Some(OTHER), None));
    let mut clients = [ONE, OTHER].map(|id| connect(engine.service_addrs(id)[0]));
    let welcomes = clients.each_mut().map(|client| read(client)["data"].clone());
    assert_eq!(welcomes.each_ref().map(|w| w["server"].clone()), ["one", "other"]);
    assert_eq!(welcomes[1]["message"], "Hello from other");
    assert!(welcomes[0]["rate_limit"].is_null());
    assert_eq!(welcomes[1]["rate_limit"], 7);

    clients.iter_mut().for_each(subscribe);
    for (id, event) in [(OTHER, "other.1"), (ONE, "one.1"), (OTHER, "other.2")] {
        engine.publisher(id).try_publish(publication(event)).unwrap().wait().unwrap();
    }
    let got = |client: &mut WebSocket<TcpStream>| {
        let event = read(client);
        (event["event"].as_str().unwrap().to_owned(), event["seq"].as_u64().unwrap())
    };
    assert_eq!(got(&mut clients[0]), ("one.1".into(), 1));
    assert_eq!(got(&mut clients[1]), ("other.1".into(), 1));
    assert_eq!(got(&mut clients[1]), ("other.2".into(), 2));

    // A full service turns away its own clients only.
    let Message::Close(Some(close)) = connect(engine.service_addrs(OTHER)[0]).read().unwrap()
    else {
        panic!("a full service closes")
    };
    assert_eq!(u16::from(close.code), 1013);
    assert_eq!(read(&mut connect(engine.service_addrs(ONE)[0]))["data"]["server"], "one");

    let mut listed = Vec::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        let (page, next) = pollster::block_on(engine.channels(OTHER, at, 10));
        listed.extend(page.into_iter().map(|c| (c.name.to_string(), c.seq.0, c.subscribers)));
        cursor = next;
    }
    assert_eq!(listed, [("global".to_owned(), 2, 1)]);
    measured(&engine);
    drop(clients);
    engine.drain(Duration::from_secs(10));
}

/// Each service's own counts, which its shards hand over within a second or so.
fn measured(engine: &Engine) {
    let mut totals = Totals::new(engine.shards(), 2);
    let counts = |totals: &Totals, id: ServiceId| {
        let stats = &totals.services[id.index()];
        let full = stats.connection_errors[ConnectionError::MaxConnections as usize];
        let class = totals.classes.get(&(id, "global".to_owned()));
        let events = stats.sent[MessageType::Event as usize];
        (stats.connections, full, events, class.map_or(0, |class| class.broadcasts))
    };
    let patience = Instant::now() + Duration::from_secs(60);
    // Two welcomes and one event; one welcome and two events.
    while [ONE, OTHER].map(|id| counts(&totals, id)) != [(2, 0, 3, 1), (2, 1, 3, 2)] {
        assert!(Instant::now() < patience, "{:?}", totals.services);
        engine.collect(|snapshot| totals.absorb(snapshot));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn settings_of_a_running_engine_are_replaced_all_or_none() {
    let config = |most, welcome: &str| {
        let mut one = service("one");
        (one.max_connections, one.welcome) = (most, welcome.into());
        Config { shards: Some(2), ..Config::from(one) }
    };
    let engine = Engine::start(config(2, "before")).unwrap();
    let address = engine.service_addrs(ONE)[0];
    let mut early = connect(address);
    assert_eq!(read(&mut early)["data"]["message"], "before");

    let live = engine.live_config();
    let error = live.replace(&config(3, "never")).unwrap_err().to_string();
    assert!(error.contains("max_connections is 3"), "{error}");
    let mut fleet = config(2, "never");
    fleet.services.push(service("other"));
    assert!(live.replace(&fleet).is_err());
    let mut idle = config(2, "never");
    idle.keepalive = Duration::ZERO;
    assert!(live.replace(&idle).is_err());
    let mut second = connect(address);
    assert_eq!(read(&mut second)["data"]["message"], "before");
    drop(second);

    live.replace(&config(1, "after")).unwrap();
    let mut late = connect(address);
    assert!(matches!(late.read().unwrap(), Message::Close(_)), "the limit is the new one");
    // Those who are there stay, also beyond it.
    subscribe(&mut early);
    drop(early);
    let deadline = Instant::now() + Duration::from_secs(30);
    let welcome = loop {
        let mut client = connect(address);
        if let Message::Text(text) = client.read().unwrap() {
            break serde_json::from_str::<Value>(&text).unwrap();
        }
        assert!(Instant::now() < deadline, "the place is not given back");
    };
    assert_eq!(welcome["data"]["message"], "after");
    engine.drain(Duration::ZERO);
    live.replace(&config(1, "too late")).unwrap();
}

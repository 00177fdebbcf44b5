//! What the benchmarks share: a hub with subscribers, and a sink that writes nowhere; for the
//! races against other servers a bare ring and a client.

pub mod bare_ring;
pub mod bare_seal;
pub mod baseline;
pub mod client;
pub mod proc_usage;
pub mod tls;

use std::sync::Arc;

use uringcast_engine::broker::shard_messages::{Lanes, Notice, Request};
use uringcast_engine::broker::write_sink::{Flushed, Payload, WriteSink};
use uringcast_engine::broker::{Admission, Hub};
use uringcast_engine::limits::BATCH_ENTRIES;
use uringcast_engine::wire::deflate::negotiate;
use uringcast_engine::{
    ChannelName, ChannelPattern, ClassRule, Compression, Config, ConnectionKey, EventName,
    JsonObject, Now, Publication, Service, ShardId, Time,
};

/// Takes every write and forgets it: what is left is the broker's own cost.
#[derive(Debug, Default)]
pub struct Nowhere {
    payloads: Vec<Payload>,
    entries: usize,
    /// Writes taken in all.
    pub writes: u64,
}

impl WriteSink for Nowhere {
    fn load(&mut self, payload: Payload) {
        self.payloads.push(payload);
    }

    fn push(&mut self, _connection: u32) -> bool {
        self.entries += 1;
        self.writes += 1;
        self.entries == BATCH_ENTRIES
    }

    fn flush(&mut self, out: &mut Flushed) {
        self.entries = 0;
        out.payloads.append(&mut self.payloads);
    }
}

/// The lanes of an engine with one shard.
#[derive(Debug)]
pub struct NoLanes;

impl Lanes for NoLanes {
    fn try_request(&mut self, _to: ShardId, request: Request) -> Result<(), Request> {
        Err(request)
    }

    fn try_notice(&mut self, _to: ShardId, notice: Notice) -> Result<(), Notice> {
        Err(notice)
    }

    fn reply(&mut self, _to: ShardId, _notice: Notice) {}
}

/// A reading of the clocks, `ns` after the start.
pub fn at(ns: u64) -> Now {
    Now { mono: Time(ns), unix_us: 1_700_000_000_000_000 + (ns / 1_000) as i64 }
}

/// A publication with `bytes` bytes of payload.
pub fn publication(channel: &str, bytes: usize) -> Publication {
    let data = format!("{{\"x\":\"{}\"}}", "a".repeat(bytes));
    Publication {
        channel: ChannelName::parse(channel).expect("a good name"),
        event: EventName::parse("bench").expect("a good name"),
        data: JsonObject::parse(data.as_bytes()).expect("an object"),
        key: None,
    }
}

/// A hub of one shard with `subscribers` live subscribers of channel `bench:0`.
pub fn hub(subscribers: usize) -> Hub {
    hub_with(subscribers, true)
}

/// The same, measuring or not.
pub fn hub_with(subscribers: usize, metrics: bool) -> Hub {
    let service = Service { message_rate: 0, ..Service::default() };
    let config = Config { metrics, ..Config::from(service) };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, subscribers + 10, 7);
    for _ in 0..subscribers {
        let key = admit(&mut hub);
        say(&mut hub, key, r#"{"type":"subscribe","room":"bench:0"}"#);
        settle(&mut hub);
    }
    hub
}

/// A hub of one shard; the subscribers of channel `bench:0` follow its context.
pub fn deflating_hub(subscribers: usize) -> Hub {
    let channels = ChannelPattern::parse("bench:*").expect("a good pattern");
    let shared = ClassRule { compression: Some(Compression::Shared), ..ClassRule::new(channels) };
    let service = Service { message_rate: 0, classes: vec![shared], ..Service::default() };
    let mut hub = Hub::new(Arc::new(Config::from(service)), ShardId(0), 1, subscribers + 10, 7);
    let peer = "127.0.0.1:1".parse().expect("an address");
    for _ in 0..subscribers {
        let offer = ["permessage-deflate"].into_iter();
        let deflate = negotiate(offer).map(|(deflate, _)| deflate);
        let admission = Admission { deflate, ..Admission::plain(peer) };
        let key = hub.admit(admission).expect("room for all");
        say(&mut hub, key, r#"{"type":"subscribe","room":"bench:0"}"#);
        settle(&mut hub);
    }
    hub
}

/// Lets in one more connection.
pub fn admit(hub: &mut Hub) -> ConnectionKey {
    let peer = "127.0.0.1:1".parse().expect("an address");
    hub.admit(Admission::plain(peer)).expect("room for all")
}

/// Hands the hub a client's message.
pub fn say(hub: &mut Hub, key: ConnectionKey, text: &str) {
    hub.handle_received(key, &mut client::client_text(text));
}

/// Writes all that is due.
pub fn settle(hub: &mut Hub) {
    while hub.poll_transmit(&mut Nowhere::default(), &mut NoLanes) {}
    while hub.poll_effect().is_some() {}
}

//! Broadcasts that are compressed once for all subscribers, over real sockets: every client has an
//! inflater that keeps its window, and gets the text that a client without compression gets.

use std::net::TcpStream;

use crate::support::ws::{Client, FIN, TEXT, upgrade_request};
use flate2::{Decompress, FlushDecompress};
use serde_json::json;
use uringcast_engine::{
    ChannelName, ChannelPattern, ClassRule, Compression, Config, Engine, EventName, JsonObject,
    Publication, Publisher, Service, ServiceId,
};

/// The bit that marks a compressed message.
const RSV1: u8 = 0x40;
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const SUBSCRIBERS: usize = 16;
const MESSAGES: usize = 200;

fn start(shards: usize, compression: Compression) -> Engine {
    let channels = ChannelPattern::parse("price:*").expect("a pattern");
    let rule = ClassRule { compression: Some(compression), ..ClassRule::new(channels) };
    let service = Service {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        classes: vec![rule],
        ..Service::default()
    };
    Engine::start(Config { shards: Some(shards), ..Config::from(service) }).expect("it starts")
}

/// A client with what it inflates by, and the bytes of all broadcasts that it got.
struct Subscriber {
    client: Client,
    inflater: Option<Decompress>,
    bytes: usize,
}

impl Subscriber {
    fn connect(engine: &Engine, offer: &str) -> Subscriber {
        let address = engine.local_addrs()[0];
        let stream = TcpStream::connect(address).expect("connected");
        let mut client = Client::request_as(stream, None, &upgrade_request(address, offer));
        let head = client.head().to_ascii_lowercase();
        let agreed = head.contains("permessage-deflate");
        assert_eq!(agreed, !offer.is_empty(), "{head}");
        client.message();
        let inflater = agreed.then(|| Decompress::new(false));
        Subscriber { client, inflater, bytes: 0 }
    }

    fn subscribed(engine: &Engine, offer: &str, since: Option<(&str, u64)>) -> Subscriber {
        let mut subscriber = Subscriber::connect(engine, offer);
        let mut data = json!({"channel": "price:a"});
        if let Some((epoch, seq)) = since {
            data["since"] = json!({"epoch": epoch, "seq": seq});
        }
        let reply = subscriber.client.ask(&json!({"type": "subscribe", "data": data}));
        assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
        subscriber
    }

    fn text(&mut self) -> String {
        let frame = self.client.frame().expect("a broadcast");
        self.bytes += frame.payload.len();
        if frame.first == FIN | TEXT {
            return String::from_utf8(frame.payload).expect("text");
        }
        assert_eq!(frame.first, FIN | RSV1 | TEXT);
        let inflater = self.inflater.as_mut().expect("it negotiated compression");
        let payload = [&frame.payload[..], &[0, 0, 0xff, 0xff]].concat();
        let (mut text, before) = (Vec::with_capacity(1 << 16), inflater.total_in());
        inflater.decompress_vec(&payload, &mut text, FlushDecompress::Sync).expect("inflated");
        assert_eq!(inflater.total_in() - before, payload.len() as u64, "all of it");
        String::from_utf8(text).expect("text")
    }
}

fn publish(publisher: &Publisher, n: usize) {
    let data = format!(
        r#"{{"symbol":"ABC","n":{n},"bid":{},"ask":{},"venue":"XETR"}}"#,
        n * 7_919 % 10_007,
        n * 104_729 % 10_009
    );
    let publication = Publication {
        channel: ChannelName::parse("price:a").expect("a name"),
        event: EventName::parse("price.changed").expect("a name"),
        data: JsonObject::parse(data.as_bytes()).expect("an object"),
        key: None,
    };
    publisher.try_publish(publication).expect("room").wait().expect("accepted");
}

/// Publishes, and compares what all get; one joins in the middle, and one comes back for the past.
/// Returns the bytes of a subscriber that was there all the time, and those of a plain one.
fn run(shards: usize, compression: Compression) -> (usize, usize) {
    let engine = start(shards, compression);
    let publisher = engine.publisher(ServiceId(0));
    let mut plain = Subscriber::subscribed(&engine, "", None);
    let mut all: Vec<Subscriber> =
        (0..SUBSCRIBERS).map(|_| Subscriber::subscribed(&engine, OFFER, None)).collect();
    let mut texts = Vec::new();
    for n in 0..MESSAGES {
        if n == MESSAGES / 2 {
            all.push(Subscriber::subscribed(&engine, OFFER, None));
        }
        publish(&publisher, n);
        let text = plain.text();
        for (number, subscriber) in all.iter_mut().enumerate() {
            assert_eq!(subscriber.text(), text, "message {n} of subscriber {number}");
        }
        texts.push(text);
    }
    let mut returned =
        Subscriber::subscribed(&engine, OFFER, Some((&publisher.epoch().to_string(), 20)));
    for text in &texts[20..] {
        assert_eq!(returned.text(), *text);
    }
    (all[0].bytes, plain.bytes)
}

#[test]
fn who_follows_gets_a_context_that_all_share() {
    let (compressed, plain) = run(1, Compression::Shared);
    assert!(compressed * 100 <= plain * 35, "{compressed} of {plain} bytes");
}

#[test]
fn without_a_context_each_message_is_compressed_by_itself() {
    let (compressed, plain) = run(1, Compression::Twin);
    assert!(compressed < plain * 9 / 10, "{compressed} of {plain} bytes");
}

#[test]
fn all_shards_share_what_the_home_has_compressed() {
    run(3, Compression::Shared);
}

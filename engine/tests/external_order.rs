//! Two engines that share an order of channels: a client finds the same messages at both.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "external_order/interest.rs"]
mod interest;
#[path = "external_order/older_messages.rs"]
mod older_messages;
#[path = "external_order/patterns.rs"]
mod patterns;
#[path = "external_order/presence.rs"]
mod presence;

use std::collections::{HashMap, HashSet};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};
use uringcast_engine::{
    ChannelName, ChannelPattern, ClassRule, Config, Engine, Epoch, EventName, ExternalFeed,
    ExternalOrder, FeedItem, FollowRequest, Followed, HistoryRange, JsonObject, PresenceQuestion,
    PresenceRequest, Publication, PublishError, PublishRequest, ReadPage, ReadRequest, Roster, Seq,
    Sequenced, Service, ServiceId, ShardId, Unavailable, WatchRequest,
};

const SERVICE: ServiceId = ServiceId(0);

/// What both engines share: one stream for all channels, as in a broker.
#[derive(Debug, Default)]
struct Stream {
    epoch: u64,
    seq: u64,
    channels: HashMap<String, Vec<Sequenced>>,
    nodes: [Option<ExternalFeed>; 2],
    followed: [HashSet<String>; 2],
    /// What channels begin with that patterns want.
    watched: [Vec<(ShardId, String)>; 2],
    ids: HashMap<Box<str>, Seq>,
    /// Publications are stored, and nobody is told.
    is_silent: bool,
    /// Nothing can be said of channels.
    is_unreadable: bool,
    rosters: HashMap<String, Roster>,
}

/// One engine's end of it.
#[derive(Clone, Debug)]
struct Node {
    stream: Arc<Mutex<Stream>>,
    place: usize,
}

impl Node {
    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap()
    }
}

impl Stream {
    fn append(&mut self, publication: Publication) -> Seq {
        self.seq += 1;
        let name = publication.channel.as_str().to_owned();
        let channel = self.channels.entry(name.clone()).or_default();
        let prev = channel.last().map_or(Seq(0), |last| last.seq);
        let (seq, id, unix_us) = (Seq(self.seq), [self.seq as u8; 16], 1_700_000_000_000_000);
        let message = Sequenced { publication, seq, prev, id, unix_us };
        channel.push(message.clone());
        for (place, feed) in self.nodes.iter().enumerate() {
            let is_watched = self.watched[place].iter().any(|(_, prefix)| name.starts_with(prefix));
            let is_wanted = is_watched || self.followed[place].contains(&name);
            if let Some(feed) = feed.as_ref().filter(|_| is_wanted) {
                assert!(feed.deliver(vec![FeedItem::Message(message.clone())]).is_empty());
            }
        }
        seq
    }

    fn messages(&self, channel: &ChannelName) -> Vec<Sequenced> {
        self.channels.get(channel.as_str()).cloned().unwrap_or_default()
    }
}

impl ExternalOrder for Node {
    fn epoch(&self) -> Epoch {
        Epoch(self.stream().epoch)
    }

    fn publish(&self, request: PublishRequest) {
        let mut stream = self.stream();
        if let Some(seq) = request.id.as_ref().and_then(|id| stream.ids.get(id)) {
            return request.reply.answer(Ok(*seq));
        }
        let seq = stream.append(request.publication);
        stream.ids.extend(request.id.map(|id| (id, seq)));
        if !stream.is_silent {
            request.reply.answer(Ok(seq));
        }
    }

    fn follow(&self, request: FollowRequest) {
        let mut stream = self.stream();
        if stream.is_unreadable {
            return request.reply.answer(Err(Unavailable));
        }
        stream.followed[self.place].insert(request.channel.as_str().to_owned());
        let all = stream.messages(&request.channel);
        let head = all.last().map_or(Seq(0), |last| last.seq);
        let since = request.since.unwrap_or(head);
        let place = all.partition_point(|message| message.seq <= since);
        let messages = all[place.min(all.len().saturating_sub(request.last))..].to_vec();
        let after = messages.first().map_or(head, |first| first.prev);
        let epoch = Epoch(stream.epoch);
        request.reply.answer(Ok(Followed { epoch, head, after, messages }));
    }

    fn unfollow(&self, channel: ChannelName) {
        self.stream().followed[self.place].remove(channel.as_str());
    }

    fn watch(&self, request: WatchRequest) {
        let prefixes = request.channels.iter().map(|channels| channels.prefix.to_string());
        let watched = &mut self.stream().watched[self.place];
        watched.retain(|(shard, _)| *shard != request.shard);
        watched.extend(prefixes.map(|prefix| (request.shard, prefix)));
        request.reply.answer(Ok(()));
    }

    fn report_presence(&self, request: PresenceRequest) {
        presence::report(self, request);
    }

    fn ask_presence(&self, question: PresenceQuestion) {
        presence::answer(self, question);
    }

    fn read(&self, request: ReadRequest) {
        let stream = self.stream();
        let mut messages = stream.messages(&request.channel);
        let oldest = messages.first().map(|first| first.seq);
        let newest = messages.last().map_or(Seq(0), |last| last.seq);
        match (request.since, request.reverse) {
            (Some(since), false) => messages.retain(|message| message.seq > since),
            (Some(since), true) => messages.retain(|message| message.seq < since),
            (None, _) => {}
        }
        if request.reverse {
            messages.reverse();
        }
        let more = messages.len() > request.messages;
        messages.truncate(request.messages);
        let epoch = Epoch(stream.epoch);
        request.reply.answer(Ok(ReadPage { epoch, oldest, newest, messages, more }));
    }
}

/// Two engines with one stream.
struct Cluster {
    stream: Arc<Mutex<Stream>>,
    engines: Vec<Engine>,
}

impl Cluster {
    fn start() -> Cluster {
        let stream = Arc::new(Mutex::new(Stream { epoch: 7, ..Stream::default() }));
        let start = |place| {
            let node = Node { stream: Arc::clone(&stream), place };
            let listen = vec!["127.0.0.1:0".parse().unwrap()];
            let channels = ChannelPattern::parse("present:*").unwrap();
            let rule = ClassRule { presence: Some(true), ..ClassRule::new(channels) };
            let classes = vec![rule];
            let service =
                Service { listen, anonymous_publish: true, classes, ..Service::default() };
            let external_order = Some(Arc::new(node) as Arc<dyn ExternalOrder>);
            let config = Config { shards: Some(2), external_order, ..Config::from(service) };
            let engine = Engine::start(config).unwrap();
            stream.lock().unwrap().nodes[place] = Some(engine.external_feed());
            engine
        };
        let engines = (0..2).map(start).collect();
        Cluster { stream, engines }
    }

    fn connect(&self, place: usize) -> Client {
        let stream = TcpStream::connect(self.engines[place].local_addrs()[0]).unwrap();
        let mut client = Client(tungstenite::client("ws://localhost/", stream).unwrap().0);
        assert_eq!(client.read()["event"], "session.created");
        client
    }

    fn publish(&self, place: usize, channel: &str, n: u64) -> Result<Seq, PublishError> {
        let publication = publication(channel, n);
        self.engines[place].publisher(SERVICE).try_publish(publication)?.wait()
    }
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn read(&mut self) -> Value {
        match self.0.read().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other}"),
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.0.send(request.to_string().into()).unwrap();
        self.read()
    }

    fn subscribe(&mut self, data: Value) -> Value {
        let mut answer = self.ask(&json!({"type": "subscribe", "data": data}));
        while answer["event"] == "session.degraded" {
            // Who comes while others are told may be told twice.
            answer = self.read();
        }
        assert_eq!(answer["data"]["status"], "subscribed", "{answer}");
        answer["data"].clone()
    }

    /// The next message: its position, the one before where that is no neighbour, and its number.
    fn next(&mut self) -> (u64, Option<u64>, u64) {
        let event = self.read();
        let place = event["seq"].as_u64().unwrap_or_else(|| panic!("{event}"));
        (place, event["prev"].as_u64(), event["data"]["n"].as_u64().unwrap())
    }
}

fn publication(channel: &str, n: u64) -> Publication {
    Publication {
        channel: ChannelName::parse(channel).unwrap(),
        event: EventName::parse("news").unwrap(),
        data: JsonObject::parse(format!("{{\"n\":{n}}}").as_bytes()).unwrap(),
        key: None,
    }
}

#[test]
fn a_client_finds_the_same_messages_at_both_engines() {
    let cluster = Cluster::start();
    let [mut here, mut there] = [cluster.connect(0), cluster.connect(1)];
    let confirmed = here.subscribe(json!({"channel": "a"}));
    assert_eq!((&confirmed["seq"], &confirmed["epoch"]), (&json!(0), &json!("0000000000000007")));
    there.subscribe(json!({"channel": "a"}));
    assert_eq!(cluster.publish(0, "a", 1), Ok(Seq(1)));
    assert_eq!(cluster.publish(1, "b", 2), Ok(Seq(2)));
    // A client publishes, too, and gets its answer and the message.
    let data = json!({"channel": "a", "event": "news", "data": {"n": 3}});
    let [first, second] = [here.next(), there.next()];
    assert_eq!((first, second), ((1, None, 1), (1, None, 1)));
    let publish = json!({"type": "request", "event": "publish", "id": "p", "data": data});
    here.0.send(publish.to_string().into()).unwrap();
    let mut got = [here.read(), here.read()];
    got.sort_by_key(|message| message["type"] == "response");
    assert_eq!((got[0]["seq"].as_u64(), got[0]["prev"].as_u64()), (Some(3), Some(1)));
    assert_eq!((&got[1]["data"]["seq"], &got[1]["correlation_id"]), (&json!(3), &json!("p")));
    assert_eq!(there.next(), (3, Some(1), 3));

    // One that comes to the other engine goes on where it was.
    let mut late = cluster.connect(1);
    let since = json!({"epoch": "0000000000000007", "seq": 1});
    let confirmed = late.subscribe(json!({"channel": "a", "since": since}));
    assert_eq!((&confirmed["recovered"], &confirmed["seq"]), (&json!(true), &json!(3)));
    assert_eq!(late.next(), (3, Some(1), 3));
    // Messages of a channel that nobody follows come from the stream.
    let confirmed = late.subscribe(json!({"channel": "b", "last": 5}));
    assert_eq!(confirmed["seq"], 2);
    assert_eq!(late.next(), (2, Some(0), 2));
    let history = json!({"type": "request", "event": "history", "data": {"channel": "a"}});
    let history = late.ask(&history);
    let seqs: Vec<_> = history["data"]["messages"].as_array().unwrap().iter().collect();
    assert_eq!(seqs.iter().map(|m| m["seq"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(3)]);
    let range = HistoryRange { since: None, limit: 1, bytes: 1 << 20, reverse: true };
    let name = ChannelName::parse("a").unwrap();
    let page = pollster::block_on(cluster.engines[0].history(name, range)).unwrap();
    assert_eq!((page.oldest, page.newest, page.more), (Some(Seq(1)), Seq(3), true));
    // What comes again with its id, at whichever engine, is the same message.
    let one = |place: usize, id: &str| {
        let publisher = cluster.engines[place].publisher(SERVICE);
        publisher.try_publish_as(publication("c", 0), Some(id.into())).unwrap().wait()
    };
    assert_eq!([one(0, "x"), one(1, "x")], [Ok(Seq(4)), Ok(Seq(4))]);
    // Publications of a batch have their places in its order.
    let batch = vec![publication("a", 4), publication("b", 5), publication("a", 6)];
    let batch = cluster.engines[1].publisher(SERVICE).try_publish_batch(batch).unwrap();
    assert_eq!(batch.wait(), [Ok(Seq(5)), Ok(Seq(6)), Ok(Seq(7))]);
    assert_eq!([here.next(), here.next()], [(5, Some(3), 4), (7, Some(5), 6)]);
}

#[test]
fn clients_are_told_what_cannot_be_ordered_and_nothing_is_lost() {
    let cluster = Cluster::start();
    let mut client = cluster.connect(0);
    client.subscribe(json!({"channel": "a"}));
    let feed = cluster.engines[0].external_feed();
    feed.degrade("no_quorum");
    let told = client.read();
    assert_eq!(
        (&told["event"], &told["data"]["reason"]),
        (&json!("session.degraded"), &json!("no_quorum"))
    );
    assert_eq!(cluster.publish(0, "a", 1), Err(PublishError::Unavailable));
    let data = json!({"channel": "a", "event": "news", "data": {"n": 1}});
    let publish = json!({"type": "request", "event": "publish", "data": data});
    assert_eq!(client.ask(&publish)["error_code"], "UNAVAILABLE");
    // Who comes now is told with the welcome, and may subscribe.
    let mut newcomer = cluster.connect(0);
    assert_eq!(newcomer.read()["event"], "session.degraded");
    newcomer.subscribe(json!({"channel": "a"}));
    feed.restore();
    assert_eq!(client.read()["event"], "session.restored");
    assert_eq!(cluster.publish(0, "a", 1), Ok(Seq(1)));
    assert_eq!(client.next(), (1, None, 1));

    // An answer that never comes is told as such, and the message comes.
    cluster.stream.lock().unwrap().is_silent = true;
    assert_eq!(cluster.publish(0, "a", 2), Err(PublishError::Unknown));
    assert_eq!(client.next(), (2, None, 2));
    let unknown = client.ask(&publish);
    let event = client.read();
    let codes = [&unknown["error_code"], &event["error_code"]];
    assert!(codes.contains(&&json!("UNKNOWN_OUTCOME")), "{unknown} {event}");
}

#[test]
fn a_new_epoch_and_what_is_missing_are_told_in_the_channel() {
    let cluster = Cluster::start();
    let mut client = cluster.connect(0);
    client.subscribe(json!({"channel": "a"}));
    assert_eq!(cluster.publish(0, "a", 1), Ok(Seq(1)));
    assert_eq!(client.next(), (1, None, 1));
    // Something is gone before it was delivered.
    let feed = cluster.engines[0].external_feed();
    let message = |seq, prev, n| {
        let publication = publication("a", n);
        let (seq, prev) = (Seq(seq), Seq(prev));
        FeedItem::Message(Sequenced { publication, seq, prev, id: [0; 16], unix_us: 0 })
    };
    assert!(feed.deliver(vec![message(1, 0, 1), message(9, 5, 9)]).is_empty());
    let gap = client.read();
    assert_eq!(gap["event"], "gap");
    assert_eq!((&gap["data"]["from_seq"], &gap["data"]["to_seq"]), (&json!(2), &json!(5)));
    assert_eq!(client.next(), (9, Some(5), 9));
    let channel = ChannelName::parse("a").unwrap();
    assert!(feed.deliver(vec![FeedItem::Gap { channel, after: Seq(0), to: Seq(12) }]).is_empty());
    let gap = client.read();
    assert_eq!((&gap["data"]["from_seq"], &gap["data"]["to_seq"]), (&json!(10), &json!(12)));

    let mut stream = cluster.stream.lock().unwrap();
    (stream.epoch, stream.seq) = (8, 0);
    stream.channels.clear();
    stream.followed[0].clear();
    drop(stream);
    feed.begin_epoch(Epoch(8));
    let gap = client.read();
    assert_eq!(
        (&gap["data"]["reason"], &gap["data"]["epoch"]),
        (&json!("restart"), &json!("0000000000000008"))
    );
    assert_eq!(cluster.engines[0].publisher(SERVICE).epoch(), Epoch(8));
    // The engine follows the channel anew; what came before that is a gap.
    let patience = Instant::now() + Duration::from_secs(60);
    while !cluster.stream.lock().unwrap().followed[0].contains("a") {
        assert!(Instant::now() < patience, "the channel is not followed any more");
        std::thread::sleep(Duration::from_millis(10));
    }
    let last = cluster.publish(0, "a", 1).unwrap().0;
    loop {
        let event = client.read();
        if event["seq"].as_u64() == Some(last) {
            break;
        }
    }
}

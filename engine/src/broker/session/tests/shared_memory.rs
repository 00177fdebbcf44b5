//! Memory that all clients of a shard share: requests that wait, and what slow ones are owed.

use super::*;
use crate::broker::turn_limits::TurnLimits;
use crate::broker::write_sink::{Owed, Short};
use crate::limits::{DEFAULT_OUTBOX, REQUEST_BACKLOG, REQUEST_BACKLOG_PER_SHARD};
use crate::types::{ChannelName, Publication};

/// Clients of one of two shards, without a rate.
fn clients(count: usize, limits: TurnLimits) -> (Rig, Vec<ConnectionKey>) {
    let config = Config::from(Service { message_rate: 0, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 2, count, 1);
    hub.set_limits(limits);
    let now = Now::default();
    let keys: Vec<_> = (0..count).map(|_| connect(&mut hub, now, None)).collect();
    let mut rig = Rig { hub: Box::new(hub), key: keys[0], now };
    rig.hear();
    (rig, keys)
}

#[test]
fn what_waits_behind_a_request_is_bounded_by_client_and_by_shard() {
    const EACH: usize = 512 << 10;
    let wrapping = json!({"id": "", "type": "ping"}).to_string().len();
    let ping = json!({"id": "x".repeat(EACH - wrapping), "type": "ping"});
    let fill = REQUEST_BACKLOG_PER_SHARD / REQUEST_BACKLOG;
    let (mut rig, keys) = clients(fill + 1, TurnLimits::default());
    let mut names = (0..).map(|n| ChannelName::parse(&n.to_string()).unwrap());
    let remote = names.find(|name| rig.hub.home_of(name) == ShardId(1)).unwrap();
    for key in &keys {
        rig.key = *key;
        rig.subscribe(remote.as_str());
    }
    let refused = |rig: &mut Rig| {
        rig.say(&ping);
        rig.hear().pop().map(|reply| reply["error_code"].clone())
    };
    for key in &keys[..fill] {
        rig.key = *key;
        for _ in 0..REQUEST_BACKLOG / EACH {
            assert_eq!(refused(&mut rig), None);
        }
    }
    assert_eq!(refused(&mut rig), Some(json!("LIMIT_EXCEEDED")), "the client has its share");
    rig.key = keys[fill];
    assert_eq!(refused(&mut rig), Some(json!("LIMIT_EXCEEDED")), "the shard is full");
    // One that is closed takes its part with it.
    rig.hub.end_by(keys[0], Ending::Close(CloseReason::Expelled));
    rig.hear();
    assert_eq!(refused(&mut rig), None);
}

/// Sockets that take nothing.
#[derive(Default)]
struct Full {
    loaded: Vec<Payload>,
    shorts: Vec<Short>,
}

impl WriteSink for Full {
    fn load(&mut self, payload: Payload) {
        self.loaded.push(payload);
    }
    fn push(&mut self, connection: u32) -> bool {
        let run = self.loaded.len() - 1;
        self.shorts.push(Short { connection, run, owed: Owed::After(0) });
        false
    }
    fn flush(&mut self, out: &mut Flushed) {
        out.payloads.append(&mut self.loaded);
        out.shorts.append(&mut self.shorts);
    }
}

#[test]
fn what_slow_clients_are_owed_is_bounded_and_who_needs_more_is_closed() {
    let limits = TurnLimits { laggard_bytes: 3_000, ..TurnLimits::default() };
    let (mut rig, keys) = clients(3, limits);
    let ping = json!({"id": "x".repeat(1_000), "type": "ping"});
    let mut open = Vec::new();
    for key in &keys {
        rig.key = *key;
        rig.say(&ping);
        let mut full = Full::default();
        while rig.hub.poll_transmit(&mut full, &mut Alone) {}
        open.push(keys.iter().filter(|key| rig.hub.is_open(**key)).count());
    }
    assert_eq!(open, [3, 3, 2], "each is owed some 1,300 bytes");
    assert!(!rig.hub.is_open(keys[2]), "the others keep what they are owed");
    assert_eq!(rig.errors(ConnectionError::SlowConsumer), 1);
}

#[test]
fn a_single_reply_is_owed_however_large_it_is_and_further_ones_within_the_outbox() {
    let (mut rig, keys) = clients(1, TurnLimits::default());
    let ping = |len: usize| json!({"id": "x".repeat(len), "type": "ping"});
    let mut is_open_after = |len| {
        rig.say(&ping(len));
        while rig.hub.poll_transmit(&mut Full::default(), &mut Alone) {}
        rig.hub.is_open(keys[0])
    };
    assert!(is_open_after(1), "a write that was not taken makes it a laggard");
    assert!(is_open_after(2 * DEFAULT_OUTBOX));
    assert!(!is_open_after(1), "it does not read");
}

#[test]
fn a_slow_consumer_is_logged_with_the_channel_that_it_fell_off_and_what_it_missed_there() {
    let mut config = Config::from(Service { message_rate: 0, ..Service::default() });
    config.retention.bytes = 2_000;
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 1, 1);
    let now = Now::default();
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    ["many", "large"].into_iter().for_each(|channel| rig.subscribe(channel));
    rig.hear();
    for (channel, messages, padding) in [("many", 5, 1), ("large", 3, 900)] {
        let channel = ChannelName::parse(channel).unwrap();
        let event = crate::types::EventName::parse("e").unwrap();
        let data = json!({"pad": "x".repeat(padding)}).to_string();
        let data = crate::types::JsonObject::parse(data.as_bytes()).unwrap();
        let publication = Publication { channel, event, data, key: None };
        for _ in 0..messages {
            rig.hub.publish(&publication).unwrap();
            while rig.hub.poll_transmit(&mut Full::default(), &mut Alone) {}
        }
    }
    (0..40).for_each(|_| rig.pass(Duration::from_millis(50)));
    let effects = std::iter::from_fn(|| rig.hub.poll_effect());
    let mut logged = effects.filter_map(|effect| match effect {
        Effect::Log(report) => Some(report),
        _ => None,
    });
    let report = logged.next().unwrap();
    assert_eq!(report.exceeded.unwrap().name, "log_bytes");
    assert_eq!(report.channel.unwrap().as_str(), "large");
    assert_eq!(report.behind, Some(3), "it was written none of three");
}

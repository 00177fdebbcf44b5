//! Patterns have channels whose order comes from outside.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uringcast_engine::Seq;

use super::{Client, Cluster};

/// Reads events of several channels; their channels, positions and numbers.
fn events(client: &mut Client, count: usize) -> Vec<(String, u64, u64)> {
    let event = |_| {
        let event = client.read();
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{event}"));
        let channel = event["room"].as_str().unwrap_or_default().to_owned();
        (channel, number(&event["seq"]), number(&event["data"]["n"]))
    };
    (0..count).map(event).collect()
}

#[test]
fn patterns_have_channels_of_all_engines_from_their_first_message_on() {
    let cluster = Cluster::start();
    assert_eq!(cluster.publish(0, "a:0", 0), Ok(Seq(1)));
    let clients = [cluster.connect(0), cluster.connect(1), cluster.connect(1)];
    let mut clients = clients.map(|mut client| {
        let confirmed = client.subscribe(json!({"pattern": "a:*"}));
        assert_eq!(confirmed["channels"], 0);
        client
    });
    // More channels than shards, so that clients are homed beside and away from them.
    let published: Vec<_> = (0..20)
        .map(|n| (format!("a:{}", n % 8), n))
        .map(|(channel, n)| (cluster.publish(n as usize % 2, &channel, n).unwrap().0, channel, n))
        .map(|(seq, channel, n)| (channel, seq, n))
        .collect();
    assert_eq!(cluster.publish(0, "b", 0), Ok(Seq(22)));
    for client in &mut clients {
        let mut got = events(client, published.len());
        let in_order = |channel: &str, all: &[(String, u64, u64)]| {
            all.iter().filter(|(of, ..)| of == channel).cloned().collect::<Vec<_>>()
        };
        for n in 0..8 {
            let channel = format!("a:{n}");
            assert_eq!(in_order(&channel, &got), in_order(&channel, &published));
        }
        got.sort_by_key(|(_, seq, _)| *seq);
        assert_eq!(got, published);
    }
    // Without a pattern nothing is asked for that nobody has.
    for client in &mut clients {
        let data = json!({"pattern": "a:*"});
        let answer = client.ask(&json!({"type": "unsubscribe", "data": data}));
        assert_eq!(answer["data"]["status"], "unsubscribed", "{answer}");
    }
    let end = Instant::now() + Duration::from_secs(10);
    while cluster.stream.lock().unwrap().watched.iter().any(|some| !some.is_empty()) {
        assert!(Instant::now() < end, "patterns are over");
        std::thread::sleep(Duration::from_millis(5));
    }
}

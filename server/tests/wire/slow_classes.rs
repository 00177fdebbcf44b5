//! Messages that replace each other, and subscribers that are behind: what a class of channels does
//! for them.

use crate::support::Server;
use crate::support::ws::Client;
use serde_json::{Value, json};

/// What a client is told of a message: `None` without a key.
fn key(message: &Value) -> Option<&str> {
    message.get("key").map(|key| key.as_str().expect("a text"))
}

#[test]
fn a_key_comes_with_the_broadcast_on_every_way_in() {
    let server = Server::start("--anonymous-publish");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let data = json!({"channel": "c", "event": "e", "data": {}, "key": "k-1"});
    client.say(&json!({"type": "request", "event": "publish", "data": data}));
    let message = |client: &mut Client| loop {
        let message = client.message();
        if message["type"] == "event" {
            return message;
        }
    };
    assert_eq!(key(&message(&mut client)), Some("k-1"));
    let post = |path: &str, body: &str| {
        let answer = crate::support::http::post(server.control, path, body);
        assert_eq!(answer.status, 202, "{}", answer.body);
    };
    let one = r#"{"channel":"c","event":"e","key":"k-2"}"#;
    post("/v1/publish", one);
    post("/v1/publish", &format!(r#"[{one},{{"channel":"c","event":"e"}}]"#));
    for path in ["channel=c&event=e&key=k-3", "event=e&key=%6b-3&channel=c"] {
        post(&format!("/v1/publish/raw?{path}"), "{}");
    }
    let keys: Vec<_> = (0..5).map(|_| key(&message(&mut client)).map(String::from)).collect();
    let expected = [Some("k-2"), Some("k-2"), None, Some("k-3"), Some("k-3")];
    assert_eq!(keys, expected.map(|key| key.map(String::from)));
}

#[test]
fn a_key_that_cannot_be_is_refused_on_every_way_in() {
    let server = Server::start("--anonymous-publish");
    let mut client = Client::connect(&server);
    for key in ["", "a\u{7}", &"k".repeat(65)] {
        let data = json!({"channel": "c", "event": "e", "data": {}, "key": key});
        let reply = client.ask(&json!({"type": "request", "event": "publish", "data": data}));
        assert_eq!(reply["error_code"], "INVALID_REQUEST", "{reply}");
        let query = key.replace('\u{7}', "%07");
        let query = format!("/v1/publish/raw?channel=c&event=e&key={query}");
        for (path, body) in [("/v1/publish", &*data.to_string()), (&*query, "{}")] {
            let answer = crate::support::http::post(server.control, path, body);
            assert_eq!(answer.status, 400, "{}", answer.body);
            assert!(answer.body.contains("key "), "{}", answer.body);
        }
    }
}

/// A server whose channels `feed` have this class.
fn with_class(class: &str) -> Server {
    let class = format!("feed {class}");
    Server::start_in("--shards=2 --keepalive-interval=1h", &[("URINGCAST_CLASS", &*class)])
}

/// A subscriber of `feed` that does not read.
fn stuck(server: &Server) -> Client {
    let mut client = Client::connect(server);
    client.subscribe("feed");
    client
}

/// Publishes 60 KB of this key. Returns its position.
fn publish(server: &Server, key: Option<&str>) -> u64 {
    let data = json!({"pad": "x".repeat(60_000)});
    let message = json!({"channel": "feed", "event": "e", "data": data});
    let message = match key {
        Some(key) => {
            let mut message = message;
            message["key"] = key.into();
            message
        }
        None => message,
    };
    let answer = crate::support::http::post(server.control, "/v1/publish", &message.to_string());
    assert_eq!(answer.status, 202, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    answer["results"][0]["seq"].as_u64().expect("a position")
}

/// What `/v1/connections` says of the only laggard.
fn laggard(server: &Server) -> Option<Value> {
    let answer = crate::support::http::get(server.control, "/v1/connections?behind=0");
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    answer["connections"].get(0).cloned()
}

/// Publishes until the subscriber is too far behind, and is seen to be.
fn until_it_skips(server: &Server, mut key: impl FnMut(u64) -> Option<String>) -> u64 {
    let mut head = 0;
    crate::support::until("the client to be passed over", || {
        head = publish(server, key(head).as_deref());
        laggard(server).filter(|one| one["state"] == "skipping")
    });
    head
}

/// Reads up to `head`. Every position is told of once, in order: those of messages, and of gaps
/// with their reason.
fn read_to(client: &mut Client, head: u64) -> (Vec<Value>, Vec<(u64, u64, String)>) {
    let (mut next, mut messages, mut gaps) = (1, Vec::new(), Vec::new());
    while next <= head {
        let message = client.message();
        if message["event"] != "gap" {
            assert_eq!(message["seq"], next, "lost, repeated or out of order");
            next += 1;
            messages.push(message);
            continue;
        }
        let data = &message["data"];
        let [from, to, missed] =
            ["from_seq", "to_seq", "missed"].map(|name| data[name].as_u64().expect("a number"));
        assert_eq!((from, missed), (next, to + 1 - from), "{message}");
        next = to + 1;
        gaps.push((from, to, data["reason"].as_str().expect("a reason").to_owned()));
    }
    (messages, gaps)
}

fn assert_caught_up(server: &Server, client: &mut Client, head: u64) {
    crate::support::until("the client to be live", || laggard(server).is_none().then_some(()));
    assert_eq!(publish(server, None), head + 1);
    assert_eq!(client.message()["seq"], head + 1, "it keeps up again");
}

/// The line about a client that is passed over.
fn assert_told(server: &Server, client: &Client, policy: &str, limit: &str) {
    let line = server.logged("passing over messages of a slow client");
    let who = client.stream().local_addr().expect("an address").to_string();
    let policy = format!("policy=\"{policy}\"");
    for part in ["connection_id=", &who, &policy, limit, "value=", "channel=\"feed\"", "behind="] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_client_that_does_not_read_is_skipped_to_the_head_and_told_how_much() {
    let server = with_class("slow=skip, slow-bytes=256KiB, log-bytes=64MiB");
    let mut client = stuck(&server);
    let head = until_it_skips(&server, |_| None);
    assert_told(&server, &client, "skip", "limit_name=\"slow_bytes\" limit=262144");
    let (messages, gaps) = read_to(&mut client, head);
    let [(from, to, reason)] = &gaps[..] else { panic!("one gap: {gaps:?}") };
    assert_eq!((*to, reason.as_str()), (head, "slow"));
    assert_eq!(messages.len() as u64, from - 1);
    let missed = (to + 1 - from) as f64;
    server.wait_metric("uringcast_skipped_total", "", missed);
    assert_eq!(server.settled("uringcast_skipped_total", ""), missed);
    assert_eq!(server.metric("uringcast_missed_total", ""), 0.0);
    assert_caught_up(&server, &mut client, head);
    let answer = crate::support::http::get(server.control, "/v1/connections");
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(answer["connections"][0]["skipped"], to + 1 - from, "{answer}");
}

#[test]
fn a_client_that_does_not_read_gets_the_newest_of_each_key() {
    // Its log holds less than it is behind: what it kept of keys is served, too.
    let server = with_class("slow=latest, log-bytes=1MiB");
    let mut client = stuck(&server);
    let key = |head: u64| Some(format!("k{}", head % 3));
    let mut head = 0;
    crate::support::until("the client to be behind", || {
        head = publish(&server, key(head).as_deref());
        laggard(&server)
    });
    let rare = publish(&server, Some("rare"));
    until_it_skips(&server, key);
    assert_told(&server, &client, "latest", "limit_name=\"log_bytes\" limit=1048576");
    // More than the log holds.
    (0..30).for_each(|n| head = publish(&server, key(n).as_deref()));
    let (messages, gaps) = read_to(&mut client, head);
    assert!(gaps.iter().all(|(.., reason)| reason == "conflated"), "{gaps:?}");
    let seqs = |key: &str| {
        let of_key = messages.iter().filter(|message| message["key"] == key);
        of_key.map(|message| message["seq"].as_u64().expect("a number")).next_back()
    };
    let mut newest = ["k0", "k1", "k2"].map(|key| seqs(key).expect("one of each"));
    newest.sort_unstable();
    assert_eq!(newest, [head - 2, head - 1, head]);
    assert_eq!(seqs("rare"), Some(rare));
    let replaced: u64 = gaps.iter().map(|(from, to, _)| to + 1 - from).sum();
    assert_eq!(messages.len() as u64 + replaced, head);
    server.wait_metric("uringcast_conflated_total", "", replaced as f64);
    assert_eq!(server.metric("uringcast_skipped_total", ""), 0.0);
    assert_caught_up(&server, &mut client, head);
}

#[test]
fn a_client_older_than_its_class_allows_is_closed_or_skipped() {
    let server = with_class("slow=skip, slow-age=1s, log-bytes=64MiB");
    let mut client = stuck(&server);
    let head = until_it_skips(&server, |_| None);
    assert_told(&server, &client, "skip", "limit_name=\"slow_age\" limit=1");
    let (_, gaps) = read_to(&mut client, head);
    assert_eq!(gaps.last().map(|(_, to, reason)| (*to, &**reason)), Some((head, "slow")));

    let server = with_class("slow-bytes=256KiB, log-bytes=64MiB");
    let _stuck = stuck(&server);
    crate::support::until("the slow consumer to be closed", || {
        publish(&server, None);
        let errors = "websocket_connection_errors_total";
        (server.metric(errors, "slow_consumer") == 1.0).then_some(())
    });
    let line = server.logged("closing connection over a limit");
    assert!(line.contains("limit_name=\"slow_bytes\" limit=262144"), "{line}");
}

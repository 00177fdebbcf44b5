//! Server-Sent Events on the clients' port.

use std::net::{Shutdown, TcpStream};

use crate::support::sse::{Stream, request};
use crate::support::ws::Client;
use crate::support::{Server, http, until};
use serde_json::{Value, json};

const ERRORS: &str = "websocket_connection_errors_total";

/// Publishes to channels in turns, so many messages to each.
fn publish(server: &Server, channels: &[&str], rounds: u64) {
    for _ in 0..rounds {
        for channel in channels {
            server.publish(channel, "{}");
        }
    }
}

/// The positions of one channel, which must follow each other.
fn of<'a>(channel: &str, all: impl IntoIterator<Item = &'a (String, u64)>) -> Vec<u64> {
    let own = all.into_iter().filter(|(room, _)| room == channel).map(|(_, seq)| *seq);
    let own: Vec<u64> = own.collect();
    assert!(own.windows(2).all(|two| two[1] == two[0] + 1), "{channel}: {own:?}");
    own
}

fn open_connections(server: &Server) -> Vec<Value> {
    let answer = http::get(server.control, "/v1/connections").body;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["connections"].as_array().expect("a list").clone()
}

#[test]
fn a_stream_brings_what_a_websocket_brings() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards {shards}"));
        let mut websocket = Client::connect(&server);
        websocket.subscribe("a");
        let mut stream = Stream::ask(&server, "channel=a", "");
        assert_eq!(stream.header("Content-Type"), Some("text/event-stream"));
        assert_eq!(stream.header("Cache-Control"), Some("no-store, no-transform"));
        assert_eq!(stream.header("X-Accel-Buffering"), Some("no"));
        assert_eq!(stream.header("Access-Control-Allow-Origin"), None, "it is for no page");
        let confirmed = stream.confirmed();
        assert_eq!(confirmed[0]["channel"], "a");
        assert_eq!(confirmed[0]["status"], "subscribed");
        assert_eq!(stream.last_id, format!("{}:a=0", confirmed[0]["epoch"].as_str().expect("E")));
        for n in 1..=3 {
            server.publish("a", &format!("{{\n \"n\": {n}}}"));
            let message = stream.message();
            assert_eq!(message, websocket.message(), "the same envelope");
            assert_eq!((&message["seq"], &message["data"]["n"]), (&json!(n), &json!(n)));
            assert!(stream.last_id.ends_with(&format!(":a={n}")), "{}", stream.last_id);
        }
        for transport in ["ws", "sse"] {
            let label = format!("transport=\"{transport}\"");
            server.wait_metric("uringcast_deliveries_total", &label, 3.0);
            assert_eq!(server.settled("uringcast_deliveries_total", &label), 3.0, "{transport}");
        }
        let one = open_connections(&server).into_iter().find(|one| one["transport"] == "sse");
        assert_eq!(one.expect("it is listed")["subscriptions"], 1);
    }
}

#[test]
fn the_last_id_resumes_every_channel_with_nothing_lost_or_twice() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards {shards}"));
        let names = ["a", "b c", "d,e=f;%"];
        let query = "channel=a&channel=b%20c&channel=d,e%3Df;%25";
        let published = ["a", "b%20c", "d,e%3Df;%25"];
        publish(&server, &published, 2);
        let mut stream = Stream::open(&server, query);
        let mut all = Vec::new();
        for round in 0..20 {
            publish(&server, &published[..1 + round % 3], 3);
            // Whatever a page has read when its connection ends, it has the id of.
            let before = 3 * (round % 3 + 1) as u64;
            for _ in 0..before - round as u64 % 3 {
                let message = stream.message();
                let room = message["room"].as_str().expect("a channel").to_owned();
                all.push((room, message["seq"].as_u64().expect("a position")));
            }
            let id = stream.last_id.clone();
            let (resumed, confirmed) = Stream::resume(&server, query, &id);
            assert!(confirmed.iter().all(|one| one["recovered"] == true), "{confirmed:?}");
            stream = resumed;
        }
        for (name, query) in names.iter().zip(published) {
            let head = server.publish(query, "{}");
            all.extend(stream.up_to(name, head));
        }
        for name in names {
            assert_eq!(of(name, &all).first(), Some(&3), "{name}: {all:?}");
        }
        for name in names {
            let seqs = of(name, &all);
            assert_eq!(seqs.len() as u64, seqs.last().expect("some") - 2, "{name}");
        }
    }
}

#[test]
fn the_position_may_be_in_the_query_and_a_header_is_newer() {
    let server = Server::start("");
    let mut stream = Stream::open(&server, "channel=a");
    let first = stream.last_id.clone();
    publish(&server, &["a"], 3);
    stream.up_to("a", 3);
    let query = format!("channel=a&last_event_id={first}");
    let mut by_query = Stream::open(&server, &query);
    assert_eq!(of("a", &by_query.up_to("a", 3)), [1, 2, 3]);
    let (mut by_header, _) = Stream::resume(&server, &query, &stream.last_id);
    server.publish("a", "{}");
    assert_eq!(of("a", &by_header.up_to("a", 4)), [4]);
}

#[test]
fn an_id_may_be_of_its_event_s_channel_alone() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards {shards}"));
        let query = "channel=a&channel=b&ids=own";
        let mut stream = Stream::open(&server, query);
        let id = |stream: &mut Stream| {
            let event = stream.event().expect("a message");
            let id = event.id.expect("an id");
            (event.data["room"].clone(), id.split_once(':').expect("an epoch").1.to_owned())
        };
        publish(&server, &["a", "b"], 2);
        let mut all: Vec<_> = (0..4).map(|_| id(&mut stream)).collect();
        all.sort_by_key(|(_, id)| id.clone());
        let own = [("a", "a=1"), ("a", "a=2"), ("b", "b=1"), ("b", "b=2")];
        assert_eq!(all, own.map(|(room, id)| (json!(room), id.to_owned())));
        // A client that keeps the positions names them all.
        let epoch = stream.last_id.split_once(':').expect("an epoch").0.to_owned();
        publish(&server, &["a", "b"], 1);
        let (mut resumed, confirmed) = Stream::resume(&server, query, &format!("{epoch}:a=1,b=2"));
        assert!(confirmed.iter().all(|one| one["recovered"] == true), "{confirmed:?}");
        let mut again: Vec<_> = (0..3).map(|_| id(&mut resumed).1).collect();
        again.sort();
        assert_eq!(again, ["a=2", "a=3", "b=3"]);
    }
}

#[test]
fn a_stream_may_begin_with_older_messages() {
    for shards in [1, 2] {
        let classes = "orders:* slow=latest; closed history=off";
        let flags = format!("--shards {shards} --log-frames 4");
        let server = Server::start_in(&flags, &[("URINGCAST_CLASS", classes)]);
        publish(&server, &["a", "b", "closed"], 3);
        let mut stream = Stream::open(&server, "channel=a&channel=b&last=2");
        let mut both = stream.up_to("a", 3);
        while both.len() < 4 {
            both.extend(stream.up_to("b", both.len() as u64));
        }
        assert_eq!((of("a", &both), of("b", &both)), (vec![2, 3], vec![2, 3]));
        for key in ["x", "y", "x", "x", "z", "x"] {
            let path = format!("/v1/publish/raw?channel=orders:1&event=e&key={key}");
            assert_eq!(http::post(server.control, &path, "{}").status, 202);
        }
        let mut newest = Stream::open(&server, "channel=orders:1&replay=latest");
        let mut keys = Vec::new();
        while keys.last() != Some(&json!("x")) {
            let message = newest.message();
            match message["event"] == "gap" {
                true => assert_eq!(message["data"]["reason"], "conflated", "{message}"),
                false => keys.push(message["key"].clone()),
            }
        }
        assert_eq!(keys, ["y", "z", "x"]);
        let refused = Stream::ask(&server, "channel=closed&last=1", "");
        assert_eq!(refused.refused().0, 403, "its class has no history");
        Stream::open(&server, "channel=closed");
        for query in ["channel=a&last=x", "channel=a&replay=all", "channel=a&ids=all"] {
            assert_eq!(Stream::ask(&server, query, "").refused().0, 400, "{query}");
        }
    }
}

#[test]
fn what_the_log_has_no_more_is_told() {
    let server = Server::start("--log-frames 3");
    let mut stream = Stream::open(&server, "channel=a&channel=b");
    publish(&server, &["a", "b"], 1);
    stream.up_to("b", 1);
    let id = stream.last_id.clone();
    drop(stream);
    publish(&server, &["a"], 10);
    let (mut stream, confirmed) = Stream::resume(&server, "channel=a&channel=b", &id);
    assert_eq!((&confirmed[0]["channel"], &confirmed[1]["channel"]), (&json!("a"), &json!("b")));
    assert_eq!(confirmed[0]["partial"], true, "{confirmed:?}");
    assert_eq!(confirmed[1]["recovered"], true, "{confirmed:?}");
    let gap = stream.message();
    assert_eq!(gap["event"], "gap", "{gap}");
    let positions = (&gap["data"]["from_seq"], &gap["data"]["to_seq"]);
    assert_eq!(positions, (&json!(2), &json!(8)), "{gap}");
    assert!(stream.last_id.ends_with(":a=8"), "{}", stream.last_id);
    assert_eq!(of("a", &stream.up_to("a", 11)), [9, 10, 11]);
    server.publish("b", "{}");
    assert_eq!(stream.message()["room"], "b");
    let foreign = "0123456789abcdef:a=5";
    let (_, confirmed) = Stream::resume(&server, "channel=a", foreign);
    assert_eq!(confirmed[0]["reason"], "restart", "{confirmed:?}");
}

#[test]
fn a_request_that_is_wrong_is_told_what_is() {
    let server = Server::start("");
    for (query, headers, status) in [
        ("", "", 400),
        ("channel=", "", 400),
        ("channel=a%00", "", 400),
        ("channel=a&pattern=b*", "", 400),
        ("channel=a", "Last-Event-ID: 7\r\n", 400),
        ("channel=a", "Content-Length: 3\r\n", 400),
        ("channel=a", "Accept: application/json\r\n", 406),
    ] {
        let (answered, body) = Stream::ask(&server, query, headers).refused();
        assert_eq!(answered, status, "{query} {headers}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.len() > 20), "{body}");
    }
    let address = server.clients[0];
    let connect = || TcpStream::connect(address).expect("connected");
    let good = request(address, "channel=a", "");
    for (request, status) in [
        (good.replace("HTTP/1.1", "HTTP/1.0"), 505),
        (good.replace("GET", "POST"), 405),
        (good.replace("GET", "HEAD"), 405),
        (good.replace("GET", "DELETE"), 405),
    ] {
        assert_eq!(Stream::send(connect(), &request).status(), status, "{request}");
    }
    server.wait_metric(ERRORS, "\"upgrade\"", 11.0);
    let other = Server::start("--preset=session-buddy");
    assert_eq!(Stream::ask(&other, "channel=a", "").status(), 426, "it has a protocol of its own");
}

#[test]
fn what_comes_behind_the_request_ends_the_stream() {
    let server = Server::start("");
    let mut stream = Stream::open(&server, "channel=a");
    stream.raw(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(stream.closed().0, 1002);
    let address = server.clients[0];
    let pipelined = request(address, "channel=a", "").repeat(2);
    let inner = TcpStream::connect(address).expect("connected");
    let mut stream = Stream::send(inner, &pipelined);
    // It depends on whether the first was answered when the second was read.
    if stream.status() != 400 {
        stream.confirmed();
        assert_eq!(stream.closed().0, 1002, "a second request is not answered");
    }
}

#[test]
fn a_page_that_is_left_frees_its_place_at_once() {
    let server = Server::start("--max-connections 1 --keepalive-interval 1h");
    for _ in 0..3 {
        let inner = TcpStream::connect(server.clients[0]).expect("connected");
        let request = request(server.clients[0], "channel=a", "");
        let mut stream = Stream::send(inner.try_clone().expect("a copy"), &request);
        stream.confirmed();
        let (status, body) = Stream::ask(&server, "channel=a", "").refused();
        assert_eq!((status, &body["error"]["code"]), (503, &json!("saturated")), "{body}");
        // Its own side only, as a browser does.
        inner.shutdown(Shutdown::Write).expect("it is open");
        until("its place to be free", || {
            let again = Stream::ask(&server, "channel=a", "");
            (again.status() == 200).then_some(())
        });
        until("no connection", || open_connections(&server).is_empty().then_some(()));
    }
    server.wait_metric(ERRORS, "\"max_connections\"", 3.0);
    assert_eq!(server.settled(ERRORS, "\"reset\""), 0.0, "who leaves is no fault");
}

#[test]
fn the_limits_of_an_address_and_of_subscriptions_are_those_of_websockets() {
    let server = Server::start("--max-connections-per-address 2 --max-subscriptions 2");
    let _websocket = Client::connect(&server);
    let (status, body) = Stream::ask(&server, "channel=a&channel=b&channel=c", "").refused();
    assert_eq!((status, &body["error"]["code"]), (507, &json!("limit_exceeded")), "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("max_subscr")));
    let mut one = until("its place to be free", || {
        let stream = Stream::ask(&server, "channel=a&channel=b", "");
        (stream.status() == 200).then_some(stream)
    });
    one.confirmed();
    assert_eq!(Stream::ask(&server, "channel=a", "").status(), 429);
    server.wait_metric(ERRORS, "\"max_per_address\"", 1.0);
}

#[test]
fn an_idle_stream_is_kept_alive() {
    let server = Server::start("--keepalive-interval 1s");
    let mut stream = Stream::open(&server, "channel=a");
    for _ in 0..3 {
        let event = stream.event().expect("a comment");
        assert!(event.is_comment && event.id.is_none(), "{event:?}");
    }
    server.publish("a", "{}");
    assert_eq!(stream.message()["seq"], 1);
}

#[test]
fn operators_end_streams_and_their_subscriptions() {
    let server = Server::start("");
    let mut stream = Stream::open(&server, "channel=a&channel=b");
    let post = |path: &str, body: Value| {
        let answer = http::post(server.control, path, &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let id = open_connections(&server)[0]["id"].clone();
    post("/v1/unsubscribe", json!({"connection": id, "channel": "a"}));
    let message = stream.message();
    assert_eq!(
        (&message["event"], &message["data"]["channel"]),
        (&json!("unsubscribe"), &json!("a"))
    );
    publish(&server, &["a", "b"], 1);
    assert_eq!(stream.message()["room"], "b");
    assert!(!stream.last_id.contains("a=") && stream.last_id.contains("b=1"), "{}", stream.last_id);
    post("/v1/disconnect", json!({"connection": id}));
    assert_eq!(stream.closed(), (4005, "Disconnected by the service".into(), false));
}

#[test]
fn a_server_that_stops_tells_its_streams() {
    let server = Server::start("--drain-spread 300ms");
    let mut stream = Stream::open(&server, "channel=a");
    let mut many = Stream::open(&server, "channel=a&channel=b");
    let _websocket = Client::connect(&server);
    server.wait_metric("uringcast_event_streams", "", 2.0);
    assert_eq!(server.settled("uringcast_event_streams", ""), 2.0);
    server.terminate();
    for stream in [&mut stream, &mut many] {
        let told = stream.message();
        assert_eq!(told["event"], "session.reconnect", "{told}");
        assert_eq!(told["data"]["reason"], "shutdown");
        assert_eq!(stream.closed(), (1001, "Server is shutting down".into(), true));
    }
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_stream_that_is_not_read_is_closed_and_delays_nobody() {
    let server = Server::start("--log-bytes 200KiB --keepalive-interval 1h");
    let mut stuck =
        [Stream::open(&server, "channel=a"), Stream::open(&server, "channel=a&channel=b")];
    let mut reading = Stream::open(&server, "channel=b&channel=a");
    let data = json!({"pad": "x".repeat(60_000)}).to_string();
    let mut head = 0;
    until("both to be closed", || {
        head = server.publish("a", &data);
        assert_eq!(reading.message()["seq"], head);
        (open_connections(&server).len() == 1).then_some(())
    });
    server.wait_metric(ERRORS, "\"slow_consumer\"", 2.0);
    for stream in &mut stuck {
        let mut next = 1;
        // What it was sent until then, in order and whole, and why it ends.
        loop {
            let event = stream.event().expect("a close event");
            if event.kind == "close" {
                assert_eq!(event.data["code"], 1013, "{event:?}");
                assert_eq!((&event.data["reconnect"], stream.event()), (&json!(true), None));
                break;
            }
            assert_eq!(event.data["seq"], next);
            assert!(stream.last_id.ends_with(&format!("a={next}")), "{}", stream.last_id);
            next += 1;
        }
        assert!(next > 1 && next < head);
    }
}

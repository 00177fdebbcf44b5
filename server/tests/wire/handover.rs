//! All connections handed to a new server, without a close, a gap or a repetition.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::succession::Place;
use crate::support::ws::{Client, FIN, TEXT, frame, upgrade_request};
use crate::support::{PATIENCE, Server, http, tls, until};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use uringcast_engine::limits::HANDOVER_HANDSHAKES;

/// Reads the next message of a channel, whose position must be `seq`.
fn expect(client: &mut Client, seq: u64) -> Value {
    let message = client.message();
    assert_eq!(message["seq"], seq, "{message}");
    message
}

#[test]
fn clients_notice_nothing() {
    let place = Place::new();
    // The engine probes itself, as it does where nobody says otherwise.
    let mut server = place.start("--shards=1 --canary-interval=100ms");
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&server)).collect();
    let mut begins = Vec::new();
    for client in &mut clients {
        begins.push(client.subscribe("news")["epoch"].clone());
        client.subscribe("other");
    }
    // Half of them have sent half a message.
    let ping = frame(FIN | TEXT, br#"{"type":"ping","id":"halves"}"#);
    let (first, second) = ping.split_at(9);
    let mut last = 0;
    for shards in [2, 2, 1, 3, 1] {
        clients.iter_mut().step_by(2).for_each(|client| client.raw(first));
        last = server.publish("news", r#"{"before": true}"#);
        server = place.succeed(server, &format!("--shards={shards} --canary-interval=100ms"));
        assert_eq!(server.publish("news", r#"{"after": true}"#), last + 1);
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(expect(client, last)["data"]["before"], true);
            assert_eq!(expect(client, last + 1)["data"]["after"], true);
            if number % 2 == 0 {
                client.raw(second);
                assert_eq!(client.message()["correlation_id"], "halves");
            }
            client.assert_alive();
        }
        last += 1;
    }
    let mut fresh = Client::connect(&server);
    let begin = fresh.subscribe("news");
    assert_eq!((&begin["epoch"], &begin["seq"]), (&begins[0], &json!(last)));
    // What they have is ended where it was begun.
    let left = clients[0].ask(&json!({"type": "unsubscribe", "data": {"channel": "other"}}));
    assert_eq!(left["data"]["status"], "unsubscribed", "{left}");
    // Its own probes end with a server: they are none of those that stay.
    let flags = format!("--take-over={} --canary-interval=100ms", place.socket().display());
    let _after = place.start(&flags);
    let line = server.logged("handed over");
    assert!(line.contains("connections=21") && line.contains("staying=0"), "{line}");
}

#[test]
fn under_load_nothing_is_lost_or_repeated() {
    const CHANNELS: u64 = 4;
    let place = Place::new();
    let mut server = place.start("--shards=2");
    let is_over = Arc::new(AtomicBool::new(false));
    let control = server.control;
    // Publishers over HTTP, one at each channel, one message after the other.
    let publishers: Vec<_> = (0..CHANNELS)
        .map(|channel| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let path = format!("/v1/publish/raw?channel=c{channel}&event=test");
                let mut seq = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let data = format!(r#"{{"number": {seq}}}"#);
                    let answer = http::post(control, &path, &data);
                    assert_eq!(answer.status, 202, "{}", answer.body);
                    let body: Value = serde_json::from_str(&answer.body).unwrap();
                    seq += 1;
                    assert_eq!(body["results"][0]["seq"], seq);
                }
                seq
            })
        })
        .collect();
    // Each reads a channel, and sends requests of which each is answered, in order.
    let readers: Vec<_> = (0..8 * CHANNELS)
        .map(|number| {
            let mut client = Client::connect(&server);
            let channel = format!("c{}", number % CHANNELS);
            let begin = client.subscribe(&channel)["seq"].as_u64().unwrap();
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let (mut seq, mut asked) = (begin, 0);
                while !is_over.load(Ordering::Relaxed) {
                    client.say(&json!({"type": "ping", "id": asked.to_string()}));
                    loop {
                        let message = client.message();
                        if message["type"] == "pong" {
                            assert_eq!(message["correlation_id"], asked.to_string(), "{message}");
                            break;
                        }
                        seq += 1;
                        assert_eq!(message["seq"], seq, "{message}");
                    }
                    asked += 1;
                }
                (client, number % CHANNELS, seq)
            })
        })
        .collect();
    for shards in [1, 3, 2, 2] {
        until("something to be under way", || {
            (server.metric("uringcast_deliveries_total", "") > 0.0).then_some(())
        });
        server = place.succeed(server, &format!("--shards={shards}"));
    }
    is_over.store(true, Ordering::Relaxed);
    let heads: Vec<u64> = publishers.into_iter().map(|one| one.join().unwrap()).collect();
    for reader in readers {
        let (mut client, channel, mut seq) = reader.join().unwrap();
        while seq < heads[channel as usize] {
            seq += 1;
            expect(&mut client, seq);
        }
        client.assert_alive();
    }
}

/// While the old process lets go of a crowd, it takes nothing of what arrives for the new one.
#[test]
fn requests_in_a_row_are_answered_each_once_however_many_go_over() {
    const ROW: u64 = 50;
    let place = Place::new();
    let mut server = place.start("--shards=1 --max-connections=1000 --anonymous-publish");
    let _crowd: Vec<_> = (0..800).map(|_| Client::connect(&server)).collect();
    let mut publisher = Client::connect(&server);
    let is_over = Arc::new(AtomicBool::new(false));
    let publishing = {
        let is_over = Arc::clone(&is_over);
        thread::spawn(move || {
            let mut seq = 0;
            while !is_over.load(Ordering::Relaxed) {
                let data = json!({"channel": "row", "event": "test", "data": {}});
                let request = json!({"type": "request", "event": "publish", "data": data});
                let request = frame(FIN | TEXT, request.to_string().as_bytes());
                publisher.raw(&request.repeat(ROW as usize));
                for _ in 0..ROW {
                    seq += 1;
                    let answer = publisher.message();
                    assert_eq!(answer["data"]["seq"], seq, "{answer}");
                }
            }
        })
    };
    for _ in 0..4 {
        server = place.succeed(server, "--shards=1 --max-connections=1000 --anonymous-publish");
    }
    is_over.store(true, Ordering::Relaxed);
    publishing.join().unwrap();
}

#[test]
fn over_tls_clients_notice_nothing_where_records_are_ours() {
    let place = Place::new();
    let certs = place.path().join("certs");
    let secure = format!("--auto-cert --ktls=off --cert-dir={}", certs.display());
    let mut server = place.start(&format!("--shards=2 {secure}"));
    let config = tls::config(&server, &TLS13, None);
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect_secure(&server, &config)).collect();
    clients.iter_mut().for_each(|client| drop(client.subscribe("news")));
    // rustls makes its records: it is told to come again.
    let mut stays = Client::connect_secure(&server, &tls::config(&server, &TLS12, None));
    let stays = thread::spawn(move || stays.closed().0);
    let mut seq = 0;
    for shards in [1, 2] {
        server = place.succeed(server, &format!("--shards={shards} {secure}"));
        seq += 1;
        assert_eq!(server.publish("news", "{}"), seq);
        for client in &mut clients {
            expect(client, seq);
            client.tls().refresh_traffic_keys().unwrap();
            client.assert_alive();
            client.assert_alive();
        }
    }
    assert_eq!(stays.join().unwrap(), 1001);
    // The first server's ticket.
    let mut resumed = Client::connect_secure(&server, &config);
    resumed.assert_alive();
    assert_eq!(resumed.tls().handshake_kind(), Some(HandshakeKind::Resumed));
}

/// A connection with the beginning of a request on it, and the rest of that.
fn begun(server: &Server) -> (TcpStream, String) {
    let request = upgrade_request(server.clients[0], "");
    let (first, rest) = request.split_at(20);
    let mut slow = TcpStream::connect(server.clients[0]).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(first.as_bytes()).unwrap();
    assert_eq!(server.wait_metric("uringcast_accepts_total", "", 1.0), 1.0);
    (slow, rest.to_owned())
}

#[test]
fn a_handshake_that_takes_long_stays_and_is_told_to_come_again() {
    let place = Place::new();
    let server = place.start("--shards=1");
    let (mut slow, rest) = begun(&server);
    let after = place.start(&format!("--take-over={}", place.socket().display()));
    let line = server.logged("handed over");
    assert!(line.contains("handshakes=1") && line.contains("pause_ms="), "{line}");
    slow.write_all(rest.as_bytes()).unwrap();
    let mut status = [0; 12];
    slow.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 503");
    drop(slow);
    assert!(server.ended().success());
    Client::connect(&after).assert_alive();
}

#[test]
fn a_handshake_under_way_has_seconds_to_end_and_delays_nobody() {
    let place = Place::new();
    let server = place.start("--shards=2");
    let (mut slow, rest) = begun(&server);
    thread::scope(|scope| {
        let after =
            scope.spawn(|| place.start(&format!("--take-over={}", place.socket().display())));
        server.logged("connects to take over");
        thread::sleep(2 * HANDOVER_HANDSHAKES);
        // Others come as always.
        let mut other = Client::connect(&server);
        other.subscribe("news");
        assert!(!server.log().contains("handed over"));
        slow.write_all(rest.as_bytes()).unwrap();
        let mut status = [0; 12];
        slow.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 101");
        let line = server.logged("handed over");
        assert!(line.contains("connections=2") && line.contains("handshakes=0"), "{line}");
        let after = after.join().unwrap();
        assert_eq!(after.publish("news", "{}"), 1);
        assert_eq!(other.message()["seq"], 1);
        other.assert_alive();
        drop(slow);
    });
}

#[test]
fn what_a_server_knows_goes_over() {
    let place = Place::new();
    let server = place.start("--shards=2");
    let path = "POST /v1/publish/raw?channel=orders&event=paid";
    let key = "Idempotency-Key: order-7\r\n";
    let first = http::send(server.control, path, key, "{}");
    assert_eq!(first.status, 202, "{}", first.body);
    Client::connect(&server).assert_alive();
    assert_eq!(server.wait_metric("uringcast_accepts_total", "", 1.0), 1.0);
    let server = place.succeed(server, "--shards=1");
    Client::connect(&server).assert_alive();
    let again = http::send(server.control, path, key, "{}");
    assert_eq!(again.status, 202, "{}", again.body);
    let [first, again]: [Value; 2] =
        [first, again].map(|answer| serde_json::from_str(&answer.body).unwrap());
    let result = &again["results"][0];
    assert_eq!(result["seq"], first["results"][0]["seq"]);
    assert_eq!(
        (&result["epoch"], &result["duplicate"]),
        (&first["results"][0]["epoch"], &json!(true))
    );
    assert_eq!(server.wait_metric("uringcast_accepts_total", "", 2.0), 2.0);
    assert_eq!(server.metric("uringcast_api_requests_total", "202"), 2.0);
}

#[test]
fn a_server_with_other_services_does_not_take_over() {
    let place = Place::new();
    let server = place.start("--shards=1");
    let mut client = Client::connect(&server);
    client.subscribe("news");
    let socket = place.socket();
    let refused = std::process::Command::new(crate::support::PROGRAM)
        .args(crate::support::FREE_PORTS)
        .arg("--server-name=another")
        .arg(format!("--take-over={}", socket.display()))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(r#"["another"]"#) && said.contains(r#"["uringcast"]"#), "{said}");
    server.logged("this process serves on");
    assert_eq!(server.publish("news", "{}"), 1);
    expect(&mut client, 1);
    client.assert_alive();
    // And it may be taken over by one that has the same.
    let server = place.succeed(server, "--shards=2");
    assert_eq!(server.publish("news", "{}"), 2);
    expect(&mut client, 2);
}

#[test]
fn nobody_to_take_over_from_is_an_operators_fault() {
    let place = Place::new();
    let output = std::process::Command::new(crate::support::PROGRAM)
        .args(crate::support::FREE_PORTS)
        .arg(format!("--take-over={}", place.socket().display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot take over from the server at"), "{said}");
    assert!(said.contains("--take-over"), "{said}");
}

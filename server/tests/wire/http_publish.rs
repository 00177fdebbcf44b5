//! Publishing over HTTP: once by id, in streams, and what a full engine answers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::http::{self, Answer};
use crate::support::ws::Client;
use crate::support::{PATIENCE, Server};
use serde_json::{Value, json};

const LINES: &str = "Content-Type: application/x-ndjson\r\n";

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))
}

fn publish(server: &Server, headers: &str, messages: &Value) -> (u16, Value) {
    let answer = http::send(server.control, "POST /v1/publish", headers, &messages.to_string());
    (answer.status, body(&answer))
}

fn lines(server: &Server, text: &str) -> (u16, Value) {
    let answer = http::send(server.control, "POST /v1/publish", LINES, text);
    (answer.status, body(&answer))
}

/// `data.n` of the next events.
fn numbers(client: &mut Client, count: usize) -> Vec<u64> {
    (0..count).map(|_| client.message()["data"]["n"].as_u64().unwrap()).collect()
}

fn message(n: u64) -> Value {
    json!({"channel": "c", "event": "e", "data": {"n": n}})
}

#[test]
fn a_message_with_an_id_is_published_once() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let mut first = message(1);
    first["id"] = "a".into();
    let published = publish(&server, "", &first).1["results"][0].clone();
    let epoch = published["epoch"].clone();
    assert_eq!(published, json!({"channel": "c", "seq": 1, "epoch": epoch}));
    let mixed = json!([first, message(2), first]);
    let again = json!({"channel": "c", "seq": 1, "epoch": epoch, "duplicate": true});
    let results = json!([again, {"channel": "c", "seq": 2, "epoch": epoch}, again]);
    assert_eq!(publish(&server, "", &mixed), (202, json!({ "results": results })));
    let mut twice = message(3);
    twice["id"] = "b".into();
    let twice = publish(&server, "", &json!([twice, twice])).1;
    let again = json!({"channel": "c", "seq": 3, "epoch": epoch, "duplicate": true});
    assert_eq!(twice["results"][1], again);
    publish(&server, "", &message(4));
    assert_eq!(numbers(&mut client, 4), [1, 2, 3, 4]);
}

#[test]
fn a_request_with_an_idempotency_key_is_published_once() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let key = "Idempotency-Key: 8f2c\r\n";
    let batch = json!([message(1), message(2)]);
    for repeat in [false, true] {
        let (status, answer) = publish(&server, key, &batch);
        assert_eq!((status, &answer["results"][1]["seq"]), (202, &json!(2)));
        assert_eq!(answer["results"][1]["duplicate"] == true, repeat, "{answer}");
    }
    let raw = "POST /v1/publish/raw?channel=c&event=e";
    for _ in 0..2 {
        let headers = "Idempotency-Key: other\r\n";
        let answer = body(&http::send(server.control, raw, headers, r#"{"n":3}"#));
        assert_eq!(answer["results"][0]["seq"], 3);
    }
    assert_eq!(publish(&server, "Idempotency-Key: \r\n", &batch).0, 400);
    let two = "Idempotency-Key: a\r\nIdempotency-Key: b\r\n";
    let (status, answer) = publish(&server, two, &batch);
    let said = "the header Idempotency-Key is given more than once";
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(said)));
    publish(&server, "", &message(4));
    assert_eq!(numbers(&mut client, 4), [1, 2, 3, 4]);
}

#[test]
fn a_batch_that_found_no_room_is_completed_by_its_repeat() {
    // The log holds all of it: the subscriber reads late, and must not be closed as too slow.
    let server = Server::start("--log-bytes 64MiB --log-frames 2000");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    // More than a channel holds before so many are served: in a turn more is published than they
    // are written.
    let crowd: Vec<Client> = (0..20)
        .map(|_| {
            let mut one = Client::connect(&server);
            one.subscribe("c");
            one
        })
        .collect();
    let pad = "x".repeat(40 << 10);
    let one = |n| json!({"channel": "c", "event": "e", "data": {"n": n, "pad": pad}});
    let batch: Value = (0..300).map(one).collect();
    let key = "Idempotency-Key: large\r\n";
    let answer = http::send(server.control, "POST /v1/publish", key, &batch.to_string());
    assert_eq!(answer.status, 503, "{}", &answer.body[..answer.body.len().min(200)]);
    assert!(answer.head.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"), "{}", answer.head);
    assert_eq!(body(&answer)["error"]["code"], "saturated");
    let reader = std::thread::spawn(move || numbers(&mut client, 300));
    crate::support::until("the rest to find room", || {
        let answer = http::send(server.control, "POST /v1/publish", key, &batch.to_string());
        (answer.status == 202).then_some(())
    });
    assert_eq!(reader.join().unwrap(), (0..300).collect::<Vec<_>>());
    drop(crowd);
}

#[test]
fn a_stream_is_published_line_by_line_in_order() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let text: String = (0..5_000).map(|n| format!("{}\r\n", message(n))).collect();
    let reader = std::thread::spawn(move || numbers(&mut client, 5_000));
    let (status, answer) = lines(&server, &text);
    let summary = json!({"lines": 5_000, "published": 5_000, "duplicates": 0});
    assert_eq!((status, &answer["summary"]), (202, &summary), "{answer}");
    assert_eq!(reader.join().unwrap(), (0..5_000).collect::<Vec<_>>());
}

#[test]
fn one_key_s_ids_are_not_another_s() {
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    keys.write_all(b"ci key-of-the-ci\nother key-of-another\n").unwrap();
    let server = Server::start(&format!("--api-keys-file={}", keys.path().display()));
    for (key, seq, duplicate) in [
        ("key-of-the-ci", 1, false),
        ("key-of-another", 2, false),
        ("key-of-the-ci", 1, true),
        ("key-of-another", 2, true),
    ] {
        let headers = format!("X-API-Key: {key}\r\nIdempotency-Key: same\r\n");
        let (status, answer) = publish(&server, &headers, &message(1));
        let result = &answer["results"][0];
        assert_eq!((status, &result["seq"]), (202, &json!(seq)), "{key} {answer}");
        assert_eq!(result["duplicate"] == true, duplicate, "{key} {answer}");
    }
}

#[test]
fn a_stream_is_published_while_it_goes_on() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let mut stream = TcpStream::connect(server.control).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{LINES}\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = |text: &str| {
        stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).unwrap();
    };
    let text = message(1).to_string();
    chunk(&text[..10]);
    chunk(&format!("{}\n\n", &text[10..]));
    assert_eq!(numbers(&mut client, 1), [1]);
    chunk(&message(2).to_string());
    chunk("");
    assert_eq!(numbers(&mut client, 1), [2], "the last line needs no end");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = Answer::parse(&answer);
    let summary = json!({"lines": 3, "published": 2, "duplicates": 0});
    assert_eq!((answer.status, &body(&answer)["summary"]), (202, &summary));
}

const BAD: &str = "{\"channel\":\"\",\"event\":\"e\"}\n";

/// Messages 1, 2, a bad one and 4, and the same with a good third.
fn broken_and_mended(line: impl Fn(u64) -> String) -> (String, String) {
    let broken = format!("{}{}{BAD}{}", line(1), line(2), line(4));
    let mended = broken.replace(BAD, &line(3));
    (broken, mended)
}

/// The part that the summary reports as still to be sent.
fn rest(text: &str, answer: &Value) -> String {
    let lines = answer["summary"]["lines"].as_u64().unwrap() as usize;
    text.split_inclusive('\n').skip(lines).collect()
}

#[test]
fn a_stream_ends_at_a_bad_line_and_can_be_sent_again_from_there() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let (broken, mended) = broken_and_mended(|n| format!("{}\n", message(n)));
    let (status, answer) = lines(&server, &format!("\n{broken}"));
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("line 4: channel is empty")));
    assert_eq!(answer["summary"], json!({"lines": 3, "published": 2, "duplicates": 0}));
    let (status, answer) = lines(&server, &rest(&format!("\n{mended}"), &answer));
    let summary = json!({"lines": 2, "published": 2, "duplicates": 0});
    assert_eq!((status, &answer["summary"]), (202, &summary));
    assert_eq!(numbers(&mut client, 4), [1, 2, 3, 4]);
}

#[test]
fn a_stream_with_ids_can_be_sent_again_from_anywhere() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let (broken, mended) = broken_and_mended(|n| {
        let mut message = message(n);
        message["id"] = n.to_string().into();
        format!("{message}\n")
    });
    let (_, answer) = lines(&server, &broken);
    for (text, published, duplicates) in [(mended.clone(), 2, 2), (rest(&mended, &answer), 0, 2)] {
        let summary = lines(&server, &text).1["summary"].clone();
        assert_eq!(summary["published"], published);
        assert_eq!(summary["duplicates"], duplicates);
    }
    assert_eq!(numbers(&mut client, 4), [1, 2, 3, 4]);
}

#[test]
fn a_stream_with_a_key_is_sent_again_whole_or_its_rest_with_a_new_key() {
    let (broken, mended) = broken_and_mended(|n| format!("{}\n", message(n)));
    for whole in [true, false] {
        let server = Server::start("");
        let mut client = Client::connect(&server);
        client.subscribe("c");
        let send = |key: &str, text: &str| {
            let headers = format!("{LINES}Idempotency-Key: {key}\r\n");
            body(&http::send(server.control, "POST /v1/publish", &headers, text))
        };
        let first = send("one", &broken);
        assert_eq!(first["summary"], json!({"lines": 2, "published": 2, "duplicates": 0}));
        let (second, duplicates) = match whole {
            true => (send("one", &mended), 2),
            false => (send("two", &rest(&mended, &first)), 0),
        };
        assert_eq!(second["summary"]["published"], 2, "{second}");
        assert_eq!(second["summary"]["duplicates"], duplicates, "{second}");
        assert_eq!(numbers(&mut client, 4), [1, 2, 3, 4]);
    }
}

#[test]
fn a_stream_ends_at_a_line_whose_channel_is_one_too_many() {
    let server = Server::start("--shards 1 --shard-channels 1");
    let other = json!({"channel": "d", "event": "e"});
    let text = format!("{}\n{other}\n{}\n", message(1), message(2));
    let answer = http::send(server.control, "POST /v1/publish", LINES, &text);
    assert_eq!(answer.status, 507, "{}", answer.body);
    assert!(!answer.head.to_ascii_lowercase().contains("retry-after"), "{}", answer.head);
    let answer = body(&answer);
    assert_eq!(answer["error"]["code"], "channel_limit");
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.starts_with("line 2: ") && said.contains("shard_channels"), "{said}");
    assert_eq!(answer["summary"]["lines"], 1);
}

#[test]
fn a_stream_has_bounds_and_may_have_a_key() {
    let server = Server::start("--max-message-size=1KiB");
    let long = format!("{}\n{{\"x\":\"{}", message(1), "y".repeat(64 << 10));
    let (status, answer) = lines(&server, &long);
    let said = answer["error"]["message"].as_str().unwrap();
    assert_eq!((status, said), (413, "line 2 has more than 9216 bytes"));
    assert_eq!(answer["summary"]["published"], 1);
    let headers = format!("{LINES}Idempotency-Key: a\r\n");
    let text = format!("{}\n{}\n", message(2), message(3));
    for (published, duplicates) in [(2, 0), (0, 2)] {
        let answer = body(&http::send(server.control, "POST /v1/publish", &headers, &text));
        let summary = json!({"lines": 2, "published": published, "duplicates": duplicates});
        assert_eq!(answer["summary"], summary);
    }
    let nothing = json!({"lines": 0, "published": 0, "duplicates": 0});
    assert_eq!(lines(&server, ""), (202, json!({ "summary": nothing })));
}

#[test]
fn every_name_of_lines_of_json_is_a_stream() {
    let server = Server::start("");
    for (place, media) in
        ["application/ndjson", "application/jsonl", "application/x-jsonlines; charset=utf-8"]
            .iter()
            .enumerate()
    {
        let text = format!("{}\n{}\n", message(1), message(2));
        let headers = format!("Content-Type: {media}\r\n");
        let answer = http::send(server.control, "POST /v1/publish", &headers, &text);
        assert_eq!(answer.status, 202, "{media}: {}", answer.body);
        assert_eq!(body(&answer)["summary"]["published"], 2, "{media}, after {place}");
    }
}

#[test]
fn a_byte_order_mark_before_a_body_is_passed_over() {
    let server = Server::start("");
    for text in [message(1).to_string(), json!([message(2)]).to_string()] {
        let text = format!("\u{feff}{text}");
        let answer = http::send(server.control, "POST /v1/publish", "", &text);
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    let answer = http::post(server.control, "/v1/publish/raw?channel=c&event=e", "\u{feff}{}");
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(lines(&server, &format!("\u{feff}{}\n", message(4))).0, 202);
}

#[test]
fn a_compressed_body_is_published_and_another_encoding_is_answered_415() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("c");
    let compressed = |text: String| {
        let mut bytes = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut encoder = async_compression::tokio::bufread::GzipEncoder::new(text.as_bytes());
        runtime.block_on(tokio::io::AsyncReadExt::read_to_end(&mut encoder, &mut bytes)).unwrap();
        bytes
    };
    let send = |headers: &str, bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.control).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (length, host) = (bytes.len(), server.control);
        let head = format!(
            "POST /v1/publish HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(&[head.as_bytes(), bytes].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer)
    };
    let gzip = "Content-Encoding: gzip\r\n";
    let json = "Content-Type: application/json\r\n";
    let whole = format!("{gzip}{json}");
    assert_eq!(send(&whole, &compressed(message(1).to_string())).status, 202);
    let stream = format!("{gzip}{LINES}");
    let text: String = (2..10).map(|n| format!("{}\n", message(n))).collect();
    assert_eq!(send(&stream, &compressed(text)).status, 202);
    assert_eq!(numbers(&mut client, 9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let refused = send(&format!("Content-Encoding: compress\r\n{json}"), b"x");
    assert_eq!(
        (refused.status, &body(&refused)["error"]["code"]),
        (415, &json!("unsupported_encoding"))
    );
    let accepted = "accept-encoding: gzip, deflate, br, zstd";
    assert!(refused.head.to_lowercase().contains(accepted), "{}", refused.head);
    // Small, and 17 MiB once it is decompressed.
    let bomb = compressed(" ".repeat(17 << 20));
    assert_eq!(send(&whole, &bomb).status, 413);
}

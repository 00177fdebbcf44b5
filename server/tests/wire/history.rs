//! What a channel's log holds, read by request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;

use crate::support::ws::Client;
use crate::support::{Server, http};
use serde_json::{Value, json};

/// Publishes so many messages.
fn publish(server: &Server, channel: &str, messages: u64) {
    for n in 1..=messages {
        let item = json!({"channel": channel, "event": "n", "data": {"n": n}, "key": "k"});
        assert_eq!(http::post(server.control, "/v1/publish", &item.to_string()).status, 202);
    }
}

fn read(server: &Server, channel: &str, query: &str) -> (u16, Value) {
    let answer = http::get(server.control, &format!("/v1/channels/{channel}/history?{query}"));
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

fn numbers(page: &Value) -> Vec<u64> {
    let messages = page["messages"].as_array().unwrap().iter();
    messages.map(|message| message["seq"].as_u64().unwrap()).collect()
}

#[test]
fn pages_over_http_have_every_message_of_the_log_once_in_both_directions() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards={shards} --log-frames=20"));
        for channel in ["a", "b", "c", "d"] {
            publish(&server, channel, 25);
            let (status, first) = read(&server, channel, "limit=7");
            assert_eq!(status, 200);
            assert_eq!(first["messages"][0]["data"], json!({"n": 6}), "{first}");
            assert_eq!(
                (&first["messages"][0]["event"], &first["messages"][0]["key"]),
                (&json!("n"), &json!("k"))
            );
            assert_eq!((&first["oldest"], &first["newest"]), (&json!(6), &json!(25)));
            let epoch = first["epoch"].as_str().unwrap().to_owned();
            for reverse in [false, true] {
                let (mut seen, mut page) = (
                    Vec::<u64>::new(),
                    read(&server, channel, &format!("limit=7&reverse={reverse}")).1,
                );
                loop {
                    assert_eq!(page["partial"], false, "{page}");
                    let part = numbers(&page);
                    seen.extend(&part);
                    if page["more"] == false {
                        break;
                    }
                    let since = part.last().unwrap();
                    let query = format!("since={since}&epoch={epoch}&limit=7&reverse={reverse}");
                    page = read(&server, channel, &query).1;
                }
                let mut all: Vec<u64> = (6..=25).collect();
                if reverse {
                    all.reverse();
                }
                assert_eq!(seen, all, "{shards} shards, {channel}");
            }
        }
        server.wait_metric("uringcast_history_reads_total", "", 4.0 * 7.0);
    }
}

#[test]
fn what_is_not_there_any_more_is_told() {
    let server = Server::start("--shards=2 --log-frames=5");
    publish(&server, "a", 9);
    let why = |query: &str| {
        let page = read(&server, "a", query).1;
        (numbers(&page), page["partial"].as_bool().unwrap(), page["reason"].clone())
    };
    assert_eq!(why("since=2"), (vec![5, 6, 7, 8, 9], true, json!("retention")));
    assert_eq!(why("since=4"), (vec![5, 6, 7, 8, 9], false, Value::Null));
    assert_eq!(why("since=10"), (vec![], true, json!("ahead")));
    let other = "since=7&epoch=00000000000000aa&limit=1";
    assert_eq!(why(other), (vec![5], true, json!("restart")));
    assert_eq!(why("since=3&reverse=true"), (vec![], false, Value::Null));
    let unknown = read(&server, "nobody", "").1;
    assert_eq!((&unknown["oldest"], &unknown["newest"]), (&Value::Null, &json!(0)));
    for bad in ["limit=0", "limit=1001", "since=-1", "since=x", "epoch=7", "reverse=7", "to=3"] {
        assert_eq!(read(&server, "a", bad).0, 400, "{bad}");
    }
}

#[test]
fn an_answer_has_a_mebibyte_or_one_message() {
    let server = Server::start("--log-bytes=16MiB --max-message-size=4MiB");
    let large = json!({"x": "x".repeat(600 << 10)}).to_string();
    for _ in 0..3 {
        server.publish("a", &large);
    }
    server.publish("a", &json!({"x": "x".repeat(2 << 20)}).to_string());
    for (query, seqs, more) in
        [("", vec![1], true), ("since=2", vec![3], true), ("since=3", vec![4], false)]
    {
        let page = read(&server, "a", query).1;
        assert_eq!((numbers(&page), page["more"].as_bool().unwrap()), (seqs, more), "{query}");
    }
}

#[test]
fn a_key_reads_its_own_channels_with_the_right_to_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let lines = "eye key-of-the-eye [read] a:\nci key-of-the-ci [publish]";
    writeln!(file, "{lines}").unwrap();
    let server = Server::start(&format!("--api-keys-file {}", file.path().display()));
    for (key, channel, status) in [("eye", "a:1", 200), ("eye", "b", 403), ("ci", "a:1", 403)] {
        let (what, header) = (
            format!("GET /v1/channels/{channel}/history"),
            format!("X-API-Key: key-of-the-{key}\r\n"),
        );
        let answer = http::send(server.control, &what, &header, "");
        assert_eq!(answer.status, status, "{key} {channel}: {}", answer.body);
    }
}

fn ask(client: &mut Client, data: &Value) -> Value {
    client.ask(&json!({"id": "h", "type": "request", "event": "history", "data": data}))
}

#[test]
fn clients_read_pages_in_both_directions_whichever_shard_has_the_channel() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards={shards} --message-rate=0"));
        let mut client = Client::connect(&server);
        for channel in ["a", "b", "c", "d"] {
            publish(&server, channel, 25);
            for reverse in [false, true] {
                let (mut seen, mut since) = (Vec::<u64>::new(), Value::Null);
                loop {
                    let range =
                        json!({"channel": channel, "since": since, "limit": 7, "reverse": reverse});
                    let answer = ask(&mut client, &range);
                    assert_eq!(
                        (&answer["event"], &answer["correlation_id"]),
                        (&json!("history"), &json!("h"))
                    );
                    let page = &answer["data"];
                    assert_eq!(page["partial"], false, "{page}");
                    let over_http = read(&server, channel, "limit=1").1;
                    assert_eq!(
                        (&page["epoch"], &page["newest"]),
                        (&over_http["epoch"], &json!(25))
                    );
                    seen.extend(numbers(page));
                    if page["more"] == false {
                        break;
                    }
                    since = json!({"epoch": page["epoch"], "seq": seen.last()});
                }
                let mut all: Vec<u64> = (1..=25).collect();
                if reverse {
                    all.reverse();
                }
                assert_eq!(seen, all, "{shards} shards, {channel}");
            }
        }
    }
}

#[test]
fn an_answer_comes_in_the_order_of_the_requests_and_knows_what_was_published_before() {
    for shards in [1, 2, 4] {
        let server =
            Server::start(&format!("--shards={shards} --message-rate=0 --anonymous-publish"));
        let mut client = Client::connect(&server);
        for n in 0..20 {
            let channel = format!("room:{n}");
            let publication = json!({"channel": channel, "event": "e", "data": {}});
            let asked = json!({ "channel": channel });
            let requests = [
                ("1", "publish", &publication),
                ("2", "publish", &publication),
                ("3", "history", &asked),
            ];
            for (id, event, data) in requests {
                client.say(&json!({"id": id, "type": "request", "event": event, "data": data}));
            }
            client.say(&json!({"id": "4", "type": "ping"}));
            let answers: Vec<Value> = (0..4).map(|_| client.message()).collect();
            let ids: Vec<&str> =
                answers.iter().map(|answer| answer["correlation_id"].as_str().unwrap()).collect();
            assert_eq!(ids, ["1", "2", "3", "4"], "{shards} shards");
            assert_eq!(numbers(&answers[2]["data"]), [1, 2], "{shards} shards");
        }
    }
}

#[test]
fn what_a_client_is_answered_fits_half_of_its_outbox() {
    let server = Server::start("--shards=2 --max-outbox=8192");
    for bytes in [1_000, 1_000, 1_000, 1_000, 6_000, 10] {
        server.publish("a", &json!({"x": "x".repeat(bytes)}).to_string());
    }
    let mut client = Client::connect(&server);
    let epoch = read(&server, "a", "").1["epoch"].clone();
    let mut page = |since: u64| {
        let since = json!({"epoch": epoch, "seq": since});
        ask(&mut client, &json!({"channel": "a", "since": since}))["data"].clone()
    };
    let first = page(0);
    assert_eq!((numbers(&first), &first["more"]), (vec![1, 2, 3], &json!(true)));
    assert_eq!((numbers(&page(3)), numbers(&page(4))), (vec![4], vec![5]));
    let large = &page(4)["messages"][0];
    assert_eq!((large["bytes"].as_u64(), large.get("data")), (Some(6_008), None), "{large}");
    assert_eq!(numbers(&page(5)), [6]);
}

#[test]
fn a_class_says_who_reads_history() {
    let secret = "an-old-oak-in-the-meadow-of-1849";
    let server = Server::start_by(
        {
            let mut command = std::process::Command::new(crate::support::PROGRAM);
            command.args([
                "--class=open:* history=on; shut:* history=off; audit:* history=auditor",
                "--auth-enabled=optional",
                &format!("--jwt-secret={secret}"),
            ]);
            command
        },
        &crate::support::FREE_PORTS.join(" "),
        &[],
    );
    for channel in ["open:1", "shut:1", "audit:1", "other"] {
        server.publish(channel, "{}");
        assert_eq!(read(&server, channel, "").0, 200, "a key is asked for its right only");
    }
    let mut client = Client::connect(&server);
    let mut may = |channel: &str| {
        let answer = ask(&mut client, &json!({ "channel": channel }));
        if answer["error_code"].is_null() {
            assert_eq!(numbers(&answer["data"]), [1], "{answer}");
        } else {
            assert_eq!(answer["error_code"], "FORBIDDEN", "{answer}");
        }
        answer["error_code"].is_null()
    };
    assert_eq!(["open:1", "shut:1", "audit:1", "other"].map(&mut may), [true, false, false, true]);
    // Nor does a subscription begin with older messages.
    for older in [json!({"last": 5}), json!({"replay": "latest"})] {
        let mut data = older.clone();
        data["channels"] = json!(["open:1", "shut:1", "audit:1"]);
        let mut client = Client::connect(&server);
        let reply = client.ask(&json!({"type": "subscribe", "data": data}));
        let failed = json!({"shut:1": "FORBIDDEN", "audit:1": "FORBIDDEN"});
        assert_eq!(reply["data"]["failed"], failed, "{older}: {reply}");
        assert_eq!(reply["data"]["channels"], json!(["open:1"]));
    }
}

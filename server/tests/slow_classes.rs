//! Messages that replace each other, and subscribers that are behind: what a class of channels does
//! for them.

mod support;

use serde_json::{Value, json};
use support::Server;
use support::ws::Client;

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
        let answer = support::http::post(server.control, path, body);
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
            let answer = support::http::post(server.control, path, body);
            assert_eq!(answer.status, 400, "{}", answer.body);
            assert!(answer.body.contains("key "), "{}", answer.body);
        }
    }
}

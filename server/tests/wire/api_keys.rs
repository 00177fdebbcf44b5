//! Keys of publishers: what each is good for.

use std::io::Write;

use crate::support::Server;
use crate::support::http::Answer;
use serde_json::json;

fn ask_http(server: &Server, method: &str, path: &str, key: &str, body: &str) -> Answer {
    let (what, key) = (format!("{method} {path}"), format!("X-API-Key: {key}\r\n"));
    crate::support::http::send(server.control, &what, &key, body)
}

#[test]
fn a_key_is_good_for_its_own_channels_only() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "# of two services\nci   key-of-the-ci workflow: pool:\n\nops key-of-the-ops")
        .expect("written");
    let server = Server::start(&format!("--api-keys-file {}", file.path().display()));
    let item = |channel: &str| json!({"channel": channel, "event": "e"}).to_string();
    for (key, channel, status) in [
        ("key-of-the-ci", "workflow:1", 202),
        ("key-of-the-ci", "pool:1", 202),
        ("key-of-the-ci", "other", 403),
        ("key-of-the-ops", "other", 202),
        ("key-of-nobody", "workflow:1", 401),
    ] {
        let answer = ask_http(&server, "POST", "/v1/publish", key, &item(channel));
        assert_eq!(answer.status, status, "{key} {channel}: {}", answer.body);
    }
    let both = format!("[{},{}]", item("pool:1"), item("other"));
    let answer = ask_http(&server, "POST", "/v1/publish", "key-of-the-ci", &both);
    assert!(answer.status == 403 && answer.body.contains("other"), "{}", answer.body);
    // Requests about all channels need a key that is valid for all.
    for path in ["/v1/channels", "/debug/latency", "/debug/live"] {
        for (key, status) in [("ci", 403), ("ops", 200)] {
            let answer = ask_http(&server, "GET", path, &format!("key-of-the-{key}"), "");
            assert_eq!(answer.status, status, "{key} {path}: {}", answer.body);
        }
    }
    let requests = "uringcast_api_requests_total";
    assert_eq!(server.metric(requests, r#"code="202",key="ci""#), 2.0);
    assert_eq!(server.metric(requests, r#"code="401",key="""#), 1.0);
    let page = crate::support::http::get(server.metrics, "/metrics").body;
    assert!(!page.contains("key-of-the") && !server.log().contains("key-of-the"));
}

#[test]
fn a_key_has_the_rights_that_its_brackets_name() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let lines = "eye key-of-the-eye [read]\nci key-of-the-ci [publish]\nops key-of-the-ops";
    writeln!(file, "{lines}").expect("written");
    let server = Server::start(&format!("--api-keys-file {}", file.path().display()));
    let item = json!({"channel": "c", "event": "e"}).to_string();
    let document = json!({"status": "up"}).to_string();
    let gone = json!({"user": "nobody"}).to_string();
    for (method, path, body, [eye, ci]) in [
        ("GET", "/v1/channels", "", [200, 403]),
        ("GET", "/v1/connections", "", [200, 403]),
        ("GET", "/v1/channels/c/history", "", [200, 403]),
        ("GET", "/debug/live", "", [200, 403]),
        ("POST", "/v1/publish", &item, [403, 202]),
        ("POST", "/v1/publish/raw?channel=c&event=e", "{}", [403, 202]),
        ("PUT", "/v1/channels/c/status", &document, [403, 204]),
        ("POST", "/v1/disconnect", &gone, [403, 403]),
    ] {
        for (key, status) in [("eye", eye), ("ci", ci)] {
            let answer = ask_http(&server, method, path, &format!("key-of-the-{key}"), body);
            assert_eq!(answer.status, status, "{key} {method} {path}: {}", answer.body);
        }
        let answer = ask_http(&server, method, path, "key-of-the-ops", body);
        assert!(answer.status < 300, "ops {method} {path}: {}", answer.body);
    }
    for (key, may) in [("eye", false), ("ops", true)] {
        let page = ask_http(&server, "GET", "/debug/live", &format!("key-of-the-{key}"), "");
        assert!(page.body.contains(&format!("\"may_manage\":{may}")), "{key}");
    }
}

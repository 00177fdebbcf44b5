//! The whole server, started as a process on free ports of the loopback.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    line: String,
}

impl Server {
    fn command(flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uringcast-server"));
        let free = ["--port=0", "--control-port=0", "--metrics-port=0", "--shards=4"];
        command.args(free).args(flags).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(flags: &[&str]) -> Server {
        let mut child = Server::command(flags).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        assert!(line.starts_with("listening ws"), "{line:?}");
        Server { child, log, line }
    }

    /// The word after `name` in the line on standard output, without its scheme.
    fn address(&self, name: &str) -> &str {
        let mut words = self.line.split_whitespace().skip_while(|word| *word != name);
        let word = words.nth(1).unwrap();
        word.split_once("://").map_or(word, |(_, address)| address)
    }

    fn request(&self, port: &str, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address(port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        let (start, headers) = head.split_once('\n').unwrap_or((head, ""));
        let head = format!(
            "{start} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             {headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn json(&self, head: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.request("control", head, body.as_bytes());
        (status, serde_json::from_str(&text).unwrap())
    }

    fn signal(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
    }

    fn await_log(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log ended without {words}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn publications_get_their_positions_and_channels_are_listed() {
    // More shards than channels: a shard that is home of nothing makes no empty page.
    let server = Server::start(&[]);
    let one = r#"{"channel":"a:1","event":"e","data":{"x":1}}"#;
    let (status, body) = server.json("POST /v1/publish", one);
    let epoch = body["results"][0]["epoch"].clone();
    let one_at = |channel: &str, seq: u64| json!({"channel": channel, "seq": seq, "epoch": epoch});
    assert_eq!((status, body), (202, json!({"results": [one_at("a:1", 1)]})));
    let two = format!(r#"[{one},{{"channel":"b","event":"e"}}]"#);
    let (status, body) = server.json("POST /v1/publish", &two);
    let results = json!([one_at("a:1", 2), one_at("b", 1)]);
    assert_eq!((status, body), (202, json!({"results": results})));
    let (status, body) = server.json("POST /v1/publish/raw?channel=b&event=e", r#"{"y":2}"#);
    assert_eq!((status, body), (202, json!({"results": [one_at("b", 2)]})));

    let mut found = Vec::new();
    let mut cursor = json!(0);
    while !cursor.is_null() {
        let (status, page) = server.json(&format!("GET /v1/channels?limit=1&cursor={cursor}"), "");
        assert_eq!(status, 200, "{page}");
        let empty = page["channels"].as_array().unwrap().is_empty();
        assert!(!empty || page["next"].is_null(), "an empty page in the middle: {page}");
        for channel in page["channels"].as_array().unwrap() {
            assert_eq!((channel["epoch"].as_str().unwrap().len(), &channel["epoch"]), (16, &epoch));
            let number = |key: &str| channel[key].as_u64().unwrap();
            let name = channel["name"].as_str().unwrap().to_owned();
            found.push((name, number("seq"), number("subscribers")));
        }
        cursor = page["next"].clone();
    }
    found.sort();
    assert_eq!(found, [("a:1".into(), 2, 0), ("b".into(), 2, 0)]);
}

#[test]
fn bad_requests_get_their_status_and_a_json_error() {
    let server = Server::start(&[]);
    for (head, body, status, words) in [
        ("POST /v1/publish", "{", 400, "EOF"),
        (
            "POST /v1/publish",
            r#"[{"channel":"a","event":"e","dta":{}}]"#,
            400,
            "message 0: unknown",
        ),
        ("POST /v1/publish/raw?channel=a", "{}", 400, "missing field `event`"),
        ("POST /v1/publish/raw?channel=a&event=e", "[]", 400, "not a JSON object"),
        ("POST /v1/publish\nOrigin: http://x\r\n", "{}", 403, "Origin"),
        ("GET /v1/publish", "", 405, "method"),
        ("GET /nothing", "", 404, "path"),
        ("GET /v1/channels?limit=0", "", 400, "limit"),
        ("GET /v1/channels?page=1", "", 400, "unknown field"),
    ] {
        let (got, answer) = server.json(head, body);
        assert_eq!(got, status, "{head}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{head}: {answer}");
        assert!(answer["error"]["code"].is_string());
    }
    let huge = vec![b' '; (16 << 20) + 1];
    let (status, body) = server.request("control", "POST /v1/publish", &huge);
    assert!(status == 413 && body.contains("too_large"), "{status} {body}");
}

#[test]
fn with_a_key_only_health_and_readiness_are_open() {
    let server = Server::start(&["--api-key=0123456789abcdef"]);
    let one = r#"{"channel":"a","event":"e"}"#;
    assert_eq!(server.json("GET /health", ""), (200, json!({"status": "ok"})));
    assert_eq!(server.json("GET /ready", ""), (200, json!({"status": "ready"})));
    assert_eq!(server.json("POST /v1/publish", one).0, 401);
    assert_eq!(server.json("GET /v1/channels", "").0, 401);
    let with_key = "POST /v1/publish\nAuthorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(server.json(with_key, one).0, 202);
}

#[test]
fn what_was_published_is_in_the_metrics() {
    let server = Server::start(&["--server-name=orders"]);
    let (status, _) = server.json("POST /v1/publish", r#"{"channel":"a:1","event":"e"}"#);
    assert_eq!(status, 202);
    let wanted = "websocket_broadcast_total{server=\"orders\",channel=\"a\"} 1\n";
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, text) = server.request("metrics", "GET /metrics", b"");
        assert_eq!(status, 200);
        if text.contains(wanted) {
            assert!(
                text.contains("websocket_connections_active{server=\"orders\",tls_mode=\"ws\"}")
            );
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
    }
    assert_eq!(server.request("metrics", "GET /v1/channels", b"").0, 404);
}

#[test]
fn without_metrics_there_is_no_metrics_port() {
    let server = Server::start(&["--no-metrics"]);
    assert!(!server.line.contains("metrics"), "{}", server.line);
}

#[test]
fn tls_is_announced_with_the_certificate_to_trust() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--auto-cert", "--cert-dir", dir.path().to_str().unwrap()]);
    assert!(server.line.starts_with("listening wss://127.0.0.1:"), "{}", server.line);
    let cert = std::fs::read_to_string(server.address("cert")).unwrap();
    assert!(cert.contains("BEGIN CERTIFICATE"));
}

/// Opens a WebSocket and reads until the welcome has come.
fn open_client(server: &Server) -> TcpStream {
    let mut client = TcpStream::connect(server.address("listening")).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(upgrade.as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("session.created") {
        let mut more = [0; 4096];
        let n = client.read(&mut more).unwrap();
        assert_ne!(n, 0, "closed without a welcome");
        seen.extend(&more[..n]);
    }
    client
}

#[test]
fn a_signal_closes_clients_with_1001_and_exits_0() {
    let mut server = Server::start(&["--drain-timeout=1m", "--drain-spread=0"]);
    let mut client = open_client(&server);
    server.signal();
    let mut close = [0; 4];
    client.read_exact(&mut close).unwrap();
    assert_eq!((close[0], &close[2..]), (0x88, &1001_u16.to_be_bytes()[..]), "{close:?}");
    let masked_with_zeros = [&[0x88, 0x82, 0, 0, 0, 0][..], &1001_u16.to_be_bytes()].concat();
    client.write_all(&masked_with_zeros).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    drop(client);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&["--drain-timeout=1h"]);
    let _client_that_never_answers = open_client(&server);
    server.signal();
    server.await_log("shutting down");
    let (status, body) = server.json("GET /ready", "");
    assert_eq!(status, 503, "{body}");
    server.signal();
    assert_eq!(server.child.wait().unwrap().code(), Some(143));
}

//! The committed corpora as tests, and the seeds that they began with.

use std::fs;
use std::path::{Path, PathBuf};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// Runs a body over its corpus. `UPDATE_CORPORA` puts the seeds there first.
fn run(target: &str, body: fn(&[u8]), seeds: &[(&str, &str)]) {
    if std::env::var_os("UPDATE_CORPORA").is_some() {
        fs::create_dir_all(corpus(target)).expect("the corpus is writable");
        for (name, seed) in seeds {
            fs::write(corpus(target).join(name), seed).expect("the corpus is writable");
        }
    }
    let mut count = 0;
    for file in fs::read_dir(corpus(target)).expect("a corpus") {
        let path = file.expect("a directory entry").path();
        println!("{}", path.display());
        body(&fs::read(path).expect("a readable file"));
        count += 1;
    }
    assert!(count > 0, "the corpus of {target} is empty");
}

/// The forms that docs/API.md names, and what is refused.
#[test]
fn publish_body() {
    let seeds = [
        ("one", r#"{"channel":"a:1","event":"e","data":{"x":1.50}}"#),
        ("blanks", " {\"event\":\"e\",\n\"channel\":\"a\",\"data\":{ \"x\" : [] }} "),
        ("without-data", r#"{"channel":"a","event":"e"}"#),
        ("list", r#"[{"channel":"a","event":"e"},{"channel":"\u00e9","event":"f","id":"7"}]"#),
        ("lines", "{\"channel\":\"a\",\"event\":\"e\"}\n\n{\"channel\":\"b\",\"event\":\"e\"}\n"),
        ("nested", r#"{"channel":"a","event":"e","data":{"a":{"b":[{"c":null}]}}}"#),
        ("empty", ""),
        ("empty-list", "[]"),
        ("number", "7"),
        ("null-data", r#"{"channel":"a","event":"e","data":null}"#),
        ("list-data", r#"{"channel":"a","event":"e","data":[1]}"#),
        ("null-id", r#"{"channel":"a","event":"e","id":null}"#),
        ("empty-id", r#"{"channel":"a","event":"e","id":""}"#),
        ("unknown-field", r#"{"chanel":"a","event":"e"}"#),
        ("twice", r#"{"channel":"a","channel":"b","event":"e"}"#),
        ("control-character", r#"[{"channel":"a\u0000","event":"e"}]"#),
        ("half-a-pair", r#"{"channel":"a","event":"e","data":{"x":"\ud800"}}"#),
        ("huge-number", r#"{"channel":"a","event":"e","data":{"x":1e999}}"#),
        ("trailing", r#"{"channel":"a","event":"e"} x"#),
        ("incomplete", r#"[{"channel":"a""#),
    ];
    run("publish_body", super::publish_body, &seeds);
}

/// What publishers send first, and what differs from it in one place.
#[test]
fn plain_request() {
    const PLAIN: &str = "POST /v1/publish/raw?channel=c&event=e HTTP/1.1\r\nHost: a\r\n\
                         Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"n\":1}";
    let with = |from: &str, to: &str| PLAIN.replace(from, to);
    let seeds = [
        ("plain", PLAIN.to_owned()),
        ("two", PLAIN.repeat(2)),
        ("half", PLAIN[..50].to_owned()),
        ("named", with("/v1/publish", "/v1/services/chat/publish")),
        ("escaped", with("channel=c", "channel=%63+")),
        ("absolute", with("/v1", "http://a/v1")),
        ("key", with("Host: a", "Host: a\r\nX-API-Key: k\r\nIdempotency-Key: i")),
        ("blanks", with("Host: a", "\r\nHost:\ta \t")),
        ("bare-lines", with("\r\n", "\n")),
        ("empty-line-first", format!("\r\n{PLAIN}")),
        ("empty-value", with("Host: a", "Host: a\r\nx:")),
        ("bytes-in-value", with("Host: a", "Host: a\r\nx: \u{e9}")),
        ("folded", with("Host: a", "Host: a\r\nx: y\r\n z")),
        ("two-lengths", with("Host: a", "Host: a\r\nContent-Length: 7")),
        ("other-lengths", with("Host: a", "Host: a\r\nContent-Length: 6")),
        ("signed-length", with("Length: 7", "Length: +7")),
        ("listed-length", with("Length: 7", "Length: 7, 7")),
        ("long-length", with("Length: 7", "Length: 0000000000000000000000007")),
        ("chunked", with("Host: a", "Host: a\r\nTransfer-Encoding: chunked")),
        ("expect", with("Host: a", "Host: a\r\nExpect: 100-continue")),
        ("close", with("Host: a", "Host: a\r\nConnection: close")),
        ("keep-alive", with("Host: a", "Host: a\r\nConnection: Keep-Alive")),
        ("old", with("HTTP/1.1", "HTTP/1.0")),
    ];
    let seeds: Vec<_> = seeds.iter().map(|(name, seed)| (*name, seed.as_str())).collect();
    run("plain_request", super::plain_request, &seeds);
}

/// The forms that docs/OPERATING.md names, and what is refused.
#[test]
fn configuration() {
    let fleet = "shards = 8\nhost = \"0.0.0.0\"\n\n[[service]]\npreset = \"mahavishnu\"\n\
                 cert_file = \"m.pem\"\nkey_file = \"m.key\"\n\n[[service]]\npreset = \"akosha\"\n\
                 max_connections = 5000\n\n[[service]]\nserver_name = \"prices\"\nport = 8700\n\
                 metrics_port = 9100\n";
    let lists = "host = [\"127.0.0.1\", \"::1\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
                 subscribe_permission = [\"workflow:=workflow:read\", \"global=all\"]\n\
                 allowed_origin = [\"https://a.example\"]\njwt_algorithms = [\"HS256\"]\n\
                 certificate = [\"a:b\", \"c:d\"]\n";
    let values = "max_message_size = \"1MiB\"\nkeepalive_interval = \"1m 30s\"\n\
                  log_age = 60\ntls_min_version = 1.3\nno_metrics = true\n\
                  correlation = \"echo\"\nauth_enabled = \"optional\"\nktls = \"off\"\n";
    let seeds = [
        ("fleet", fleet),
        ("lists", lists),
        ("values", values),
        ("flags", "--port=1000\n--auto-cert\n--max-connections=5\nport = 2000\n"),
        ("environment", "URINGCAST_PORT=2000\nWEBSOCKET_CERT_FILE=f.pem\nport = 3000\n"),
        ("preset", "--preset=session-buddy\nSESSION_BUDDY_WS_CERT_FILE=c.pem\n"),
        ("keys", "api_keys = [\"ci 0123456789 a:\"]\njwt_secret = \"0123456789abcdef\"\n"),
        ("help", "--help\n"),
        ("unknown-flag", "--max-conections=5\n"),
        ("unknown-variable", "URINGCAST_MAX_CONECTIONS=5\n"),
        ("unknown-key", "max-connections = 5\nprot = 1\n[tls]\na = 1\n"),
        ("not-toml", "port = \n"),
        ("twice", "api_key = \"other-secret\"\n"),
        ("bad-values", "port = 70000\nshards = 0\nhost = \"a b\"\nlog_level = \"loud\"\n"),
        ("contradiction", "cert_file = \"c.pem\"\ncontrol_port = 8765\n"),
        ("empty-fleet", "service = []\n"),
        ("nested-lists", "host = [[\"::1\"], \"127.0.0.1\"]\nport = 1e3\n"),
        ("quotes", "welcome_message = '''a \"b\" \\ # c'''\nserver_name = \"\\u00e9\"\n"),
    ];
    run("configuration", super::configuration, &seeds);
}

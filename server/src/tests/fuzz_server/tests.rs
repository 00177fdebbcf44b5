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

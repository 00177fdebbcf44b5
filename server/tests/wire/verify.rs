//! `verify` passes on a healthy server, and each fault is reported by the check for it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::common::file;
use crate::common::pki::{Authority, Issued};
use crate::support::verify::{all_pass, command, flags, report, verdict};
use crate::support::ws::Client;
use crate::support::{PROGRAM, Server, until};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// The fault, how verify is called, the check that must report it, its verdict, the exit code, and
/// a word of the finding or the remedy.
type Fault<'a> = (&'a str, String, &'a str, &'a str, i32, &'a str);

fn hold(faults: &[Fault]) {
    for (what, flags, check, expected, code, word) in faults {
        let (is, report) = report(command(flags));
        let found = verdict(&report, check);
        assert_eq!(found["verdict"], *expected, "{what}: {check}: {report:#}");
        assert_eq!(is, *code, "{what}: {report:#}");
        assert!(found.to_string().contains(word), "{what}: {word:?} is not in {found:#}");
        assert!(!found["remedy"].as_str().unwrap_or_default().is_empty(), "{what}: {found:#}");
    }
}

/// Answers every request by its path until the process ends.
fn impostor(answers: &'static [(&'static str, &'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4_096];
            // A connection without a request is not answered.
            let Ok(read @ 1..) = stream.read(&mut request) else { continue };
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let known = answers.iter().find(|(known, ..)| *known == path);
            let (_, status, body) = known.unwrap_or(&("", "404 Not Found", ""));
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        }
    });
    address
}

/// A port without a listener.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_healthy_server_passes() {
    let server = Server::start("--canary-interval=1s");
    let (code, report) = report(command(&flags(&server)));
    all_pass(&report);
    assert_eq!(code, 0, "{report:#}");
    let musts = ["connect", "health", "ready", "welcome", "broadcast", "control", "metrics"];
    for check in musts.iter().chain(&["limits", "environment", "io_uring"]) {
        assert_eq!(verdict(&report, check)["verdict"], "pass", "{report:#}");
    }
    assert!(verdict(&report, "broadcast")["found"].to_string().contains("over HTTP"));
    let table = command(&flags(&server)).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    let row = table.lines().find(|line| line.starts_with("  pass  broadcast ")).unwrap_or(&table);
    assert!(row.contains(" published") && table.ends_with("healthy\n"), "{table}");
}

#[test]
fn a_healthy_server_with_tls_passes_by_name_and_by_address() {
    let server = Server::start("--auto-cert");
    let cert = server.cert.clone().unwrap();
    let key = cert.with_file_name("auto-key.pem");
    let tls = format!("--tls --ca-file={} --key-file={}", cert.display(), key.display());
    for host in ["127.0.0.1", "localhost"] {
        let (code, report) = report(command(&format!("{} {tls} --host={host}", flags(&server))));
        all_pass(&report);
        assert_eq!(code, 0, "{report:#}");
        for check in ["tls", "certificate", "welcome", "broadcast", "key_file"] {
            assert_eq!(verdict(&report, check)["verdict"], "pass", "{report:#}");
        }
        assert!(verdict(&report, "certificate")["found"].to_string().contains(" days left"));
        assert!(verdict(&report, "tls")["found"].to_string().contains("TLSv1.3"));
    }
}

#[test]
fn without_http_the_probe_is_published_over_the_websocket() {
    let server = Server::start("--anonymous-publish --api-key=a-key-of-the-test");
    let (code, report) = report(command(&flags(&server)));
    assert_eq!(code, 0, "{report:#}");
    assert!(verdict(&report, "broadcast")["found"].to_string().contains("over the WebSocket"));
}

#[test]
fn whatever_is_wrong_with_the_ports_is_named() {
    let server = Server::start("");
    let other = Server::start("--no-metrics");
    let all = flags(&server);
    let port = |name: &str, port: u16| {
        let rest = all.split(' ').filter(|flag| !flag.starts_with(name));
        format!("{} {name}={port}", rest.collect::<Vec<_>>().join(" "))
    };
    let closed = closed_port();
    let program = impostor(&[("/metrics", "200 OK", "# TYPE go_threads gauge\ngo_threads 1\n")]);
    let half =
        "# TYPE websocket_connections_active gauge\nwebsocket_connections_active{server=\"a\"} 1\n";
    let half = impostor(Box::leak(Box::new([("/metrics", "200 OK", half)])));
    let unready = impostor(&[
        ("/health", "200 OK", "{\"status\":\"ok\"}"),
        ("/ready", "503 Service Unavailable", "{\"error\":\"not_ready\"}"),
    ]);
    let down = format!("--port={closed} --control-port={closed} --metrics-port={closed}");
    hold(&[
        ("server down", down, "connect", "fail", 2, "refused"),
        ("wrong port", port("--port", closed), "connect", "fail", 2, "--port"),
        ("the control port", port("--port", server.control.port()), "welcome", "fail", 2, "200"),
        ("a port of another program", port("--port", program.port()), "health", "fail", 2, "404"),
        ("wrong control port", port("--control-port", closed), "control", "warn", 1, "refused"),
        ("wrong control port", port("--control-port", closed), "broadcast", "warn", 1, "FORBIDDEN"),
        (
            "another's control port",
            port("--control-port", program.port()),
            "control",
            "fail",
            2,
            "something else",
        ),
        (
            "another server's control port",
            format!("{} --timeout=3", port("--control-port", other.control.port())),
            "broadcast",
            "fail",
            2,
            "not received",
        ),
        ("not ready", port("--control-port", unready.port()), "ready", "fail", 2, "not_ready"),
        ("metrics off", port("--metrics-port", closed), "metrics", "fail", 1, "refused"),
        (
            "metrics of another program",
            port("--metrics-port", program.port()),
            "metrics",
            "fail",
            1,
            "another program",
        ),
        (
            "metrics missing",
            format!("{} --timeout=1", port("--metrics-port", half.port())),
            "metrics",
            "fail",
            1,
            "no websocket_messages_total",
        ),
    ]);
    let (code, report) = report(command(&flags(&other)));
    assert_eq!((code, &verdict(&report, "metrics")["verdict"]), (0, &"note".into()), "{report:#}");
}

#[test]
fn another_server_s_ports_are_told_from_its_own() {
    let [server, other] = [Server::start(""), Server::start("")];
    let named = Server::start("--server-name=another");
    let ports = |control: &Server, metrics: &Server| {
        let (control, metrics) = (control.control.port(), metrics.metrics.port());
        let clients = server.clients[0].port();
        format!("--port={clients} --control-port={control} --metrics-port={metrics} --timeout=1")
    };
    let uncounted = "does not count a connection to uringcast";
    hold(&[
        ("its control port", ports(&named, &server), "broadcast", "fail", 2, "--control-port"),
        ("its metrics", ports(&server, &named), "metrics", "fail", 1, "another server's"),
        ("another server's metrics", ports(&server, &other), "metrics", "fail", 1, uncounted),
    ]);
}

#[test]
fn whatever_is_wrong_with_tls_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = file(dir.path(), "ca.pem", &authority.pem());
    let other = file(dir.path(), "other.pem", &Authority::new("not ours").pem());
    let start = |name: &str, issued: Issued| {
        let files = issued.write(dir.path(), name);
        let (cert, key) = (files.cert.display(), files.key.display());
        let server = Server::start(&format!("--cert-file={cert} --key-file={key}"));
        let all = flags(&server);
        (server, all)
    };
    let names = ["localhost", "127.0.0.1"];
    let days = |days| authority.server_with(&names, &rcgen::PKCS_ECDSA_P256_SHA256, days);
    let (_good, good) = start("good", days(365));
    let (_ending, ending) = start("ending", days(10));
    let (_expired, expired) = start("expired", authority.server_ended(&names, 3));
    let (_named, named) = start("named", authority.server(&["ws.example.org"]));
    let plain = Server::start("");
    let tls = format!("--tls --ca-file={ca}");
    hold(&[
        ("wrong CA", format!("{good} --tls --ca-file={other}"), "certificate", "fail", 2, "ours"),
        ("system's CAs", format!("{good} --tls"), "certificate", "fail", 2, "not trusted"),
        ("expired", format!("{expired} {tls}"), "certificate", "fail", 2, "expired 3 days ago"),
        ("ends soon", format!("{ending} {tls}"), "certificate", "warn", 1, "ends in "),
        ("another name", format!("{named} {tls}"), "certificate", "fail", 2, "ws.example.org"),
        ("ws asked to be wss", format!("{} {tls}", flags(&plain)), "tls", "fail", 2, "--tls"),
        ("wss asked to be ws", good.clone(), "health", "fail", 2, "--tls"),
        ("no CA file", format!("{good} --tls --ca-file=/nowhere"), "connect", "fail", 2, "nowhere"),
    ]);
    let (code, report) = report(command(&format!("{good} {tls}")));
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn whatever_is_wrong_with_keys_and_limits_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start("--api-key=the-right-key --max-connections=50");
    let all = flags(&server);
    let right = file(dir.path(), "right", "the-right-key\n");
    let wrong = file(dir.path(), "wrong", "not-the-right-key");
    let private = file(dir.path(), "private", "");
    let public = file(dir.path(), "public", "");
    let mode = |path: &str, mode| {
        std::fs::set_permissions(Path::new(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(&private, 0o600);
    mode(&public, 0o644);
    let keys = format!("{all} --api-key-file={right}");
    let good = format!("{keys} --key-file={private} --max-connections=50");
    hold(&[
        ("no API key", all.clone(), "broadcast", "warn", 1, "--api-key-file"),
        (
            "wrong API key",
            format!("{all} --api-key-file={wrong}"),
            "broadcast",
            "fail",
            2,
            "--api-key-file",
        ),
        ("public key", format!("{keys} --key-file={public}"), "key_file", "warn", 1, "chmod 600"),
        ("no key", format!("{keys} --key-file=/nowhere"), "key_file", "fail", 1, "/nowhere"),
        ("few files", format!("{good}000000"), "limits", "warn", 1, "LimitNOFILE="),
        ("few slots", format!("{good}00"), "limits", "warn", 1, "max-connections"),
    ]);
    let (code, report) = report(command(&good));
    assert_eq!(code, 0, "{report:#}");
    let mut wrong = command(&good);
    wrong.env("URINGCAST_PROT", "1");
    let (code, report) = self::report(wrong);
    assert_eq!((code, &verdict(&report, "environment")["verdict"]), (1, &"warn".into()));
    let mut proxied = command(&good);
    proxied.env("HTTPS_PROXY", "http://127.0.0.1:1");
    let (code, report) = self::report(proxied);
    assert_eq!((code, &verdict(&report, "environment")["verdict"]), (1, &"warn".into()));
}

#[test]
fn a_full_server_and_one_that_drains_are_down() {
    let server = Server::start("--max-connections=1 --drain-timeout=60s");
    let all = flags(&server);
    let _client = Client::connect(&server);
    hold(&[("full", all.clone(), "welcome", "fail", 2, "max-connections")]);
    server.terminate();
    until("the drain", || {
        (crate::support::http::get(server.control, "/ready").status == 503).then_some(())
    });
    hold(&[("draining", all, "ready", "fail", 2, "draining")]);
}

#[test]
fn a_machine_that_forbids_io_uring_is_a_warning_while_the_server_runs() {
    let server = Server::start("");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/deny_io_uring.py");
    let mut python = Command::new("python3");
    python.env_remove("HTTPS_PROXY").arg(script).args(["1", PROGRAM, "verify"]);
    python.args(flags(&server).split_whitespace());
    let (_, report) = report(python);
    let check = verdict(&report, "io_uring");
    assert_eq!(check["verdict"], "warn", "{report:#}");
    assert!(check["remedy"].to_string().contains("seccomp"), "{check:#}");
}

#[test]
fn a_token_is_in_no_message() {
    let short = command("--token=hunter2 --port=1 --json").output().unwrap();
    let bad = command("--token=hunter2hunter2 --port=no").output().unwrap();
    for output in [short, bad] {
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// A WebSocket server that requires a token, as far as `verify` tests it.
fn demands_a_token() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut bearer = false;
            // The answer's type is tungstenite's.
            #[allow(clippy::result_large_err, reason = "tungstenite's")]
            let look = |request: &Request, answer: Response| {
                bearer = request.headers().contains_key("authorization");
                Ok(answer)
            };
            // Other checks send plain HTTP.
            let Ok(mut socket) = tungstenite::accept_hdr(stream, look) else { continue };
            let code = if bearer {
                "AUTH_FAILED"
            } else {
                // It would wait for 5 s.
                let _ = socket.read();
                "AUTH_REQUIRED"
            };
            let error = serde_json::json!({"type": "error", "error_code": code});
            let _ = socket.send(tungstenite::Message::text(error.to_string()));
        }
    });
    address
}

#[test]
fn a_missing_and_a_bad_token_are_told_apart() {
    let port = demands_a_token().port();
    let flags = format!("--port={port} --control-port=1 --metrics-port=1");
    hold(&[
        ("no token", flags.clone(), "welcome", "fail", 2, "Give --token."),
        ("bad token", format!("{flags} --token=eyJhbGciOi"), "welcome", "fail", 2, "not over"),
    ]);
}

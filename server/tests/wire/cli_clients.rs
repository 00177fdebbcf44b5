//! `sub`, `pub`, `token` and `top` against a real server, as a person and a script use them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::common::file;
use crate::common::pki::Authority;
use crate::support::tools::root;
use crate::support::{PROGRAM, Server, text};
use serde_json::{Value, json};

const SECRET: &str = "a secret of the tests, long enough 0123456789";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end: the exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    ended(command(arguments).output().unwrap())
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs it with lines as its standard input.
fn run_with(input: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended at an earlier line.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    ended(child.wait_with_output().unwrap())
}

fn clients(server: &Server) -> String {
    format!("{}://{}", server.scheme, server.clients[0])
}

fn control(server: &Server) -> String {
    format!("http://{}", server.control)
}

/// A running `sub` that has subscribed.
struct Sub {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    /// `EPOCH:SEQ` of the confirmation.
    position: String,
}

impl Sub {
    fn start(arguments: &[&str]) -> Sub {
        let mut command = command(&[&["sub"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        assert!(line.starts_with("subscribed to "), "{line}");
        let position = line.trim().rsplit_once(" at ").unwrap().1.to_owned();
        Sub { child, errors, position }
    }

    /// Waits for its end: the exit code, its messages and the rest of its standard error.
    fn end(mut self) -> (i32, Vec<Value>, String) {
        let printed = text(self.child.stdout.take().unwrap());
        let code = self.child.wait().unwrap().code().unwrap();
        let messages = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (code, messages, text(self.errors))
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

/// No connection was counted as a fault, and so many were closed by their clients.
fn assert_closed_well(server: &Server, closed: f64) {
    server.wait_metric("uringcast_closes_total", "peer_normal", closed);
    server.settle();
    assert_eq!(server.metric("uringcast_closes_total", ""), closed, "all of them closed well");
    assert_eq!(server.metric("websocket_connection_errors_total", ""), 0.0);
}

/// Servers differ in the field of a request that a reply repeats.
#[test]
fn replies_are_found_whichever_id_a_server_repeats() {
    let server = Server::start("--anonymous-publish --correlation=echo");
    let ws = clients(&server);
    let sub = Sub::start(&[&ws, "orders:7", "--count=1"]);
    let (code, out, err) = run(&["pub", &ws, "orders:7", "paid", "{}"]);
    assert!(code == 0 && out.contains(r#""status":"published""#), "{out}{err}");
    assert_eq!(sub.end().0, 0);
}

#[test]
fn what_pub_publishes_on_either_way_sub_prints_and_goes_on_from() {
    let server = Server::start("--anonymous-publish");
    let (ws, http) = (clients(&server), control(&server));
    let sub = Sub::start(&[&ws, "orders:7", "--count=4"]);
    let (code, out, err) =
        run(&["pub", &http, "orders:7", "paid", r#"{"n":12345678901234567890123}"#]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["results"][0]["seq"], err.as_str()), (0, &json!(1), ""));
    let (code, out, _) = run(&["pub", &ws, "orders:7", "paid", r#"{"n":2}"#, "--key=7"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["status"], &answer["seq"]), (0, &json!("published"), &json!(2)));
    let (code, out, _) =
        run_with("{\"n\":3}\n\n", &["pub", &http, "orders:7", "paid", "--lines", "--key=8"]);
    assert!(code == 0 && out.contains(r#""published":1"#), "{out}");
    let (code, out, _) = run_with("{\"n\":4}", &["pub", &ws, "orders:7", "paid", "-", "--lines"]);
    assert!(code == 0 && out.contains(r#""seq":4"#), "{out}");
    let start = sub.position.clone();
    let (code, messages, _) = sub.end();
    assert_eq!(code, 0);
    let seqs: Vec<&Value> = messages.iter().map(|message| &message["seq"]).collect();
    assert_eq!(seqs, [1, 2, 3, 4], "{messages:?}");
    let keys: Vec<_> = messages.iter().map(|message| message["key"].as_str()).collect();
    assert_eq!(keys, [None, Some("7"), Some("8"), None]);
    assert!(messages.iter().all(|one| one["event"] == "paid" && one["room"] == "orders:7"));

    let epoch = start.rsplit_once(':').unwrap().0;
    let since = format!("--since={epoch}:2");
    let (code, out, err) = run(&["sub", &ws, "orders:7", &since, "--raw", "--count=2"]);
    assert_eq!((code, out.as_str()), (0, "{\"n\":3}\n{\"n\":4}\n"), "{err}");
    let sub = Sub::start(&[&ws, "orders:7", "--since=0123456789abcdef:2"]);
    sub.interrupt();
    let (code, _, err) = sub.end();
    assert!(code == 0 && err.contains("are missing: restart"), "{err}");
}

#[test]
fn a_number_is_published_as_it_was_written_and_standard_input_is_a_message() {
    let server = Server::start("--anonymous-publish");
    let (ws, http) = (clients(&server), control(&server));
    let mut sub = command(&["sub", &ws, "a", "b", "--raw", "--count=3"]);
    let mut sub = sub.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(sub.stderr.take().unwrap());
    for _ in 0..2 {
        errors.read_line(&mut String::new()).unwrap();
    }
    let long = r#"{"b":1,"a":12345678901234567890.50}"#;
    assert_eq!(run(&["pub", &http, "a", "e", long]).0, 0);
    assert_eq!(run(&["pub", &ws, "b", "e", long]).0, 0);
    let (code, _, err) = run_with("{\n\"c\":\n1}\n", &["pub", &http, "a", "e", "-"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let printed = text(sub.stdout.take().unwrap());
    assert!(printed.starts_with(&format!("{long}\n{long}\n")), "{printed}");
    assert_eq!(sub.wait().unwrap().code(), Some(0));
}

#[test]
fn ctrl_c_and_the_end_of_the_reader_close_well_and_the_servers_end_is_told() {
    let server = Server::start("");
    let (ws, http) = (clients(&server), control(&server));
    let sub = Sub::start(&[&ws, "a"]);
    sub.interrupt();
    let (code, messages, err) = sub.end();
    assert_eq!((code, messages.len(), err.as_str()), (0, 0, ""));
    let mut sub = Sub::start(&[&ws, "a"]);
    drop(sub.child.stdout.take());
    run(&["pub", &http, "a", "e", "{}"]);
    assert_eq!(sub.child.wait().unwrap().code(), Some(0));
    assert_closed_well(&server, 2.0);

    let sub = Sub::start(&[&ws, "a"]);
    let position = sub.position.clone();
    server.terminate();
    let (code, _, err) = sub.end();
    assert_eq!(code, 1, "{err}");
    let words = format!(
        "closed with 1001 \"Server is shutting down\". Subscribe again with --since {position}."
    );
    assert!(err.contains(&words), "{err}");
}

#[test]
fn whoever_was_sent_away_is_not_told_to_come_back() {
    let server = Server::start("");
    let sub = Sub::start(&[&clients(&server), "a"]);
    let away = crate::support::http::post(server.control, "/v1/disconnect", r#"{"channel":"a"}"#);
    assert!(away.body.contains(r#""disconnected":1"#), "{}", away.body);
    let (code, _, err) = sub.end();
    assert!(code == 1 && err.contains("closed with 4005"), "{err}");
    assert!(err.contains("to be mended first") && !err.contains("--since"), "{err}");
}

#[test]
fn what_is_refused_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let secret = file(dir.path(), "secret", &SECRET.replace(' ', "-"));
    let key = file(dir.path(), "key", "a-key-of-the-test");
    let server = Server::start(&format!(
        "--jwt-secret-file={secret} --api-key=a-key-of-the-test --subscribe-permission=in:*=read"
    ));
    let (ws, http) = (clients(&server), control(&server));
    let (_, token, _) = run(&["token", "--jwt-secret-file", &secret]);
    let token = file(dir.path(), "token", &token);
    let token = format!("--token-file={token}");
    let closed = crate::support::free_ports(1)[0];
    let nobody = format!("ws://127.0.0.1:{closed}");
    let refused = |arguments: &[&str], words: &[&str]| {
        let (code, out, err) = run_with("{}\nno\n", arguments);
        assert_eq!(code, 2, "{arguments:?}: {out} {err}");
        for words in words {
            assert!(err.contains(words), "{arguments:?}: {words:?} is not in {err:?}");
        }
    };
    refused(&["sub", &ws, "a"], &["AUTH_REQUIRED", "Give --token."]);
    refused(&["sub", &ws, "a", "--token=not-a-token"], &["AUTH_FAILED", "--token that the server"]);
    refused(&["sub", &ws, "a", "--token=@/nowhere"], &["no token", "/nowhere"]);
    refused(&["sub", &ws, "in:1", &token], &["subscribing to in:1: FORBIDDEN", "permits it"]);
    refused(&["sub", &ws, "\u{1}", &token], &["INVALID_CHANNEL"]);
    refused(&["sub", &ws, "a", "--insecure"], &["not encrypted", "wss://"]);
    refused(&["sub", &ws, "a", "b", "--since=e:1"], &["--since goes with a single channel"]);
    refused(&["sub", &ws, "a", "--since=1"], &["EPOCH:SEQ"]);
    refused(&["sub", &ws, "a", "--once"], &["--once goes with --since, --last or --state"]);
    refused(&["sub", &ws, "a", "--since=e:1", "--last=1"], &["cannot be used with"]);
    refused(&["sub", &nobody, "a"], &["refused", "Start the server, or give the URL"]);
    refused(&["sub", &ws.replace("ws:", "wss:"), "a"], &["one without TLS"]);
    refused(&["sub", &http.replace("http:", "ws:"), "a"], &["Give the clients' port"]);
    refused(&["pub", &ws.replace("ws:", "http:"), "a", "e", "{}"], &[": 405 only", "control port"]);
    refused(&["sub", &http, "a"], &["another of the server's ports", "ws://HOST:PORT"]);
    refused(&["sub", "127.0.0.1:1", "a"], &["ws://HOST:PORT"]);
    refused(&["sub", "ws://u:hunter2hunter2@h", "a"], &["has a user or a password"]);
    refused(&["pub", &ws, "a", "e", "{}", &token], &["FORBIDDEN", "http:// URL"]);
    refused(&["pub", &http, "a", "e", "{}"], &["401", "Give --api-key-file."]);
    refused(&["pub", &http, "a", "e", "{}", "--key-file=/nowhere"], &["/nowhere"]);
    let keyed = format!("--api-key-file={key}");
    refused(&["pub", &http, "a", "e", "no", &keyed], &["DATA: is not JSON"]);
    refused(&["pub", &http, "a", "e", "[1]", &keyed], &["400", "data"]);
    refused(&["pub", &http, "a", "gap", "{}", &keyed], &["400"]);
    refused(&["pub", &http, "a", "e", "--lines", &keyed], &["line 2 is not JSON", "rest again"]);
    refused(&["pub", &http, "a", "e", "{}", &token], &["--api-key-file"]);
    refused(&["pub", &http, "a", "e"], &["DATA"]);
    refused(&["pub", &ws, "a", "e", "{}", &keyed], &["--api-key-file: is for http"]);
    refused(&["top", &http, "--once"], &["401", "Give --api-key-file."]);
    refused(&["top", &ws.replace("ws:", "http:"), "--once"], &["426", "control port"]);
    let (_, out, _) = run(&["sub", "ws://u:hunter2hunter2@h", "a", "--token=hunter2hunter2"]);
    assert!(!out.contains("hunter2"), "{out}");
}

#[test]
fn over_tls_the_server_is_trusted_by_its_authority_or_not_looked_at() {
    let server = Server::start("--auto-cert");
    let (ws, http) = (clients(&server), control(&server));
    let ca = format!("--ca={}", server.cert.as_ref().unwrap().display());
    for flag in [&*ca, "--insecure"] {
        let sub = Sub::start(&[&ws, "a", "--count=1", flag]);
        assert_eq!(run(&["pub", &http, "a", "e", "{}"]).0, 0);
        assert_eq!(sub.end().0, 0, "{flag}");
    }
    assert_closed_well(&server, 2.0);
    let (code, _, err) = run(&["sub", &ws, "a"]);
    assert!(code == 2 && err.contains("not trusted") && err.contains("--ca-file"), "{err}");
    let (code, _, err) = run(&["sub", &ws.replace("wss:", "ws:"), "a"]);
    assert!(code == 2 && err.contains("one with TLS"), "{err}");
}

#[test]
fn where_a_client_certificate_is_demanded_one_is_shown_and_without_it_the_remedy_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = file(dir.path(), "ca.pem", &authority.pem());
    let served = authority.server(&["127.0.0.1"]).write(dir.path(), "server");
    let own = authority.client(1, false).write(dir.path(), "client");
    let (cert, key) = (served.cert.display(), served.key.display());
    let server = Server::start(&format!(
        "--cert-file={cert} --key-file={key} --ca-file={ca} --verify-client"
    ));
    let (ws, ca) = (clients(&server), format!("--ca={ca}"));
    let (code, _, err) = run(&["sub", &ws, "a", &ca]);
    assert!(code == 2 && err.contains("demands a client certificate"), "{err}");
    assert!(err.contains("Give --client-cert-file and --client-key-file"), "{err}");
    let cert = format!("--client-cert-file={}", own.cert.display());
    let key = format!("--client-key-file={}", own.key.display());
    let sub = Sub::start(&[&ws, "a", &ca, &cert, &key]);
    sub.interrupt();
    assert_eq!(sub.end().0, 0);
}

#[test]
fn a_token_is_what_the_configuration_wants_and_the_secret_is_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    let words = SECRET.replace(' ', "-");
    let secret = file(dir.path(), "secret", &words);
    let more = "jwt_algorithms = 'HS384,RS256'\njwt_issuer = 'them'\njwt_audience = 'us'\n\
                jwt_permissions_claim = 'realm.roles'\nsubscribe_permission = 'in:*=read'\n";
    let config = file(dir.path(), "u.toml", &format!("jwt_secret_file = '{secret}'\n{more}"));
    let server = Server::start(&format!("--config={config}"));
    let made =
        ["token", "--config", &config, "--user=ann", "--permission=read", "--expires-in=90s"];
    let (code, token, err) = run(&made);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("warning: for tests") && err.lines().count() == 1, "{err}");
    assert!(!err.contains(&words) && !token.contains(&words), "{err}{token}");
    let path = file(dir.path(), "token", &token);
    let ws = clients(&server);
    let sub = Sub::start(&[&ws, "in:1", &format!("--token=@{path}")]);
    sub.interrupt();
    assert_eq!(sub.end().0, 0);

    let with = |more: &[&str]| run(&[&made[..], more].concat());
    let (code, _, err) = with(&["--claim", "iss=\"others\""]);
    let cause = "would refuse it: its iss is \"others\", jwt_issuer is \"them\"";
    assert!(code == 0 && err.contains(cause), "{err}");
    let (code, _, err) = with(&["--claim", "team=blue"]);
    assert!(code == 2 && err.contains("--claim team") && err.contains("quotation"), "{err}");
    let (code, _, err) = run(&["token", "--config", &config, "--expires-in=never"]);
    assert!(code == 2 && err.contains("--expires-in: is not a time"), "{err}");
    let (code, _, err) = run(&["token"]);
    assert!(code == 2 && err.contains("--config"), "{err}");

    let public = file(dir.path(), "public.toml", "jwt_public_key = '/a/key.pem'\n");
    let (code, out, err) = run(&["token", "--config", &public]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("no shared secret") && err.contains("issuer"), "{err}");
    let fleet = format!(
        "[[service]]\nserver_name = 'a'\njwt_secret_file = '{secret}'\n\
         [[service]]\nserver_name = 'b'\nport = 8700\n"
    );
    let fleet = file(dir.path(), "fleet.toml", &fleet);
    let (code, _, err) = run(&["token", "--config", &fleet]);
    assert!(code == 2 && err.contains("one of a, b"), "{err}");
    let (code, token, err) = run(&["token", "--config", &fleet, "--service=a"]);
    assert!(code == 0 && token.split('.').count() == 3, "{err}");
}

#[test]
fn top_prints_everything_once_or_a_line_a_second_and_leaves_a_terminal_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let key = file(dir.path(), "key", "a-key-of-the-test");
    let server = Server::start("--api-key=a-key-of-the-test --shards=1");
    let (ws, http) = (clients(&server), control(&server));
    let keyed = format!("--api-key-file={key}");
    let sub = Sub::start(&[&ws, "room:1", "--count=1"]);
    assert_eq!(run(&["pub", &http, "room:1", "e", "{}", &keyed]).0, 0);
    sub.end();
    crate::support::until("the channel in the table", || {
        let (code, out, err) = run(&["top", &http, "--once", &keyed]);
        assert_eq!(code, 0, "{err}");
        assert!(!out.contains('\x1b') && out.contains("\nSHARD  BUSY"), "{out}");
        out.lines().any(|line| line.starts_with("room:1 ")).then_some(())
    });

    let mut top = command(&["top", &http, &keyed]);
    let mut top = top.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(top.stdout.take().unwrap()).lines().map_while(Result::ok);
    for _ in 0..2 {
        let line = lines.next().unwrap();
        assert!(line.starts_with("at=") && line.contains(" connections="), "{line}");
    }
    let pid = rustix::process::Pid::from_child(&top);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(top.wait().unwrap().code(), Some(0));

    let script = root().join("server/tests/scripts/terminal.py");
    let mut python = Command::new("python3");
    let output = python.arg(script).args(["BUSY", PROGRAM, "top", &http, &keyed]).output().unwrap();
    let (code, out, err) = ended(output);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("\x1b[?1049h\x1b[?25l\x1b[H") && out.contains("SHARD  BUSY"), "{out}");
    assert!(out.ends_with("\x1b[?25h\x1b[?1049l"), "{out:?}");
}

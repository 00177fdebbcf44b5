//! Settings that change while the server runs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::ws::Client;
use crate::support::{Server, http, until};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;

const SUCCESSFUL: &str = "uringcast_config_reload_successful";
const WAITING: &str = "uringcast_config_waiting_for_restart";
/// Keys and secrets are never logged.
const SECRETS: [&str; 4] =
    ["key-of-a-former-year", "key-of-this-year", "secret-of-a-former-year", "secret-of-this-year"];

/// A directory with the configuration file of a server and what that names.
struct Files(tempfile::TempDir);

impl Files {
    fn new(config: &str) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.write("u.toml", config);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let text = text.replace("DIR", self.0.path().to_str().unwrap());
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn serve(&self) -> Server {
        Server::start(&format!("--config={}", self.path("u.toml").display()))
    }
}

/// Waits until a line of the log has all these words, and returns it.
fn line(server: &Server, words: &[&str]) -> String {
    until(&format!("a line with {words:?}"), || {
        let log = server.log();
        let mut lines = log.lines();
        lines.find(|line| words.iter().all(|word| line.contains(word))).map(String::from)
    })
}

fn publish(server: &Server, key: &str) -> u16 {
    let path = "POST /v1/publish/raw?channel=a&event=b";
    http::send(server.control, path, &format!("X-API-Key: {key}\r\n"), "{}").status
}

fn assert_no_secret(server: &Server) {
    let log = server.log();
    SECRETS.iter().for_each(|secret| assert!(!log.contains(secret), "{secret} is in {log}"));
}

#[test]
fn changed_files_are_taken_over_and_what_needs_a_restart_says_so() {
    let files = Files::new(
        "shards = 1\nlog_level = \"info\"\nmax_connections = 10\napi_keys_file = \"DIR/keys\"\n",
    );
    files.write("keys", &format!("one {}\n", SECRETS[0]));
    let server = files.serve();
    let mut early = Client::connect(&server);
    assert_eq!((publish(&server, SECRETS[0]), publish(&server, SECRETS[1])), (202, 401));
    assert_eq!(server.metric(SUCCESSFUL, ""), 1.0);

    files.write("keys", &format!("one {}\ntwo {} a\n", SECRETS[1], "other-key-of-this-year"));
    let said = line(&server, &["reloaded: ", "API keys: 2 (before: 1)"]);
    assert!(said.contains("api_keys_file read again"), "{said}");
    assert_eq!((publish(&server, SECRETS[0]), publish(&server, SECRETS[1])), (401, 202));

    files.write(
        "u.toml",
        "shards = 2\nlog_level = \"debug\"\nmax_connections = 2\napi_keys_file = \"DIR/keys\"\n\
         max_message_size = 2048\nwelcome_message = \"Hello again\"\n\
         allowed_origin = [\"https://a.example\"]\n",
    );
    let said = line(&server, &["reloaded: ", "log_level \"info\" -> \"debug\""]);
    for words in ["max_connections 10 -> 2", "; needs a restart: shards 1 -> 2", "allowed_origin"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    assert_eq!((server.metric(WAITING, ""), server.metric(SUCCESSFUL, "")), (1.0, 1.0));
    assert_eq!(server.metric("uringcast_connections_limit", ""), 2.0);
    early.say(&json!({"type": "publish", "channel": "x", "data": "x".repeat(3_000)}));
    assert_eq!(early.closed().0, 1009, "the limit is also that of who was there");
    let stream = TcpStream::connect(server.clients[0]).unwrap();
    let mut late = Client::upgrade(stream);
    assert_eq!(late.message()["data"]["message"], "Hello again");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(3_000));
    let path = "POST /v1/publish/raw?channel=a&event=b";
    let key = format!("X-API-Key: {}\r\n", SECRETS[1]);
    assert_eq!(http::send(server.control, path, &key, &large).status, 413);

    let services = http::send(server.control, "GET /v1/services", &key, "").body;
    let services: serde_json::Value = serde_json::from_str(&services).unwrap();
    let limits = &services["services"][0]["limits"];
    assert_eq!((&limits["connections"], &limits["message_bytes"]), (&json!(2), &json!(2048)));

    // Back to the start: nothing waits any more.
    files.write("u.toml", "shards = 1\napi_keys_file = \"DIR/keys\"\nmax_connections = 10\n");
    line(&server, &["reloaded: ", "log_level \"debug\" -> \"info\""]);
    assert_eq!(server.metric(WAITING, ""), 0.0);
    assert_no_secret(&server);
}

#[test]
fn a_level_that_hides_the_line_about_it_is_in_force_behind_that_line() {
    let files = Files::new("log_level = \"info\"\n");
    let server = files.serve();
    files.write("u.toml", "log_level = \"warn\"\nmax_outbox = \"32KiB\"\n");
    line(&server, &["reloaded: ", "log_level \"info\" -> \"warn\"", "max_outbox"]);
    http::get(server.clients[0], "/no-upgrade");
    files.write("u.toml", "log_level = \"info\"\n");
    line(&server, &["reloaded: ", "log_level \"warn\" -> \"info\""]);
    assert!(!server.log().contains("no upgrade"), "{}", server.log());
}

#[test]
fn a_faulty_file_changes_nothing_and_says_what_is_wrong() {
    let before = "message_rate = 7\nmax_connections = 10\napi_key_file = \"DIR/key\"\n";
    let files = Files::new(before);
    files.write("key", SECRETS[0]);
    let server = files.serve();
    for (changed, reason) in [
        ("message_rate = 9\nmax_message_size = \"1\"\n", "max_message_size = "),
        ("message_rate = 9\nmax_conections = 3\n", "Did you mean max_connections?"),
        ("message_rate = 9\napi_key_file = \"DIR/missing\"\n", "api_key_file = "),
        // Valid for a start, and not for a server that runs.
        ("message_rate = 9\nmax_connections = 11\n", "the engine started with room for 10"),
        ("message_rate = 9\nserver_name = \"other\"\n", "server_name = \"other\""),
        (
            "message_rate = 9\njwt_secret = \"secret-of-this-year\"\n",
            "uringcast would begin or cease to take tokens",
        ),
    ] {
        files.write("u.toml", changed);
        server.hang_up();
        let said = line(&server, &["not reloaded, all settings stay as they are: ", reason]);
        assert!(said.contains("WARN"), "{said}");
        assert_eq!(server.metric(SUCCESSFUL, ""), 0.0);
        assert_eq!((publish(&server, SECRETS[0]), publish(&server, "")), (202, 401), "{changed}");
    }
    assert!(!server.log().contains(" reloaded: "), "{}", server.log());
    // A file that is named and missing is waited for.
    files.write("u.toml", "message_rate = 5\nmax_connections = 10\napi_key_file = \"DIR/late\"\n");
    line(&server, &["not reloaded", "/late"]);
    files.write("late", SECRETS[1]);
    line(&server, &["reloaded: ", "message_rate 7 -> 5", "API keys: others, as many"]);
    files.write("u.toml", before);
    line(&server, &["reloaded: ", "message_rate 5 -> 7"]);
    files.write("u.toml", &before.replace('7', "9"));
    line(&server, &["reloaded: message_rate 7 -> 9"]);
    assert_eq!(server.metric(SUCCESSFUL, ""), 1.0);
    server.hang_up();
    line(&server, &["reloaded: nothing has changed"]);
    assert_no_secret(&server);
}

/// A pipe gives its content once. Read again it would be empty, which is valid: the defaults.
#[test]
fn a_configuration_from_a_pipe_is_not_read_again() {
    let files = Files(tempfile::tempdir().unwrap());
    let pipe = files.path("u.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = {
        let (pipe, text) = (pipe.clone(), format!("api_key = \"{}\"\n", SECRETS[0]));
        std::thread::spawn(move || fs::write(pipe, text).unwrap())
    };
    let server = files.serve();
    writer.join().unwrap();
    server.hang_up();
    line(&server, &["not reloaded", "config = ", "not a regular file"]);
    assert_eq!((publish(&server, SECRETS[0]), publish(&server, "")), (202, 401));
}

fn token(secret: &str, permissions: &[&str]) -> String {
    let claims = json!({
        "user_id": "u", "permissions": permissions, "exp": get_current_timestamp() + 600,
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn authenticate(server: &Server, token: &str) -> (Client, serde_json::Value) {
    let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
    let data = json!({"token": token});
    let answer = client.ask(&json!({"type": "request", "event": "auth", "data": data}));
    (client, answer)
}

#[test]
fn secrets_of_tokens_and_permissions_change_and_clients_stay() {
    let rules = "jwt_secret_file = \"DIR/secret\"\nsubscribe_permission = [\"a:*=RULE\"]\n";
    let files = Files::new(&rules.replace("RULE", "a:read"));
    files.write("secret", SECRETS[2]);
    let server = files.serve();
    let (mut early, _) = authenticate(&server, &token(SECRETS[2], &["a:read"]));
    assert_eq!(early.message()["event"], "session.created");
    early.subscribe("a:1");

    files.write("secret", SECRETS[3]);
    files.write("u.toml", &rules.replace("RULE", "a:all"));
    line(&server, &["reloaded: ", "subscribe_permission", "jwt_secret_file read again"]);
    let wanted = json!({"type": "subscribe", "data": {"channel": "a:2"}});
    assert_eq!(early.ask(&wanted)["error_code"], "FORBIDDEN");
    let (_, refused) = authenticate(&server, &token(SECRETS[2], &["a:all"]));
    assert_eq!(refused["error_code"], "AUTH_FAILED");
    let (mut late, _) = authenticate(&server, &token(SECRETS[3], &["a:all"]));
    assert_eq!(late.message()["event"], "session.created");
    late.subscribe("a:2");
    // What it has, a client keeps.
    server.publish("a:1", "{}");
    assert_eq!(early.message()["room"], "a:1");
    assert_no_secret(&server);
}

#[test]
fn each_service_of_a_fleet_has_its_own_and_a_new_one_takes_a_restart() {
    let fleet = |rate: &str, more: &str| {
        format!(
            "[[service]]\nserver_name = \"a\"\n[[service]]\nserver_name = \"b\"\n\
             message_rate = {rate}\n{more}"
        )
    };
    let files = Files::new(&fleet("7", ""));
    let server = files.serve();
    files.write("u.toml", &fleet("9", ""));
    line(&server, &["reloaded: b.message_rate 7 -> 9; config read again"]);
    files.write("u.toml", &fleet("8", "[[service]]\nserver_name = \"c\"\n"));
    line(&server, &["not reloaded", "the services are a, b, c, and were a, b"]);
    files.write("u.toml", &fleet("8", ""));
    line(&server, &["reloaded: b.message_rate 9 -> 8; config read again"]);
}

#[test]
fn the_time_to_drain_is_the_one_of_now() {
    let files = Files::new("drain_timeout = \"1h\"\n");
    let server = files.serve();
    files.write("u.toml", "drain_timeout = \"1ms\"\n");
    line(&server, &["reloaded: drain_timeout"]);
    server.terminate();
    line(&server, &["clients have 0.001 s"]);
    assert!(server.ended().success());
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let files = Files::new("message_rate = 7\n");
    let server = files.serve();
    // Truncated, it is valid and means the defaults.
    let written: &Path = &files.path("u.toml");
    fs::write(written, "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    fs::write(written, "message_rate = 8\n").unwrap();
    let said = line(&server, &[" reloaded: "]);
    assert!(said.contains("message_rate 7 -> 8"), "{said}");
}

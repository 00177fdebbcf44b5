//! The project's own clients, in clients/, through cuts, stalls, restarts and the ends of tokens:
//! each gets every message once and in order, or is told of the gap.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};
use support::proxy::Proxy;
use support::{Process, Server, http, tools, until};

const CHANNELS: [&str; 3] = ["own:a", "own:b", "own:c"];
/// What a log keeps: less than is published while clients are kept away.
const LOG: usize = 64;
const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

/// A server that comes back on the same ports, and all that was published to each channel.
struct Source {
    flags: String,
    server: Option<Server>,
    published: u64,
}

/// Free ports that no outgoing connection is given while the server is away.
fn ports() -> [u16; 3] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    std::array::from_fn(|_| {
        loop {
            let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}

impl Source {
    fn start(flags: &str) -> Source {
        let [port, control, metrics] = ports();
        let flags = format!(
            "--port={port} --control-port={control} --metrics-port={metrics} \
             --log-frames={LOG} {flags}"
        );
        Source { server: Some(Server::start_on(&flags)), flags, published: 0 }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Ends it without a warning, and starts it again: logs are gone.
    fn restart(&mut self, proxy: &Proxy) {
        // A connection to a port where nobody listens may be given that port itself.
        proxy.refuse(true);
        drop(self.server.take());
        self.server = Some(Server::start_on(&self.flags));
        proxy.refuse(false);
    }

    fn publish(&mut self, count: u64) {
        self.publish_as(count, "");
    }

    /// Publishes messages that say `mark`.
    fn publish_as(&mut self, count: u64, mark: &str) {
        for channel in CHANNELS {
            let data = |n| json!({"n": n, "mark": mark});
            let message = |n| json!({"channel": channel, "event": "e", "data": data(n)});
            let batch: Vec<Value> = (self.published..self.published + count).map(message).collect();
            let body = json!(batch).to_string();
            let answer = http::post(self.server().control, "/v1/publish", &body);
            assert_eq!(answer.status, 202, "{}", answer.body);
        }
        self.published += count;
    }
}

/// A program with many clients, which tells what each of them was handed.
struct Clients {
    process: Process,
    lines: Receiver<String>,
}

impl Clients {
    fn start(test: &str, script: &str, proxy: &Proxy, more: &[(&str, &str)]) -> Option<Clients> {
        let mut command = tools::client_command(test, script)?;
        command.env("SERVER_URL", format!("ws://{}/", proxy.address));
        command.env("CLIENTS", tools::root().join("clients")).env("CHANNELS", CHANNELS.join(","));
        command.env("TEST_TOOLS", tools::root().join("target/test-tools"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").envs(more.iter().copied());
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("the clients start");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = channel();
        std::thread::spawn(move || output.lines().try_for_each(|line| say.send(line.unwrap())));
        Some(Clients { process: Process(child), lines })
    }

    fn ready(&self) {
        assert_eq!(self.lines.recv().unwrap(), "ready");
    }

    /// Waits until each of them has been handed a message that is published now, or a little later,
    /// when it is back.
    fn have_all(&self, source: &mut Source) {
        let first = source.published;
        until("all clients", || {
            source.publish_as(1, "mark");
            let line = self.lines.recv_timeout(Duration::from_secs(2));
            match line.as_deref().map(|line| line.strip_prefix("at ")) {
                Ok(Some(n)) => (n.parse::<u64>().unwrap() >= first).then_some(()),
                Ok(None) => panic!("the clients say {line:?}"),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => panic!("the clients have ended"),
            }
        });
    }

    /// What each of them tells at their end.
    fn tell(mut self) -> Vec<Value> {
        let mut told: Vec<String> = self.lines.iter().collect();
        let status = self.process.0.wait().unwrap();
        assert!(status.success(), "{status}: {told:?}");
        assert_eq!(told.pop().as_deref(), Some("ok"));
        told.retain(|line| !line.starts_with("at "));
        told.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Compares what one subscription was handed, numbers of messages and gaps as `[reason, missed]`,
/// with what was published. Returns how many messages came and how many gaps.
fn judge(items: &[Value], published: u64) -> (u64, usize) {
    let (mut next, mut came, mut gaps) = (0, 0, Vec::new());
    let mut told = 0;
    for item in items {
        let Some(n) = item.as_u64() else {
            assert_ne!(item[0], "missing", "the server told of each gap: {items:?}");
            gaps.push(item);
            continue;
        };
        assert!(n >= next, "{n} came twice or out of order: {items:?}");
        let hole = n - next;
        let counts: Option<Vec<u64>> = gaps.iter().map(|gap| gap[1].as_u64()).collect();
        match counts {
            Some(counts) => {
                assert_eq!(counts.iter().sum::<u64>(), hole, "gaps before {n}: {items:?}");
                assert!(counts.len() <= 2, "a gap was told several times: {items:?}");
            }
            // How much a restart has taken nobody knows.
            None => assert!(gaps.iter().all(|gap| gap[0] != "ahead"), "{items:?}"),
        }
        told += gaps.len();
        gaps.clear();
        (next, came) = (n + 1, came + 1);
    }
    assert_eq!(next, published, "the last message is missing: {items:?}");
    (came, told)
}

/// All that may happen on the way, twice.
fn storm(test: &str, script: &str, clients: usize, flags: &str, more: &[(&str, &str)]) {
    let mut source = Source::start(flags);
    let proxy = Proxy::to(source.server().clients[0]);
    let count = clients.to_string();
    let more: Vec<_> = more.iter().copied().chain([("COUNT", &*count)]).collect();
    let Some(program) = Clients::start(test, script, &proxy, &more) else { return };
    program.ready();
    for _ in 0..2 {
        source.publish(30);
        proxy.cut();
        source.publish(20);
        program.have_all(&mut source);
        // They are not told that nothing comes any more.
        proxy.stall(true);
        source.publish(20);
        std::thread::sleep(Duration::from_millis(300));
        proxy.cut();
        proxy.stall(false);
        source.publish(5);
        program.have_all(&mut source);
        // More than the log keeps for them.
        proxy.refuse(true);
        proxy.cut();
        source.publish(LOG as u64 + 36);
        proxy.refuse(false);
        source.publish(10);
        program.have_all(&mut source);
        source.publish(10);
        source.restart(&proxy);
        source.publish(30);
        program.have_all(&mut source);
    }
    // Silence that nobody ends: they notice by themselves.
    proxy.stall(true);
    source.publish(20);
    std::thread::sleep(Duration::from_secs(8));
    proxy.stall(false);
    source.publish_as(1, "last");
    let told = program.tell();
    let (mut came, mut gaps, mut subscriptions) = (0, 0, 0);
    for one in told {
        let (messages, told) = judge(one["items"].as_array().unwrap(), source.published);
        (came, gaps, subscriptions) = (came + messages, gaps + told, subscriptions + 1);
    }
    assert_eq!(subscriptions, clients * CHANNELS.len());
    let all = source.published * subscriptions as u64;
    let _ = writeln!(std::io::stderr(), "{test}: {came} of {all} messages, {gaps} gaps");
    // What was lost is what a restart took, and what the log did not keep.
    assert!(came > all / 4, "only {came} of {all} messages came");
}

#[test]
fn python_clients_get_every_message_once_or_are_told() {
    let test = "python_clients_get_every_message_once_or_are_told";
    storm(test, "own_client.py", 60, "", &[]);
}

#[test]
fn python_clients_renew_their_tokens_on_the_way() {
    let test = "python_clients_renew_their_tokens_on_the_way";
    let flags = format!("--auth-enabled true --jwt-secret {SECRET}");
    storm(test, "own_client.py", 20, &flags, &[("JWT_SECRET", SECRET)]);
}

#[test]
fn javascript_clients_get_every_message_once_or_are_told() {
    let test = "javascript_clients_get_every_message_once_or_are_told";
    storm(test, "own_client.mjs", 30, "", &[("SOCKET", "ws")]);
    storm(test, "own_client.mjs", 30, "", &[("SOCKET", "undici")]);
}

#[test]
fn javascript_clients_renew_their_tokens_on_the_way() {
    let test = "javascript_clients_renew_their_tokens_on_the_way";
    let flags = format!("--auth-enabled true --jwt-secret {SECRET}");
    storm(test, "own_client.mjs", 20, &flags, &[("SOCKET", "ws"), ("JWT_SECRET", SECRET)]);
}

#[test]
fn the_order_book_is_the_same_for_who_opens_early_and_late() {
    // The log is shorter than the book's history: a late page needs the state.
    let server = Server::start("--allowed-origin=* --log-frames=20");
    let test = "the_order_book_is_the_same_for_who_opens_early_and_late";
    tools::run_client(test, "chromium_order_book.mjs", &server);
}

/// The JavaScript client over Server-Sent Events.
fn hears_streams(test: &str, script: &str) {
    let flags = format!("--allowed-origin=* --auth-enabled=optional --jwt-secret={SECRET}");
    let server = Server::start(&format!("{flags} --subscribe-permission=secret=s:read"));
    tools::run_client(test, script, &server);
}

#[test]
fn javascript_clients_hear_by_streams_what_they_hear_by_websockets() {
    let test = "javascript_clients_hear_by_streams_what_they_hear_by_websockets";
    hears_streams(test, "stream_client.mjs");
}

#[test]
fn pages_hear_by_streams_what_they_hear_by_websockets() {
    let test = "pages_hear_by_streams_what_they_hear_by_websockets";
    hears_streams(test, "chromium_streams.mjs");
}

#[test]
fn tabs_of_a_browser_share_a_connection() {
    let server = Server::start("--anonymous-publish --allowed-origin=*");
    tools::run_client("tabs_of_a_browser_share_a_connection", "chromium_shared.mjs", &server);
}

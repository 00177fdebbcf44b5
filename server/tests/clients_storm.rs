//! The project's own clients, in clients/, through cuts, stalls, restarts and the ends of tokens:
//! each gets every message once and in order, or is told of the gap. What is sent is compressed in a
//! context that all share, for those that negotiate it, and every text is compared by its CRC.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::proxy::Proxy;
use support::{Process, Server, http, raise_descriptors, tools};

/// Channels with the three policies for slow subscribers; every fourth client has them by the
/// pattern.
const CHANNELS: [&str; 3] = ["own:plain", "own:skip", "own:latest"];
const PATTERN: &str = "own:*";
const CLASSES: &str = "own:* compression=shared; own:skip slow=skip, slow-bytes=16KiB; \
                       own:latest slow=latest, slow-bytes=16KiB";
/// Keys of messages: each replaces the one so many before it.
const KEYS: u64 = 7;
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

/// Words that repeat those of other messages, and further ones that repeat nothing.
fn text(n: u64, further: usize) -> String {
    const WORDS: [&str; 8] =
        ["order", "accepted", "quantity", "price", "venue", "limit", "größer", "cancelled"];
    let mut dice = fastrand::Rng::with_seed(n);
    let length = dice.usize(..[4, 40, 400][dice.usize(..3)]);
    let mut text = String::new();
    (0..length).for_each(|_| text += dice.choice(WORDS).unwrap());
    (0..further).for_each(|_| text += &format!("{:016x}", dice.u64(..)));
    text
}

fn crc(text: &str) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    crc.sum()
}

impl Source {
    fn start(flags: &str) -> Source {
        let [port, control, metrics] = ports();
        let flags = format!(
            "--port={port} --control-port={control} --metrics-port={metrics} \
             --log-frames={LOG} {flags}"
        );
        let mut source = Source { server: None, flags, published: 0 };
        source.server = Some(source.spawn());
        source
    }

    fn spawn(&self) -> Server {
        let classes = [("URINGCAST_CLASS", CLASSES)];
        Server::start_by(Command::new(support::PROGRAM), &self.flags, &classes)
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Ends it without a warning, and starts it again: logs are gone.
    fn restart(&mut self, proxy: &Proxy) {
        // A connection to a port where nobody listens may be given that port itself.
        proxy.refuse(true);
        drop(self.server.take());
        self.server = Some(self.spawn());
        proxy.refuse(false);
    }

    fn publish(&mut self, count: u64) {
        self.publish_as(count, "", 0);
    }

    /// Publishes messages that say `mark`, to channels with a policy longer by so many words.
    fn publish_as(&mut self, count: u64, mark: &str, words: usize) {
        for channel in CHANNELS {
            let further = if channel == CHANNELS[0] { 0 } else { words };
            let message = |n: u64| {
                let text = text(n, further);
                let crc = crc(&text);
                let data = json!({"n": n, "mark": mark, "text": text, "crc": crc});
                let key = (n % KEYS).to_string();
                json!({"channel": channel, "event": "e", "data": data, "key": key})
            };
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
    count: usize,
    /// The last message that all of them have.
    has: Option<u64>,
}

impl Clients {
    /// Starts `count` of them.
    fn start(mut command: Command, proxy: &Proxy, count: usize, more: &[(&str, &str)]) -> Clients {
        command.env("SERVER_URL", format!("ws://{}/", proxy.address));
        command.env("CLIENTS", tools::root().join("clients")).env("CHANNELS", CHANNELS.join(","));
        command.env("PATTERN", PATTERN).env("COUNT", count.to_string()).env("LIMIT", "280");
        command.env("TEST_TOOLS", tools::root().join("target/test-tools"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").envs(more.iter().copied());
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("the clients start");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = channel();
        std::thread::spawn(move || output.lines().try_for_each(|line| say.send(line.unwrap())));
        Clients { process: Process(child), lines, count, has: None }
    }

    fn ready(&self) {
        assert_eq!(self.lines.recv().unwrap(), "ready");
    }

    /// Waits a little for all of them to have been handed a message from `first` on.
    fn have(&mut self, first: u64) -> bool {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.has.is_none_or(|n| n < first) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left).as_deref().map(|line| line.strip_prefix("at ")) {
                Ok(Some(n)) => self.has = Some(n.parse().unwrap()),
                Ok(None) => panic!("the clients say something else"),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => panic!("the clients have ended"),
            }
        }
        true
    }

    /// What each of them tells at their end.
    fn tell(mut self) -> Vec<Value> {
        let mut told: Vec<String> = self.lines.iter().collect();
        let status = self.process.0.wait().unwrap();
        assert!(status.success(), "{status}: {told:?}");
        assert_eq!(told.pop().as_deref(), Some("ok"));
        told.retain(|line| !line.starts_with("at "));
        assert_eq!(told.len(), self.count * CHANNELS.len());
        told.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What came of a storm.
#[derive(Debug, Default)]
struct Verdict {
    subscriptions: u64,
    published: u64,
    came: u64,
    /// Gaps by reason.
    gaps: BTreeMap<String, u64>,
}

impl Verdict {
    /// Compares what one subscription was handed, numbers of messages and gaps as
    /// `[reason, missed]`, with what was published.
    fn judge(&mut self, items: &[Value], published: u64) {
        let (mut next, mut gaps): (u64, Vec<&Value>) = (0, Vec::new());
        let (mut had, mut replaced) = (BTreeSet::new(), Vec::new());
        for item in items {
            let Some(n) = item.as_u64() else {
                assert!(item.is_array(), "{item}");
                assert_ne!(item[0], "missing", "the server told of each gap: {items:?}");
                gaps.push(item);
                continue;
            };
            assert!(n >= next, "{n} came twice or out of order: {items:?}");
            let counts: Option<Vec<u64>> = gaps.iter().map(|gap| gap[1].as_u64()).collect();
            match counts {
                Some(counts) => {
                    assert_eq!(counts.iter().sum::<u64>(), n - next, "before {n}: {items:?}");
                }
                // How much a restart has taken nobody knows.
                None => assert!(gaps.iter().all(|gap| gap[0] != "ahead"), "{items:?}"),
            }
            let is_replaced = gaps.iter().all(|gap| gap[0] == "conflated");
            match is_replaced {
                true => replaced.extend(next..n),
                // What replaced others may be lost itself.
                false => had.extend(next..n),
            }
            had.insert(n);
            for gap in gaps.drain(..) {
                *self.gaps.entry(gap[0].as_str().unwrap().into()).or_default() += 1;
            }
            (next, self.came) = (n + 1, self.came + 1);
        }
        assert_eq!(next, published, "the last message is missing: {items:?}");
        for n in replaced {
            let newer = (n + KEYS..published).step_by(KEYS as usize);
            assert!(newer.into_iter().any(|n| had.contains(&n)), "nothing replaces {n}: {items:?}");
        }
        (self.subscriptions, self.published) = (self.subscriptions + 1, self.published + published);
    }
}

/// Programs with clients, through all that may happen on the way, twice. `deflates`: they negotiate
/// compression.
fn storm(test: &str, flags: &str, deflates: bool, start: impl FnOnce(&Proxy) -> Vec<Clients>) {
    let mut source = Source::start(flags);
    let proxy = Proxy::to(source.server().clients[0]);
    let mut programs = start(&proxy);
    if programs.is_empty() {
        return;
    }
    let begin = Instant::now();
    programs.iter().for_each(Clients::ready);
    // What everybody has is published now, or a little later, when all are back.
    let all: usize = programs.iter().map(|program| program.count).sum();
    let patience = support::PATIENCE + Duration::from_millis(200) * all as u32;
    let mut have_all = |source: &mut Source| {
        let (first, begin) = (source.published, Instant::now());
        loop {
            source.publish_as(1, "mark", 0);
            // Every program is asked.
            if programs.iter_mut().fold(true, |all, one| one.have(first) && all) {
                return;
            }
            assert!(begin.elapsed() < patience, "waited {patience:?} for all clients");
        }
    };
    for _ in 0..2 {
        source.publish(30);
        proxy.cut();
        source.publish(20);
        have_all(&mut source);
        // A slow period: what they are owed is more than the sockets take.
        proxy.stall(true);
        source.publish_as(50, "", 256);
        std::thread::sleep(Duration::from_millis(1_500));
        proxy.stall(false);
        have_all(&mut source);
        // They are not told that nothing comes any more.
        proxy.stall(true);
        source.publish(20);
        std::thread::sleep(Duration::from_millis(300));
        proxy.cut();
        proxy.stall(false);
        source.publish(5);
        have_all(&mut source);
        // The proxy is away, for more than the log keeps.
        proxy.refuse(true);
        proxy.cut();
        source.publish(LOG as u64 + 36);
        proxy.refuse(false);
        source.publish(10);
        have_all(&mut source);
        source.publish(10);
        source.restart(&proxy);
        source.publish(30);
        have_all(&mut source);
    }
    // Silence that nobody ends: they notice by themselves.
    proxy.stall(true);
    source.publish(20);
    std::thread::sleep(Duration::from_secs(8));
    proxy.stall(false);
    source.publish_as(1, "last", 0);
    let mut verdict = Verdict::default();
    for one in programs.into_iter().flat_map(Clients::tell) {
        verdict.judge(one["items"].as_array().unwrap(), source.published);
    }
    let deliveries = |kind| source.server().settled(&format!("uringcast_{kind}"), "");
    let kinds = ["context_deliveries_total", "twin_deliveries_total", "deliveries_total"];
    let [in_context, twins, of] = kinds.map(deliveries);
    let Verdict { subscriptions, published, came, gaps } = &verdict;
    let _ = writeln!(
        std::io::stderr(),
        "{test}: {all} clients, {subscriptions} subscriptions, {came} of {published} messages, \
         gaps {gaps:?}; since the last restart {in_context} in context and {twins} twins of {of} \
         deliveries; {} s",
        begin.elapsed().as_secs()
    );
    // What was lost is what a restart took, what the log did not keep, and what was passed over.
    assert!(*came > published / 4, "only {came} of {published} messages came");
    for reason in ["slow", "conflated", "retention", "restart"] {
        assert!(gaps.contains_key(reason), "no gap for {reason}: {gaps:?}");
    }
    assert_eq!(in_context > 0.0, deflates, "compression is negotiated, or is not");
}

/// Python's clients alone.
fn python(test: &str, count: usize, flags: &str, more: &[(&str, &str)]) {
    storm(test, flags, true, |proxy| {
        let command = tools::client_command(test, "own_client.py");
        command.map(|command| Clients::start(command, proxy, count, more)).into_iter().collect()
    });
}

/// Clients of JavaScript in Node 20, which has no WebSocket of its own.
fn with_sockets_of(test: &str, socket: &str, count: usize, flags: &str, more: &[(&str, &str)]) {
    storm(test, flags, true, |proxy| {
        let command = tools::client_command(test, "own_client.mjs");
        let start = |mut command: Command| {
            command.env("SOCKET", socket);
            Clients::start(command, proxy, count, more)
        };
        command.map(start).into_iter().collect()
    });
}

/// Clients of JavaScript in a runtime with a WebSocket of its own.
fn runs_in(test: &str, runtime: &str, script: &str, count: usize) {
    // Deno's own does not offer it.
    storm(test, "--allowed-origin=*", runtime != "deno", |proxy| {
        let command = tools::runtime(test, runtime, script);
        // One page of WebKit is driven at a time.
        let more = [("PER_PAGE", if runtime == "webkit" { "12" } else { "4" })];
        command.map(|command| Clients::start(command, proxy, count, &more)).into_iter().collect()
    });
}

#[test]
fn python_clients_get_every_message_once_or_are_told() {
    python("python_clients_get_every_message_once_or_are_told", 60, "", &[]);
}

#[test]
fn python_clients_over_aiohttp_get_every_message_once_or_are_told() {
    let test = "python_clients_over_aiohttp_get_every_message_once_or_are_told";
    python(test, 20, "", &[("SOCKET", "aiohttp")]);
}

#[test]
fn python_clients_renew_their_tokens_on_the_way() {
    let flags = format!("--auth-enabled true --jwt-secret {SECRET}");
    let test = "python_clients_renew_their_tokens_on_the_way";
    python(test, 20, &flags, &[("JWT_SECRET", SECRET)]);
}

#[test]
fn javascript_clients_get_every_message_once_or_are_told() {
    let test = "javascript_clients_get_every_message_once_or_are_told";
    with_sockets_of(test, "ws", 30, "", &[]);
    with_sockets_of(test, "undici", 30, "", &[]);
}

#[test]
fn javascript_clients_renew_their_tokens_on_the_way() {
    let test = "javascript_clients_renew_their_tokens_on_the_way";
    let flags = format!("--auth-enabled true --jwt-secret {SECRET}");
    with_sockets_of(test, "ws", 20, &flags, &[("JWT_SECRET", SECRET)]);
}

#[test]
fn clients_in_node_get_every_message_once_or_are_told() {
    let test = "clients_in_node_get_every_message_once_or_are_told";
    runs_in(test, "node", "own_client.mjs", 30);
}

#[test]
fn clients_in_bun_get_every_message_once_or_are_told() {
    let test = "clients_in_bun_get_every_message_once_or_are_told";
    runs_in(test, "bun", "own_client.mjs", 30);
}

#[test]
fn clients_in_deno_get_every_message_once_or_are_told() {
    let test = "clients_in_deno_get_every_message_once_or_are_told";
    runs_in(test, "deno", "own_client.mjs", 30);
}

#[test]
fn pages_of_chromium_get_every_message_once_or_are_told() {
    let test = "pages_of_chromium_get_every_message_once_or_are_told";
    runs_in(test, "chromium", "browser_own.mjs", 12);
}

#[test]
fn pages_of_firefox_get_every_message_once_or_are_told() {
    let test = "pages_of_firefox_get_every_message_once_or_are_told";
    runs_in(test, "firefox", "browser_own.mjs", 12);
}

#[test]
fn a_page_of_webkit_gets_every_message_once_or_is_told() {
    let test = "a_page_of_webkit_gets_every_message_once_or_is_told";
    runs_in(test, "webkit", "browser_own.mjs", 12);
}

/// 1,000 clients of Python and 50 pages of Chromium, unless STORM_PYTHON and STORM_PAGES say
/// otherwise, with tokens that end on the way.
#[test]
#[ignore = "takes some minutes and much memory: scripts/storm"]
fn a_thousand_clients_and_fifty_pages_weather_a_storm() {
    const PROGRAMS: usize = 4;
    let test = "a_thousand_clients_and_fifty_pages_weather_a_storm";
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (python, pages) = (number("STORM_PYTHON", 1_000), number("STORM_PAGES", 50));
    raise_descriptors();
    let flags = format!("--allowed-origin=* --auth-enabled true --jwt-secret {SECRET}");
    let more = [("JWT_SECRET", SECRET), ("LIFE", "20"), ("LIMIT", "1500")];
    storm(test, &flags, true, |proxy| {
        let script = || tools::client_command(test, "own_client.py").expect("Python");
        let browser = tools::runtime(test, "chromium", "browser_own.mjs").expect("Chromium");
        let start = |_| Clients::start(script(), proxy, python / PROGRAMS, &more);
        let mut all: Vec<Clients> = (0..PROGRAMS).map(start).collect();
        all.push(Clients::start(browser, proxy, pages, &more));
        all
    });
}

//! Many of the project's own clients through all that may happen, and what they must account for.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::Proxy;
use super::{PATIENCE, PROGRAM, Process, Server, http, tools};

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

/// A server that comes back on the same ports, and all that was published to each channel.
struct Source {
    ports: [u16; 3],
    flags: String,
    server: Option<Server>,
    published: u64,
}

/// Words that repeat those of other messages, one in `share` of them, and further ones that repeat
/// nothing.
fn text(n: u64, share: usize, further: usize) -> String {
    const WORDS: [&str; 8] =
        ["order", "accepted", "quantity", "price", "venue", "limit", "größer", "cancelled"];
    let mut dice = fastrand::Rng::with_seed(n);
    let most = *dice.choice(&[4, 40, 400]).unwrap();
    let length = dice.usize(..most) / share;
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
        let ports: [u16; 3] = super::free_ports(3).try_into().unwrap();
        let [port, control, metrics] = ports;
        let flags = format!(
            "--port={port} --control-port={control} --metrics-port={metrics} \
             --log-frames={LOG} {flags}"
        );
        let mut source = Source { server: None, ports, flags, published: 0 };
        source.server = Some(source.spawn());
        source
    }

    /// Starts a server, once its ports are free.
    fn spawn(&self) -> Server {
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        super::until("the ports", || self.ports.iter().all(is_free).then_some(()));
        let classes = [("URINGCAST_CLASS", CLASSES)];
        Server::start_by(Command::new(PROGRAM), &self.flags, &classes)
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

    /// Publishes messages that say `mark`, to channels with a policy longer by so many words. The
    /// first channel has most of the other words, so that clients follow its compression context.
    fn publish_as(&mut self, count: u64, mark: &str, words: usize) {
        for channel in CHANNELS {
            let (share, further) = if channel == CHANNELS[0] { (1, 0) } else { (10, words) };
            let message = |n: u64| {
                let text = text(n, share, further);
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
pub struct Clients {
    process: Process,
    lines: Receiver<String>,
    count: usize,
    /// The last message that all of them have.
    has: Option<u64>,
}

impl Clients {
    /// Starts `count` of them.
    pub fn start(
        mut command: Command,
        proxy: &Proxy,
        count: usize,
        more: &[(&str, &str)],
    ) -> Clients {
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

/// What happens to programs with clients.
struct Storm {
    source: Source,
    proxy: Proxy,
    programs: Vec<Clients>,
}

impl Storm {
    /// How many clients there are.
    fn clients(&self) -> usize {
        self.programs.iter().map(|program| program.count).sum()
    }

    /// Waits until everybody has what is published now, or a little later, when all are back.
    fn have_all(&mut self) {
        // On a slow machine tokens end before all of their clients are back.
        let patience = 3 * PATIENCE + Duration::from_millis(200) * self.clients() as u32;
        let (first, begin) = (self.source.published, Instant::now());
        loop {
            self.source.publish_as(1, "mark", 0);
            // Every program is asked.
            let late: Vec<bool> = self.programs.iter_mut().map(|one| !one.have(first)).collect();
            if !late.contains(&true) {
                return;
            }
            assert!(begin.elapsed() < patience, "waited {patience:?} for all clients: {late:?}");
        }
    }

    /// All that may happen on the way, twice.
    fn blow(&mut self) {
        self.programs.iter().for_each(Clients::ready);
        for _ in 0..2 {
            self.source.publish(30);
            self.proxy.cut();
            self.source.publish(20);
            self.have_all();
            // A slow period: what they are owed is more than the sockets take.
            self.proxy.stall(true);
            self.source.publish_as(50, "", 256);
            std::thread::sleep(Duration::from_millis(1_500));
            self.proxy.stall(false);
            self.have_all();
            // They are not told that nothing comes any more.
            self.proxy.stall(true);
            self.source.publish(20);
            std::thread::sleep(Duration::from_millis(300));
            self.proxy.cut();
            self.proxy.stall(false);
            self.source.publish(5);
            self.have_all();
            // The proxy is away, for more than the log keeps.
            self.proxy.refuse(true);
            self.proxy.cut();
            self.source.publish(LOG as u64 + 36);
            self.proxy.refuse(false);
            self.source.publish(10);
            self.have_all();
            self.source.publish(10);
            self.source.restart(&self.proxy);
            self.source.publish(30);
            self.have_all();
        }
        // Silence that nobody ends: they notice by themselves.
        self.proxy.stall(true);
        self.source.publish(20);
        std::thread::sleep(Duration::from_secs(8));
        self.proxy.stall(false);
        self.source.publish_as(1, "last", 0);
    }
}

/// Programs with clients in a storm: each subscription must account for all that was published.
/// `deflates`: they negotiate compression.
pub fn storm(test: &str, flags: &str, deflates: bool, start: impl FnOnce(&Proxy) -> Vec<Clients>) {
    let source = Source::start(flags);
    let proxy = Proxy::to(source.server().clients[0]);
    let programs = start(&proxy);
    if programs.is_empty() {
        return;
    }
    let begin = Instant::now();
    let mut storm = Storm { source, proxy, programs };
    let clients = storm.clients();
    storm.blow();
    let Storm { source, programs, .. } = storm;
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
        "{test}: {clients} clients, {subscriptions} subscriptions, {came} of {published} \
         messages, gaps {gaps:?}; since the last restart {in_context} in context and {twins} \
         twins of {of} deliveries; {} s",
        begin.elapsed().as_secs()
    );
    // What was lost is what a restart took, what the log did not keep, and what was passed over.
    assert!(*came > published / 4, "only {came} of {published} messages came");
    for reason in ["slow", "conflated", "retention", "restart"] {
        assert!(gaps.contains_key(reason), "no gap for {reason}: {gaps:?}");
    }
    // Whether any is in context depends on how much of the storm was left since the last restart.
    assert_eq!(in_context + twins > 0.0, deflates, "compression is negotiated, or is not");
}

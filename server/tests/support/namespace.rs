//! A network namespace of a test's own: a link that can lose everything, or be slow.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::tools;

/// A namespace with one link, whose other end is the test's. It goes with the value.
pub struct Namespace {
    name: String,
    /// The test's end of the link.
    link: String,
    /// Where a server listens that its clients are to reach.
    pub server: Ipv4Addr,
}

impl Namespace {
    /// Makes one; `number` tells those of one process apart. `None` after printing that the test is
    /// skipped.
    pub fn new(test: &str, number: u8) -> Option<Namespace> {
        for program in ["ip", "tc", "nft"] {
            tools::program(test, program)?;
        }
        let process = std::process::id();
        let name = format!("uringcast-{process}-{number}");
        let link = format!("uc{process}x{number}");
        // Links of tests that run at once differ in the process or in the number.
        let (high, low) = ((process % 250) as u8, number * 4);
        let server = Ipv4Addr::new(10, 213, high, low + 1);
        let client = Ipv4Addr::new(10, 213, high, low + 2);
        let namespace = Namespace { name, link, server };
        let made = namespace.host(&["ip", "netns", "add", &namespace.name]).and_then(|()| {
            let (name, link) = (&*namespace.name, &*namespace.link);
            namespace.host(&[
                "ip", "link", "add", link, "type", "veth", "peer", "name", "up0", "netns", name,
            ])?;
            namespace.host(&["ip", "address", "add", &format!("{server}/30"), "dev", link])?;
            namespace.host(&["ip", "link", "set", link, "up"])?;
            namespace.inside(&["ip", "address", "add", &format!("{client}/30"), "dev", "up0"])?;
            namespace.inside(&["ip", "link", "set", "up0", "up"])
        });
        if let Err(why) = made {
            tools::skip(test, &format!("no network namespace can be made (as root?): {why}"));
            return None;
        }
        Some(namespace)
    }

    fn host(&self, command: &[&str]) -> Result<(), String> {
        let run = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output();
        let output = run.map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    fn inside(&self, command: &[&str]) -> Result<(), String> {
        self.host(&[&["ip", "netns", "exec", &self.name], command].concat())
    }

    /// A connection from within it.
    pub fn connect(&self, address: SocketAddr) -> TcpStream {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace");
        // A thread of its own: the socket stays in the namespace that it was made in.
        let connected = thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).expect("as root");
            TcpStream::connect(address).expect("connected")
        });
        connected.join().expect("connected")
    }

    /// From now on nothing passes, in neither direction, and neither end is told.
    pub fn lose_everything(&self) {
        let rules = "add table inet t; \
             add chain inet t i { type filter hook input priority 0; policy drop; }; \
             add chain inet t o { type filter hook output priority 0; policy drop; }";
        self.inside(&["nft", rules]).expect("rules");
    }

    /// So many kilobits a second pass from the server to the clients.
    pub fn slow_down(&self, kilobits: u32) {
        let rate = format!("{kilobits}kbit");
        let shape = ["tbf", "rate", &rate, "burst", "16kb", "latency", "50ms"];
        let command = [&["tc", "qdisc", "add", "dev", &self.link, "root"][..], &shape].concat();
        self.host(&command).expect("a token bucket");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What was not made cannot be deleted. The link's other end goes with this one.
        let _ = self.host(&["ip", "link", "delete", &self.link]);
        let _ = self.host(&["ip", "netns", "delete", &self.name]);
    }
}

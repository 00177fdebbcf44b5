//! A machine or files that do not allow what was configured: exit code 2 and a message that names
//! the setting, its value and the remedy. cli.rs, config.rs, certs.rs and settings.rs have more;
//! the table in docs/OPERATING.md names the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{FREE_PORTS, PROGRAM, Process, Server, until};

/// A directory for files, and a server that will not start.
struct Attempt {
    home: tempfile::TempDir,
    command: Command,
}

impl Attempt {
    fn new(flags: &[&str]) -> Attempt {
        Attempt::through(Command::new(PROGRAM), flags)
    }

    /// With a program in between that runs the server.
    fn through(mut command: Command, flags: &[&str]) -> Attempt {
        let home = tempfile::tempdir().expect("a temporary directory");
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        let free = FREE_PORTS.iter().filter(|port| !flags.iter().any(|f| name(f) == name(port)));
        command.env_remove("URINGCAST_CONFIG").env("HOME", home.path());
        command.args(free).args(flags);
        Attempt { home, command }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    /// Runs it, expects exit code 2 and all of these in one line of the message.
    fn fails_naming(mut self, parts: &[&str]) {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process(self.command.spawn().expect("it starts"));
        let child = &mut process.0;
        let status = until("the server to refuse", || child.try_wait().expect("its status"));
        let said = crate::support::text(child.stderr.take().expect("piped"));
        assert_eq!(status.code(), Some(2), "{said}");
        let named = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(said.lines().any(named), "no line has all of {parts:?}:\n{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(
            crate::support::text(child.stdout.take().expect("piped")),
            "",
            "nothing listened"
        );
    }
}

#[test]
fn another_server_on_the_same_port_is_refused() {
    let server = Server::start("");
    let port = server.clients[0].port();
    let attempt = Attempt::new(&[&format!("--port={port}")]);
    attempt.fails_naming(&["cannot listen on", &format!("127.0.0.1:{port}"), "in use"]);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let attempt = Attempt::new(&["--host=192.0.2.1"]);
    attempt.fails_naming(&["cannot listen on 192.0.2.1", "address"]);
}

#[test]
fn an_unreadable_key_file_is_refused() {
    // Root can read a file of mode 0, but no user can read a directory as a file.
    let server = Server::start("--auto-cert");
    let cert = server.cert.as_ref().expect("its certificate");
    let mut attempt = Attempt::new(&[&format!("--cert-file={}", cert.display())]);
    let dir = attempt.home.path().join("key.pem");
    std::fs::create_dir(&dir).expect("made");
    attempt.command.arg(format!("--key-file={}", dir.display()));
    attempt.fails_naming(&["key_file", "key.pem", "directory"]);
}

#[test]
fn a_check_refuses_files_that_a_start_could_not_write_and_makes_none() {
    let unwritable = [
        ("access_log", "--access-log=/proc/nowhere/log", "cannot be written"),
        ("access_log", "--access-log=/proc", "cannot be written"),
        ("revocations_file", "--revocations-file=/proc/nowhere/file", "cannot be written"),
        ("cert_dir", "--cert-dir=/proc/nowhere/tls", "cannot be used"),
    ];
    for (setting, flag, reason) in unwritable {
        let tls = if setting == "cert_dir" { "--tls-enabled" } else { "--tls-enabled=false" };
        let (_, path) = flag.split_once('=').expect("a path");
        Attempt::new(&[tls, flag]).fails_naming(&[setting, path, reason]);
        Attempt::new(&[tls, flag, "check-config"]).fails_naming(&[setting, path, reason]);
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = |flag: &str, name: &str| format!("{flag}={}", home.path().join(name).display());
    let flags = [
        file("--access-log", "access.log"),
        file("--revocations-file", "revoked"),
        file("--cert-dir", "new/tls"),
        "--tls-enabled".to_owned(),
        "check-config".to_owned(),
    ];
    let checked = Command::new(PROGRAM).args(flags).output().expect("it starts");
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(std::fs::read_dir(home.path()).expect("listed").count(), 0, "a check made a file");
}

/// The server under a seccomp filter that answers io_uring_setup with an errno.
fn without_io_uring(errno: &str) -> Attempt {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/deny_io_uring.py");
    let mut python = Command::new("python3");
    python.arg(script).args([errno, PROGRAM]);
    Attempt::through(python, &[])
}

#[test]
fn io_uring_forbidden_by_a_container_is_explained() {
    without_io_uring("1").fails_naming(&["io_uring", "seccomp"]);
}

#[test]
fn a_kernel_without_io_uring_is_explained() {
    without_io_uring("38").fails_naming(&["io_uring", "Linux 6"]);
}

#[test]
fn an_unknown_configuration_key_is_refused_with_the_nearest_one() {
    let mut attempt = Attempt::new(&[]);
    let path = attempt.file("uringcast.toml", "max_conections = 5\n");
    attempt.command.arg(format!("--config={}", path.display()));
    attempt.fails_naming(&["max_conections", "uringcast.toml", "max_connections"]);
    let mut attempt = Attempt::new(&[]);
    let path = attempt.file("uringcast.toml", "PORT = 5\n");
    attempt.command.arg(format!("--config={}", path.display()));
    attempt.fails_naming(&["PORT (", "uringcast.toml", "Did you mean port?"]);
}

#[test]
fn a_configuration_that_is_not_toml_is_refused_without_quoting_it() {
    let mut attempt = Attempt::new(&[]);
    let path = attempt.file("uringcast.toml", "port = 1\napi_key = hunter2\n");
    attempt.command.arg(format!("--config={}", path.display()));
    let output = attempt.command.output().expect("it runs");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "it quotes a secret");
    attempt.fails_naming(&["config", "line 2", "uringcast.toml"]);
}

#[test]
fn a_missing_configuration_file_is_refused() {
    Attempt::new(&["--config=/nowhere.toml"]).fails_naming(&["config", "/nowhere.toml"]);
}

#[test]
fn logs_that_nobody_can_take_stop_nothing() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut attempt = Attempt::new(&[]);
    attempt.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(full.expect("open"));
    let mut process = Process(attempt.command.spawn().expect("it starts"));
    let child = &mut process.0;
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    assert!(line.starts_with("listening ws://"), "{line:?}");
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it still runs");
    assert_eq!(child.wait().expect("its status").code(), Some(0));
}

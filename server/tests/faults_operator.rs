//! What an operator gets who asks for something impossible: exit code 2 and a message that names
//! the setting, its value and the remedy. The table in docs/OPERATING.md names these tests.

mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{FREE_PORTS, PROGRAM, Server, until};

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
        let mut child = self.command.spawn().expect("it starts");
        // A server that should have failed and serves would otherwise run for ever.
        let status = until("the server to refuse", || child.try_wait().expect("its status"));
        let said = support::text(child.stderr.take().expect("piped"));
        assert_eq!(status.code(), Some(2), "{said}");
        let named = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(said.lines().any(named), "no line has all of {parts:?}:\n{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(support::text(child.stdout.take().expect("piped")), "", "nothing listened");
    }
}

fn taken_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    (listener, port)
}

#[test]
fn a_clients_port_in_use_is_refused() {
    let (_listener, port) = taken_port();
    let attempt = Attempt::new(&[&format!("--port={port}")]);
    attempt.fails_naming(&["cannot listen on", &format!("127.0.0.1:{port}"), "in use", "port"]);
}

#[test]
fn another_server_on_the_same_port_is_refused() {
    let server = Server::start("");
    let port = server.clients[0].port();
    let attempt = Attempt::new(&[&format!("--port={port}")]);
    attempt.fails_naming(&["cannot listen on", &format!("127.0.0.1:{port}"), "in use"]);
}

#[test]
fn a_control_port_in_use_is_refused() {
    let (_listener, port) = taken_port();
    let attempt = Attempt::new(&[&format!("--control-port={port}")]);
    attempt.fails_naming(&["control_port", &port, "in use", "another port"]);
}

#[test]
fn a_metrics_port_in_use_is_refused() {
    let (_listener, port) = taken_port();
    let attempt = Attempt::new(&[&format!("--metrics-port={port}")]);
    attempt.fails_naming(&["metrics_port", &port, "in use", "another port"]);
}

#[test]
fn the_same_port_twice_is_refused() {
    let attempt = Attempt::new(&["--port=7777", "--control-port=7777"]);
    attempt.fails_naming(&["control_port", "7777", "different"]);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let attempt = Attempt::new(&["--host=192.0.2.1"]);
    attempt.fails_naming(&["cannot listen on 192.0.2.1", "address"]);
}

#[test]
fn a_missing_key_file_is_refused() {
    let attempt = Attempt::new(&["--cert-file=/nowhere/c.pem", "--key-file=/nowhere/k.pem"]);
    attempt.fails_naming(&["file", "/nowhere/", "No such file"]);
}

#[test]
fn an_unreadable_key_file_is_refused() {
    // Root reads a file of mode 0, but nobody reads a directory.
    let (_server, cert) = certificate();
    let mut attempt = Attempt::new(&[&format!("--cert-file={}", cert.display())]);
    let dir = attempt.home.path().join("key.pem");
    std::fs::create_dir(&dir).expect("made");
    attempt.command.arg(format!("--key-file={}", dir.display()));
    attempt.fails_naming(&["key_file", "key.pem", "directory"]);
}

#[test]
fn a_key_file_without_a_key_is_refused() {
    let (_server, cert) = certificate();
    let mut attempt = Attempt::new(&[&format!("--cert-file={}", cert.display())]);
    let key = attempt.file("key.pem", "hunter2");
    attempt.command.arg(format!("--key-file={}", key.display()));
    attempt.fails_naming(&["key_file", "key.pem", "PEM"]);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (_one, cert) = certificate();
    let (_other, other) = certificate();
    let key = other.with_file_name(key_name(&other));
    let flags =
        [format!("--cert-file={}", cert.display()), format!("--key-file={}", key.display())];
    Attempt::new(&[&flags[0], &flags[1]]).fails_naming(&["key_file", "match"]);
}

/// A server with an automatic certificate, and where that is.
fn certificate() -> (Server, PathBuf) {
    let server = Server::start("--auto-cert");
    let cert = server.cert.clone().expect("its certificate");
    (server, cert)
}

/// The key beside a certificate.
fn key_name(cert: &Path) -> PathBuf {
    let beside = std::fs::read_dir(cert.parent().expect("a directory")).expect("readable");
    let names = beside.map(|entry| PathBuf::from(entry.expect("readable").file_name()));
    names.filter(|name| name.to_string_lossy().contains("key")).min().expect("a key file")
}

#[test]
fn an_automatic_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_server, cert) = certificate();
    let key = std::fs::metadata(cert.with_file_name(key_name(&cert))).expect("its key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn too_low_a_file_limit_is_refused() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 300; exec \"$0\" \"$@\"", PROGRAM]);
    let attempt = Attempt::through(shell, &["--max-connections=5000", "--shards=2"]);
    attempt.fails_naming(&["max_connections", "5000", "300 open files", "LimitNOFILE="]);
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
    without_io_uring("38").fails_naming(&["io_uring", "kernel"]);
}

#[test]
fn an_unknown_flag_is_refused_with_the_nearest_one() {
    Attempt::new(&["--max-conections=5"]).fails_naming(&["--max-connections"]);
}

#[test]
fn a_bad_value_is_refused() {
    Attempt::new(&["--shards=many"]).fails_naming(&["shards", "many", "--shards"]);
    Attempt::new(&["--port=70000"]).fails_naming(&["port", "70000"]);
    Attempt::new(&["--max-connections=0"]).fails_naming(&["max_connections", "0"]);
}

#[test]
fn an_unknown_environment_variable_is_refused_with_the_nearest_one() {
    let mut attempt = Attempt::new(&[]);
    attempt.command.env("URINGCAST_MAX_CONECTIONS", "5");
    attempt.fails_naming(&["URINGCAST_MAX_CONECTIONS", "URINGCAST_MAX_CONNECTIONS"]);
}

#[test]
fn an_unknown_configuration_key_is_refused_with_the_nearest_one() {
    let mut attempt = Attempt::new(&[]);
    let path = attempt.file("uringcast.toml", "max_conections = 5\n");
    attempt.command.arg(format!("--config={}", path.display()));
    attempt.fails_naming(&["max_conections", "uringcast.toml", "max_connections"]);
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
fn tls_off_with_a_certificate_is_refused() {
    let flags = ["--tls-enabled=false", "--cert-file=/c.pem", "--key-file=/k.pem"];
    Attempt::new(&flags).fails_naming(&["tls_enabled = false", "contradicts"]);
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    Attempt::new(&["--cert-file=/c.pem"]).fails_naming(&["cert_file", "/c.pem", "key_file"]);
}

#[test]
fn verifying_clients_without_an_authority_is_refused() {
    let flags = ["--auto-cert", "--verify-client"];
    Attempt::new(&flags).fails_naming(&["verify_client", "ca_file"]);
}

#[test]
fn a_control_port_for_everybody_without_a_key_is_refused() {
    let attempt = Attempt::new(&["--control-host=0.0.0.0"]);
    attempt.fails_naming(&["control_host", "0.0.0.0", "api_key_file"]);
}

#[test]
fn check_config_prints_what_is_in_force_and_masks_secrets() {
    let mut attempt = Attempt::new(&["check-config", "--api-key=hunter2-hunter2-hunter2"]);
    let config = attempt.file("u.toml", "max_connections = 7\nserver_name = \"file\"\n");
    attempt.command.arg(format!("--config={}", config.display()));
    attempt.command.env("URINGCAST_SERVER_NAME", "environment");
    let output = attempt.command.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("max_connections = 7"), "{said}");
    assert!(said.contains("server_name = \"environment\""), "{said}");
    assert!(said.contains("api_key") && !said.contains("hunter2"), "{said}");
}

#[test]
fn logs_that_nobody_can_take_stop_nothing() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut attempt = Attempt::new(&[]);
    attempt.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(full.expect("open"));
    let mut child = attempt.command.spawn().expect("it starts");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    assert!(line.starts_with("listening ws://"), "{line:?}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it still runs");
    assert_eq!(child.wait().expect("its status").code(), Some(0));
}

//! What may stand still while clients are served: standard error, the control thread, and
//! page faults.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::support::ws::{CLOSE, Client, FIN, Frame, PING, PONG};
use crate::support::{Server, http, tls, tools, until};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustls::version::TLS13;
use serde_json::{Value, json};

const LOST: &str = "uringcast_log_lines_lost_total";
/// What a client publishes.
const NEWS: &str = "news";

/// A pipe without room for another byte.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("set");
    while writer.write(&[b'\n'; 512]).is_ok() {}
    while writer.write(b"\n").is_ok() {}
    fcntl_setfl(&writer, flags).expect("set");
    (reader, writer)
}

/// Publishes as a client. The answer may come behind the event.
fn publish(client: &mut Client, data: &Value) {
    let data = json!({"channel": NEWS, "event": "e", "data": data});
    client.say(&json!({"id": "p", "type": "request", "event": "publish", "data": data}));
}

/// Waits for the next event, and answers PINGs meanwhile.
fn next_event(client: &mut Client) -> Value {
    loop {
        let Frame { first, payload } = client.frame().expect("not the end of the stream");
        if first == FIN | PING {
            client.send(PONG, &payload);
            continue;
        }
        let message: Value = serde_json::from_slice(&payload).expect("JSON");
        if message["type"] == "event" && message["event"] == "e" {
            return message["data"].clone();
        }
    }
}

#[test]
fn a_log_that_nobody_reads_delays_no_client_and_what_is_lost_is_told() {
    let (mut unread, full) = full_pipe();
    let server = Server::start_logging_to(
        "--log-level=debug --shards=1 --anonymous-publish",
        Stdio::from(full),
    );
    let (mut publisher, mut subscriber) = (Client::connect(&server), Client::connect(&server));
    subscriber.subscribe(NEWS);
    // Each is a line at this level: more than the queue has room for.
    until("lines to be lost", || {
        for _ in 0..500 {
            let mut left = TcpStream::connect(server.clients[0]).expect("connected");
            left.write_all(b"GET ").expect("written");
        }
        (server.metric(LOST, "") > 0.0).then_some(())
    });
    for n in 0..3 {
        publish(&mut publisher, &json!({"n": n}));
        assert_eq!(next_event(&mut subscriber)["n"], n);
    }
    // Now it is read, and says so.
    let (mut said, mut piece) = (String::new(), [0; 4_096]);
    while !said.contains("log lines were lost") {
        let read = unread.read(&mut piece).expect("the log");
        assert!(read > 0, "the log ends without a word of it");
        said = said.split_off(said.len() - said.len().min(256));
        said += &String::from_utf8_lossy(&piece[..read]);
    }
    drop(unread);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_server_from_ending() {
    let (_unread, full) = full_pipe();
    let server = Server::start_logging_to("--log-level=debug", Stdio::from(full));
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
}

/// Stops one thread until the sender is dropped. `None` where tracing is not allowed.
fn stop_thread(tid: u32) -> Option<(Sender<()>, thread::JoinHandle<()>)> {
    let ((stopped, stops), (resume, resumed)) = (channel(), channel::<()>());
    // All requests must come from one thread of ours.
    let tracer = thread::spawn(move || {
        let tid = Pid::from_raw(i32::try_from(tid).expect("a thread"));
        if ptrace::seize(tid, ptrace::Options::empty()) == Err(Errno::EPERM) {
            return;
        }
        ptrace::interrupt(tid).expect("it runs");
        waitpid(tid, Some(WaitPidFlag::__WALL)).expect("it stops");
        stopped.send(()).expect("the test waits");
        let _ = resumed.recv();
        ptrace::detach(tid, None).expect("it goes on");
    });
    stops.recv().ok()?;
    Some((resume, tracer))
}

#[test]
fn clients_are_served_while_the_control_thread_stands_still() {
    const TEST: &str = "clients_are_served_while_the_control_thread_stands_still";
    let server = Server::start(
        "--auto-cert --shards=2 --keepalive-interval=2s --anonymous-publish \
         --auth-enabled=optional --jwt-secret=0123456789abcdef0123456789abcdef",
    );
    let config = tls::config(&server, &TLS13, None);
    let connect = || Client::connect_secure(&server, &config);
    let (mut publisher, mut subscriber, mut silent) = (connect(), connect(), connect());
    subscriber.subscribe(NEWS);
    // The runtime of the control plane runs on the process's first thread.
    let Some((resume, tracer)) = stop_thread(server.pid()) else {
        return tools::skip(TEST, "tracing is not allowed");
    };

    // Ten seconds: deliveries, handshakes with TLS and the verification of tokens go on.
    for n in 0..10 {
        publish(&mut publisher, &json!({"n": n}));
        assert_eq!(next_event(&mut subscriber)["n"], n);
        let token = json!({"token": "x.y.z"});
        let auth = json!({"type": "request", "event": "auth", "data": token});
        assert_eq!(connect().ask(&auth)["error_code"], "AUTH_FAILED");
        thread::sleep(Duration::from_secs(1));
    }
    // And so does the keepalive.
    let frames: Vec<_> = std::iter::from_fn(|| silent.frame()).map(|frame| frame.first).collect();
    assert_eq!(frames, [FIN | PING, FIN | CLOSE], "asked once, then closed");
    drop(resume);
    tracer.join().expect("the thread goes on");
    assert_eq!(http::get(server.control, "/health").status, 200);
}

/// What the service manager was told since the last call.
fn told(manager: &UnixDatagram) -> String {
    let (mut all, mut bytes) = (String::new(), [0; 4_096]);
    while let Ok(length) = manager.recv(&mut bytes) {
        all += &String::from_utf8_lossy(&bytes[..length]);
        all.push('\n');
    }
    all
}

/// The thread of a shard.
fn shard_thread(server: &Server) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("threads");
    let mut paths = tasks.map(|task| task.expect("a thread").path());
    let is_it = |path: &PathBuf| {
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        name.starts_with("shard")
    };
    let found = paths.find(is_it).expect("the thread of a shard");
    found.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("its number")
}

#[test]
fn the_watchdog_is_not_calmed_while_a_shard_or_the_control_thread_stands_still() {
    const TEST: &str =
        "the_watchdog_is_not_calmed_while_a_shard_or_the_control_thread_stands_still";
    let dir = tempfile::tempdir().expect("a directory");
    let (path, config) = (dir.path().join("notify"), dir.path().join("u.toml"));
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_nonblocking(true).expect("set");
    std::fs::write(&config, "welcome_message = \"one\"\n").expect("written");
    let flags = format!("--shards=1 --keepalive-interval=1s --config={}", config.display());
    let path = path.to_str().expect("text");
    let server = Server::start_in(&flags, &[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "9000000")]);
    let calmed = || until("the watchdog", || told(&manager).contains("WATCHDOG=1").then_some(()));
    calmed();

    let Some((resume, tracer)) = stop_thread(shard_thread(&server)) else {
        return tools::skip(TEST, "tracing is not allowed");
    };
    until("the shard to be missed", || {
        (http::get(server.control, "/ready").status == 503).then_some(())
    });
    told(&manager);
    // The control plane still looks after everything once a second: this takes it twice.
    std::fs::write(&config, "welcome_massage = \"two\"\n").expect("written");
    server.logged("welcome_massage");
    assert!(!told(&manager).contains("WATCHDOG=1"), "a shard stands still");
    drop(resume);
    tracer.join().expect("the thread goes on");
    calmed();

    let mut client = Client::connect(&server);
    let (resume, tracer) = stop_thread(server.pid()).expect("tracing is allowed");
    told(&manager);
    // Seconds of the shard's clock.
    for _ in 0..3 {
        let ping = client.frame().expect("a PING");
        assert_eq!(ping.first, FIN | PING);
        client.send(PONG, &ping.payload);
    }
    assert_eq!(told(&manager), "", "the control thread stands still");
    drop(resume);
    tracer.join().expect("the thread goes on");
    calmed();
}

#[test]
fn page_faults_wait_for_no_huge_pages() {
    let server = Server::start("");
    assert_eq!(server.process_status("THP_enabled:"), Some(0));
}

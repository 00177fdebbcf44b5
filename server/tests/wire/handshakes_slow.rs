//! Slow handshakes: cut at the deadline, cheap until then, without delay for other clients.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::support::ws::Client;
use crate::support::{PATIENCE, Server, raise_descriptors, tls};

const ERRORS: &str = "websocket_connection_errors_total";
const HANDSHAKES: &str = "uringcast_handshakes";
/// Half-open handshakes: nearly as many as one shard accepts (`MAX_HANDSHAKES`).
const MANY: usize = 1_000;
/// ClientHellos without end.
const ENDLESS: usize = 200;

/// A connection to the server.
fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Waits until the server has cut the connection, and expects no handshake of it.
fn assert_cut(mut stream: &TcpStream) {
    let mut answer = Vec::new();
    // FIN or a reset: bytes may have been unread.
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => assert!(answer.is_empty(), "{answer:?}"),
    }
}

/// More than one shard accepts at a time (`MAX_HANDSHAKES`).
const TOO_MANY: usize = 1_100;

/// Bytes that wait in the sockets of the server's connections.
fn unread(server: &Server) -> u64 {
    let all = std::fs::read_to_string("/proc/net/tcp").expect("a table of sockets");
    let port = format!(":{:04X}", server.clients[0].port());
    let rows = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row[1].ends_with(&port));
    let queues = ours.map(|row| row[4].split_once(':').expect("two queues").1);
    queues.map(|bytes| u64::from_str_radix(bytes, 16).expect("a number")).sum()
}

#[test]
fn more_silent_connections_than_there_are_places_keep_nobody_out() {
    raise_descriptors();
    let server = Server::start("--shards 1");
    let silent: Vec<TcpStream> = (0..TOO_MANY).map(|_| connect(&server)).collect();
    let mut client = Client::connect(&server);
    client.subscribe("news");
    let is_open = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).expect("set");
        stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    let open = silent.iter().filter(|stream| is_open(stream)).count();
    assert!(open >= MANY, "those in its way made room, no others: {open}");
    let cut = server.settled(ERRORS, "\"timeout\"");
    assert!(cut >= 1.0, "and were counted");
}

#[test]
fn a_thousand_slow_handshakes_are_cheap_in_nobodys_way_and_cut() {
    raise_descriptors();
    let server = Server::start("--auto-cert --shards 1");
    let config = tls::config(&server, &rustls::version::TLS13, None);
    // What the first client costs the process once is not counted for the slow ones.
    let mut early = Client::connect_secure(&server, &config);
    early.subscribe("news");
    let mut hello = Vec::new();
    tls::client(&config).write_tls(&mut hello).expect("a ClientHello");
    let memory = server.anonymous_memory();

    // One client sends byte after byte, so that the server always has something to read;
    let trickling = connect(&server);
    let (mut trickle, bytes) = (trickling.try_clone().expect("a descriptor"), hello.clone());
    let trickle = thread::spawn(move || {
        let slowly = |byte: &&u8| {
            thread::sleep(Duration::from_millis(50));
            trickle.write_all(std::slice::from_ref(*byte)).is_ok()
        };
        bytes.iter().take_while(slowly).count()
    });
    // the others stop half way.
    let mut halves: Vec<TcpStream> = (0..MANY).map(|_| connect(&server)).collect();
    for stream in &mut halves {
        stream.write_all(&hello[..hello.len() / 2]).expect("written");
    }
    server.wait_metric(HANDSHAKES, "", MANY as f64 + 1.0);
    let each = (server.anonymous_memory() - memory) / MANY as i64;
    println!("{each} bytes a half-open handshake");
    assert!(each <= 16 << 10, "{each} bytes a half-open handshake");

    let mut late = Client::connect_secure(&server, &config);
    late.subscribe("news");
    server.publish("news", r#"{"x":1}"#);
    for client in [&mut early, &mut late] {
        assert_eq!(client.message()["data"]["x"], 1, "who shakes hands is served meanwhile");
    }

    assert_cut(&trickling);
    let sent = trickle.join().expect("it ends");
    assert!(sent < hello.len(), "it was cut before its ClientHello was whole");
    halves.iter().for_each(assert_cut);
    assert_eq!(server.settled(ERRORS, "\"timeout\""), MANY as f64 + 1.0);
    assert_eq!(server.metric(ERRORS, ""), MANY as f64 + 1.0, "each once, and nothing else");
    assert_eq!(server.metric(HANDSHAKES, ""), 0.0);
    early.assert_alive();
    late.assert_alive();
}

#[test]
fn a_client_hello_without_end_costs_its_bytes_up_to_a_limit() {
    let server = Server::start("--auto-cert --shards 1");
    let config = tls::config(&server, &rustls::version::TLS13, None);
    let mut early = Client::connect_secure(&server, &config);
    early.subscribe("news");
    let memory = server.anonymous_memory();
    // Of 61,000 bytes.
    let mut piece = vec![22, 3, 1, 0x25, 0x1c];
    piece.resize(5 + 9_500, 0);
    piece[5..11].copy_from_slice(&[1, 0, 0xee, 0x48, 3, 3]);
    let mut endless: Vec<TcpStream> = (0..ENDLESS).map(|_| connect(&server)).collect();
    for stream in &mut endless {
        stream.write_all(&[&piece[..], &piece].concat()).expect("written");
    }
    crate::support::until("all of it is read", || (unread(&server) == 0).then_some(()));
    let each = (server.anonymous_memory() - memory) / ENDLESS as i64;
    println!("{each} bytes an endless ClientHello");
    assert!(each <= 56 << 10, "{each} bytes an endless ClientHello");
    for stream in &mut endless {
        stream.write_all(&piece).expect("written");
    }
    server.wait_metric(ERRORS, "\"tls_handshake\"", ENDLESS as f64);
    early.assert_alive();
}

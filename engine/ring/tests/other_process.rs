//! Sockets handed to a ring of another process: this program, started once more.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

use uringcast_ring::{Config, Operation, PeerProcess, RemoteRing, Ring, SlotKey, probe};

/// Names the socket of the first process; without it the second one's part does nothing.
const SOCKET: &str = "URINGCAST_RING_TEST_SOCKET";
const CONNECTIONS: u32 = 40;
const GREETING: &[u8] = b"from the other process";

/// The second process, with a connection to it. It is killed when the test ends.
struct Second {
    child: Child,
    socket: UnixStream,
}

impl Second {
    fn start() -> (Second, RemoteRing) {
        let folder = std::env::temp_dir().join(format!("uringcast-ring-{}", unused_name()));
        let _ = std::fs::remove_file(&folder);
        let listener = UnixListener::bind(&folder).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "second_process", "--nocapture"])
            .env(SOCKET, &folder)
            .spawn()
            .unwrap();
        let mut socket = listener.accept().unwrap().0;
        std::fs::remove_file(folder).unwrap();
        let mut descriptor = [0; 4];
        socket.read_exact(&mut descriptor).unwrap();
        let process = PeerProcess::of(&socket).unwrap();
        assert_eq!(process.id(), child.id());
        let ring = process.ring(i32::from_ne_bytes(descriptor)).unwrap();
        (Second { child, socket }, ring)
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name that no other test of this process or another one has.
fn unused_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{}-{:x}", std::process::id(), RandomState::new().hash_one(0))
}

/// The part of the second process: greets on every socket it was given, and sends back in upper
/// case what comes.
#[test]
fn second_process() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    let mut socket = UnixStream::connect(path).unwrap();
    let mut ring: Ring<Vec<u8>> = Ring::new(&Config::new(CONNECTIONS as usize)).unwrap();
    socket.write_all(&ring.own_descriptor().to_ne_bytes()).unwrap();
    socket.read_exact(&mut [0]).unwrap();
    for slot in 0..CONNECTIONS {
        ring.adopt(SlotKey::new(slot));
        ring.receive(SlotKey::new(slot));
        ring.load_owned(GREETING.to_vec());
        ring.send(SlotKey::new(slot)).unwrap();
    }
    assert!(ring.submit_batch().exceptions().is_empty());
    loop {
        ring.wait();
        let Some(completion) = ring.next() else { continue };
        let Some(received) = completion.received else { return };
        let answer = ring.bytes(&received).to_ascii_uppercase();
        ring.give_back(received);
        ring.load_owned(answer);
        ring.send(completion.key).unwrap();
        assert!(ring.submit_batch().exceptions().is_empty());
    }
}

fn expect(peer: &mut TcpStream, bytes: &[u8]) {
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut read = vec![0; bytes.len()];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

#[test]
fn connections_go_to_another_process_while_their_peers_send() {
    let (mut second, remote) = Second::start();
    let mut ring: Ring<Vec<u8>> = Ring::new(&Config::new(CONNECTIONS as usize)).unwrap();
    let keys: Vec<_> = (0..CONNECTIONS).map(SlotKey::new).collect();
    let mut peers = Vec::new();
    for key in &keys {
        let (peer, ours) = probe::loopback().unwrap();
        ring.place(*key, &ours).unwrap();
        ring.receive(*key);
        peers.push(peer);
    }
    // Copied while receives are armed, then these are cancelled.
    for key in &keys {
        ring.copy_to(*key, &remote, CONNECTIONS - 1 - key.index);
        ring.cancel(Operation::Receive, *key);
    }
    ring.submit();
    while !keys.iter().all(|key| ring.is_idle(*key)) {
        ring.wait();
        while let Some(completion) = ring.next() {
            assert!(completion.operation != Operation::Copy || completion.result >= 0);
        }
    }
    for peer in &mut peers {
        peer.write_all(b"sent meanwhile").unwrap();
    }
    // No FIN: the other process has the socket.
    keys.iter().for_each(|key| ring.clear(*key));
    second.socket.write_all(&[0]).unwrap();
    for peer in &mut peers {
        expect(peer, GREETING);
        expect(peer, b"SENT MEANWHILE");
        peer.write_all(b"more").unwrap();
        expect(peer, b"MORE");
    }
}

#[test]
fn a_copy_fails_where_there_is_no_ring_and_the_socket_stays() {
    let (second, _) = Second::start();
    let process = PeerProcess::of(&second.socket).unwrap();
    // Standard error.
    let none = process.ring(2).unwrap();
    let mut ring: Ring<Vec<u8>> = Ring::new(&Config::new(1)).unwrap();
    let (mut peer, ours) = probe::loopback().unwrap();
    let key = SlotKey::new(0);
    ring.place(key, &ours).unwrap();
    ring.copy_to(key, &none, 0);
    ring.wait();
    let completion = ring.next().unwrap();
    assert_eq!(completion.operation, Operation::Copy);
    assert!(completion.result < 0);
    ring.load_owned(b"still here".to_vec());
    ring.send(key).unwrap();
    assert!(ring.submit_batch().exceptions().is_empty());
    expect(&mut peer, b"still here");
}

#[test]
fn a_process_that_has_ended_is_known_to_have() {
    let (second, _) = Second::start();
    let process = PeerProcess::of(&second.socket).unwrap();
    assert!(!process.has_ended_within(Duration::ZERO));
    process.kill().unwrap();
    assert!(process.has_ended_within(Duration::from_secs(30)));
    drop(second);
}

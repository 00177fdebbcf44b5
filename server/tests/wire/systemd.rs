//! What a service manager such as systemd is told, and the sockets that it hands over.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{ErrorKind, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::tools::{program, root};
use crate::support::ws::{Client, upgrade_request};
use crate::support::{PATIENCE, PROGRAM, Server, free_ports, http};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use socket2::{Domain, Socket, Type};

/// The next message to the service manager that is not the watchdog's.
fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    loop {
        let length = manager.recv(&mut bytes).expect("a message");
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        if text.trim() != "WATCHDOG=1" {
            return text;
        }
    }
}

#[test]
fn the_service_manager_is_told_of_start_reload_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "9000000")];
    let server = Server::start_in("", &environment);
    let said = told(&manager);
    let address = server.clients[0];
    for line in ["READY=1", &format!("STATUS=listening ws://{address}")] {
        assert!(said.lines().any(|one| one.starts_with(line)), "{line} is not in {said}");
    }
    let mut watchdog = [0; 64];
    let length = manager.recv(&mut watchdog).unwrap();
    assert_eq!(&watchdog[..length].trim_ascii(), b"WATCHDOG=1");

    server.hang_up();
    let said = told(&manager);
    let time = said.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(said.lines().any(|line| line == "RELOADING=1"), "{said}");
    assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{said}");
    let said = told(&manager);
    assert!(said.lines().any(|line| line == "READY=1"), "{said}");
    assert!(said.contains("STATUS=reloaded: nothing has changed"), "{said}");

    server.terminate();
    let said = told(&manager);
    assert!(said.lines().any(|line| line == "STOPPING=1"), "{said}");
    assert!(said.contains("STATUS=closing all connections within"), "{said}");
    assert!(server.ended().success());
}

/// A listening socket that children inherit.
fn socket() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl_setfd(&socket, FdFlags::empty()).unwrap();
    socket
}

/// As many sockets of one port.
fn sockets(count: usize) -> Vec<TcpListener> {
    let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listen = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(64).unwrap();
        fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        address = socket.local_addr().unwrap().as_socket().unwrap();
        socket.into()
    };
    (0..count).map(listen).collect()
}

/// The command that hands these sockets to the server.
fn handing_over(test: &str, sockets: &[TcpListener]) -> Option<Command> {
    let numbers: Vec<_> = sockets.iter().map(|one| one.as_raw_fd().to_string()).collect();
    let mut command = Command::new(program(test, "python3")?);
    command.arg(root().join("server/tests/scripts/hand_over.py"));
    command.arg(numbers.join(",")).arg(PROGRAM);
    Some(command)
}

fn port(socket: &TcpListener) -> u16 {
    socket.local_addr().unwrap().port()
}

#[test]
fn sockets_that_are_handed_over_are_served_by_their_addresses() {
    const TEST: &str = "sockets_that_are_handed_over_are_served_by_their_addresses";
    for (shards, mut all) in [(2, sockets(1)), (2, sockets(2)), (1, sockets(3))] {
        all.extend([socket(), socket()]);
        let Some(command) = handing_over(TEST, &all) else { return };
        let [clients, .., control, metrics] = &all[..] else { panic!("there are three") };
        let flags = format!(
            "--shards={shards} --port={} --control-port={} --metrics-port={}",
            port(clients),
            port(control),
            port(metrics)
        );
        let server = Server::start_by(command, &flags, &[]);
        assert_eq!(server.clients, [clients.local_addr().unwrap()]);
        // As many as would leave some unanswered where a socket is not accepted from.
        for _ in 0..32 {
            let mut client = Client::connect(&server);
            client.assert_alive();
        }
        server.publish("a", "{}");
        assert_eq!(server.metric("uringcast_foreign_listeners", ""), 0.0);
        assert_eq!(http::get(server.control, "/ready").status, 200);
        server.terminate();
        assert!(server.ended().success());
        TcpStream::connect(clients.local_addr().unwrap()).expect("it is not shut down");
    }
}

#[test]
fn a_socket_of_an_address_that_no_setting_names_is_refused() {
    const TEST: &str = "a_socket_of_an_address_that_no_setting_names_is_refused";
    let all = [socket()];
    let Some(mut command) = handing_over(TEST, &all) else { return };
    let output = command.args(crate::support::FREE_PORTS).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let address = all[0].local_addr().unwrap();
    assert!(said.contains(&format!("LISTEN_FDS: has a socket on {address}")), "{said}");
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    fcntl_setfd(&datagrams, FdFlags::empty()).unwrap();
    let mut command = Command::new(program(TEST, "python3").unwrap());
    command.arg(root().join("server/tests/scripts/hand_over.py"));
    command.arg(datagrams.as_raw_fd().to_string()).arg(PROGRAM).args(crate::support::FREE_PORTS);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("socket 1 of LISTEN_FDS cannot be used"), "{said}");
}

/// Connects and upgrades; the answer's first line, or nothing if the server left meanwhile.
fn knock(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let asked = stream.write_all(upgrade_request(address, "").as_bytes());
    let mut first = [0; 12];
    match asked.and_then(|()| stream.read_exact(&mut first)) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
        // A handshake that was under way when the server ended.
        Err(_) => return Ok(String::new()),
    }
    let _ = stream.shutdown(Shutdown::Write);
    Ok(String::from_utf8_lossy(&first).into_owned())
}

#[test]
fn a_restart_on_the_manager_s_sockets_refuses_nobody() {
    const TEST: &str = "a_restart_on_the_manager_s_sockets_refuses_nobody";
    let all = sockets(2);
    let address = all[0].local_addr().unwrap();
    let flags = format!("--shards=2 --port={} --control-port=0 --metrics-port=0", address.port());
    let start = || Some(Server::start_by(handing_over(TEST, &all)?, &flags, &[]));
    let Some(first) = start() else { return };
    let over = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let knock_on = || {
            let mut answers = Vec::new();
            while !over.load(Ordering::Relaxed) {
                answers.push(knock(address).expect("the port takes connections"));
            }
            answers
        };
        let clients = [(); 4].map(|()| scope.spawn(knock_on));
        first.terminate();
        assert!(first.ended().success());
        // These wait for the next server.
        let waiting = [(); 4].map(|()| scope.spawn(|| knock(address).unwrap()));
        let second = start().unwrap();
        let early = waiting.map(|client| client.join().unwrap());
        assert!(early.iter().all(|answer| answer == "HTTP/1.1 101"), "{early:?}");
        drop(Client::connect(&second));
        over.store(true, Ordering::Relaxed);
        let answers = clients.map(|client| client.join().unwrap());
        second.terminate();
        assert!(second.ended().success());
        answers.concat()
    });
    let known = ["HTTP/1.1 101", "HTTP/1.1 503", ""];
    assert!(answers.iter().all(|answer| known.contains(&&**answer)), "{answers:?}");
}

#[test]
fn who_comes_to_a_handed_over_socket_during_a_drain_is_served_by_the_next_server() {
    const TEST: &str =
        "who_comes_to_a_handed_over_socket_during_a_drain_is_served_by_the_next_server";
    let all = sockets(2);
    let address = all[0].local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let flags = format!(
        "--shards=2 --port={} --control-port=0 --metrics-port=0 --drain-spread=5m",
        address.port()
    );
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let start = || Some(Server::start_by(handing_over(TEST, &all)?, &flags, &environment));
    let Some(first) = start() else { return };
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&first)).collect();
    first.terminate();
    for client in &mut clients {
        assert_eq!(client.message()["event"], "session.reconnect");
    }
    let waiting = thread::spawn(move || knock(address).unwrap());
    while !told(&manager).contains("STATUS=closing connections: ") {}
    drop(clients);
    assert!(first.ended().success());
    let second = start().unwrap();
    assert_eq!(waiting.join().unwrap(), "HTTP/1.1 101");
    second.terminate();
    assert!(second.ended().success());
}

#[test]
fn systemd_hands_over_a_socket_with_its_first_client() {
    const TEST: &str = "systemd_hands_over_a_socket_with_its_first_client";
    let Some(activate) = program(TEST, "systemd-socket-activate") else { return };
    let port = free_ports(1)[0];
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = Command::new(activate);
    command.arg(format!("--listen={address}")).arg(PROGRAM);
    let client = thread::spawn(move || {
        // The program starts when a client has connected.
        let connected = || TcpStream::connect(address).ok();
        Client::upgrade(crate::support::until("the socket", connected)).message()
    });
    let flags = format!("--shards=1 --port={port} --control-port=0 --metrics-port=0");
    let server = Server::start_by(command, &flags, &[]);
    assert_eq!(client.join().unwrap()["event"], "session.created");
    assert_eq!(server.clients, [address]);
}

/// The sockets that the manager is to keep under this name.
fn stored(manager: &UnixDatagram) -> Vec<TcpListener> {
    loop {
        let (mut bytes, mut space) = ([0; 4096], [MaybeUninit::uninit(); 4096]);
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::empty();
        let length = recvmsg(manager, &mut into, &mut ancillary, flags).unwrap().bytes;
        let sockets: Vec<TcpListener> = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            })
            .flatten()
            .map(TcpListener::from)
            .collect();
        if !sockets.is_empty() {
            assert_eq!(&bytes[..length], b"FDSTORE=1\nFDNAME=uringcast\n");
            return sockets;
        }
    }
}

#[test]
fn the_manager_keeps_the_sockets_of_a_server_that_is_killed() {
    const TEST: &str = "the_manager_keeps_the_sockets_of_a_server_that_is_killed";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("FDSTORE", "64")];
    let server = Server::start_in("--shards=2", &environment);
    let kept = stored(&manager);
    assert_eq!(kept.len(), 4, "two shards, control and metrics");
    let (clients, control, metrics) = (server.clients[0], server.control, server.metrics);
    drop(server);
    // It waits for the next server.
    let waits = thread::spawn(move || knock(clients).unwrap());
    let Some(command) = handing_over(TEST, &kept) else { return };
    // With other settings: the socket that no setting names any more is closed.
    let flags = format!("--shards=1 --port={} --control-port=0 --metrics-port=0", clients.port());
    let names = ("LISTEN_FDNAMES", "uringcast:uringcast:uringcast:uringcast");
    kept.iter().for_each(|socket| fcntl_setfd(socket, FdFlags::empty()).unwrap());
    let next = Server::start_by(command, &flags, &[names]);
    drop(kept);
    assert_eq!(waits.join().unwrap(), "HTTP/1.1 101");
    assert_ne!((next.control, next.metrics), (control, metrics));
}

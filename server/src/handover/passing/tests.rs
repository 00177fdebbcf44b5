use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

fn port(name: &str) -> PortName {
    PortName { name: name.to_owned(), configured: "127.0.0.1:0".parse().unwrap() }
}

/// Both ends of a connection.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[tokio::test]
async fn a_connection_is_passed_on_to_its_port_with_what_is_unread() {
    let passing = Passing::possible();
    assert!(!passing.has_begun());
    let (to, from) = net::UnixStream::pair().unwrap();
    let (taker, mut taken) = mpsc::channel(8);
    let receiving = tokio::spawn(receive_all(from, vec![(port("control"), taker)]));
    passing.begin(to).unwrap();
    passing.begun().await;
    let mut clients = Vec::new();
    // One is of a port that the other process does not serve.
    for (name, length) in [("control", 0), ("metrics", 3), ("control", 1 << 20)] {
        let (client, socket) = connection();
        let (owner, unread) = (Some("desk".into()), vec![7; length]);
        passing.pass(PassedConnection { port: port(name), owner, unread, socket }).await;
        clients.push(client);
    }
    drop(passing);
    receiving.await.unwrap().unwrap();
    for (client, length) in [(0, 0), (2, 1 << 20)] {
        let mut passed = taken.recv().await.unwrap();
        assert_eq!((passed.owner.as_deref(), passed.unread.len()), (Some("desk"), length));
        passed.socket.write_all(b"hello").unwrap();
        let mut bytes = [0; 5];
        clients[client].read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
    }
    assert!(taken.recv().await.is_none());
    assert_eq!(clients[1].read(&mut [0; 1]).unwrap(), 0, "closed");
}

#[tokio::test]
async fn a_process_that_takes_nothing_is_no_fault() {
    let passing = Passing::possible();
    let (to, from) = net::UnixStream::pair().unwrap();
    passing.begin(to).unwrap();
    drop(from);
    let (mut client, socket) = connection();
    let (port, unread) = (port("control"), Vec::new());
    passing.pass(PassedConnection { port, owner: None, unread, socket }).await;
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "closed");
}

#[tokio::test]
async fn bytes_that_are_no_connection_end_it() {
    for bytes in [&b"GET / HTTP/1.1"[..], &[0xff; 8]] {
        let (mut to, from) = net::UnixStream::pair().unwrap();
        to.write_all(bytes).unwrap();
        receive_all(from, Vec::new()).await.unwrap_err();
    }
}

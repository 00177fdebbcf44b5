//! The first bytes of a connection.

use super::*;

#[test]
fn the_welcome_comes_in_one_write_with_the_response() {
    let shards = Shards::start(1, Config::default());
    let mut stream = TcpStream::connect(shards.address).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    // One read returns what one write left in a socket with room.
    let mut buffer = [0; 4_096];
    let read = stream.read(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..read]);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.contains("session.created"), "{text}");
    drop(stream);
    shards.drain();
}

#[test]
fn close_notify_is_answered_before_with_and_after_the_request() {
    let (server, client) = tls_configs(&rustls::version::TLS13);
    let shards = Shards::start(
        1,
        Config::from(Service { tls: Some(TlsSource::new(server)), ..Service::default() }),
    );
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (before, answer) in [("", ""), ("GET / HT", ""), (request, "session.created")] {
        let stream = TcpStream::connect(shards.address).unwrap();
        let mut client = StreamOwned::new(tls_client(Arc::clone(&client)), stream);
        client.conn.complete_io(&mut client.sock).unwrap();
        client.conn.writer().write_all(before.as_bytes()).unwrap();
        client.conn.send_close_notify();
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("a clean end");
        let text = String::from_utf8_lossy(&got);
        assert!(text.contains(answer), "{text}");
    }
    let stream = TcpStream::connect(shards.address).unwrap();
    let mut client = upgrade(StreamOwned::new(tls_client(client), stream));
    assert_eq!(next(&mut client)["event"], "session.created");
    let tls = client.get_mut();
    tls.conn.send_close_notify();
    assert_eq!(tls.read(&mut [0]).expect("a clean end"), 0);
    drop(client);
    shards.drain();
}

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
    // What one write leaves in a socket with room, one read takes.
    let mut buffer = [0; 4_096];
    let read = stream.read(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..read]);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.contains("session.created"), "{text}");
    drop(stream);
    shards.drain();
}

//! A WebSocket client that sends any frames, also those that no client may send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};
use serde_json::{Value, json};

use super::{PATIENCE, Server};

/// A continuation of a fragmented message.
pub const CONTINUATION: u8 = 0x0;
/// A text frame.
pub const TEXT: u8 = 0x1;
/// A binary frame.
pub const BINARY: u8 = 0x2;
/// A close frame.
pub const CLOSE: u8 = 0x8;
/// A ping frame.
pub const PING: u8 = 0x9;
/// A pong frame.
pub const PONG: u8 = 0xa;
/// The bit that ends a message.
pub const FIN: u8 = 0x80;

/// A frame the server sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, reserved bits and opcode.
    pub first: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, upgrades and reads the welcome.
    pub fn connect(server: &Server) -> Client {
        let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).expect("connected"));
        assert_eq!(client.message()["event"], "session.created");
        client
    }

    /// Upgrades a connection, and reads nothing of what follows.
    pub fn upgrade(stream: TcpStream) -> Client {
        let mut client = Client::request(stream);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// A connection whose request was sent already.
    pub fn requested(stream: TcpStream) -> Client {
        let mut client = Client { stream, tls: None, buffer: Vec::new() };
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// As `connect`, over TLS to a server with an automatic certificate.
    pub fn connect_secure(server: &Server, config: &Arc<ClientConfig>) -> Client {
        let stream = TcpStream::connect(server.clients[0]).expect("connected");
        let mut client = Client::request_over(stream, Some(super::tls::client(config)));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(client.message()["event"], "session.created");
        client
    }

    /// Sends an upgrade request, and reads nothing.
    pub fn request(stream: TcpStream) -> Client {
        Client::request_over(stream, None)
    }

    /// As `request`, over TLS if there is a session.
    pub fn request_over(stream: TcpStream, tls: Option<ClientConnection>) -> Client {
        let address = stream.peer_addr().expect("an address");
        Client::request_as(stream, tls, &upgrade_request(address, ""))
    }

    /// As `request_over`, with a request of one's own.
    pub fn request_as(stream: TcpStream, tls: Option<ClientConnection>, request: &str) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let mut client = Client { stream, tls, buffer: Vec::new() };
        client.raw(request.as_bytes());
        client
    }

    /// Reads the head of the answer to [`Client::request`].
    pub fn head(&mut self) -> String {
        let end = self.fill(|bytes| bytes.windows(4).position(|at| at == b"\r\n\r\n"));
        let end = end.expect("an answer to the upgrade") + 4;
        String::from_utf8(self.buffer.drain(..end).collect()).expect("text")
    }

    /// Sends bytes as they are. The server may have closed already.
    pub fn raw(&mut self, bytes: &[u8]) {
        // The test is about what the server answered before it closed.
        let _ = match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => rustls::Stream::new(tls, &mut self.stream).write_all(bytes),
        };
    }

    /// Sends a whole masked frame.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.raw(&frame(FIN | opcode, payload));
    }

    /// Sends a JSON message.
    pub fn say(&mut self, message: &Value) {
        self.send(TEXT, message.to_string().as_bytes());
    }

    /// Sends a JSON message and reads one.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        self.message()
    }

    /// Subscribes and returns the confirmation's `data`.
    pub fn subscribe(&mut self, channel: &str) -> Value {
        let reply = self.ask(&json!({"type": "subscribe", "data": {"channel": channel}}));
        assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
        reply["data"].clone()
    }

    /// Shows that the connection is still served.
    pub fn assert_alive(&mut self) {
        let reply = self.ask(&json!({"type": "ping", "id": "alive?"}));
        assert_eq!((&reply["type"], &reply["correlation_id"]), (&json!("pong"), &json!("alive?")));
    }

    /// Reads one frame; `None` at the end of the stream.
    pub fn frame(&mut self) -> Option<Frame> {
        let (length, header) = self.fill(frame_header)?;
        let whole = header + length;
        self.fill(|bytes| (bytes.len() >= whole).then_some(()))?;
        let first = self.buffer[0];
        let payload = self.buffer[header..whole].to_vec();
        self.buffer.drain(..whole);
        Some(Frame { first, payload })
    }

    /// Reads one JSON message.
    pub fn message(&mut self) -> Value {
        let frame = self.frame().expect("a message, not the end of the stream");
        assert_eq!(frame.first, FIN | TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Reads a close frame, answers it and reads the end of the stream.
    pub fn closed(&mut self) -> (u16, String) {
        let frame = self.frame().expect("a close frame, not the end of the stream");
        assert_eq!(frame.first, FIN | CLOSE, "{frame:?}");
        self.send(CLOSE, &frame.payload);
        assert_eq!(self.frame(), None, "something behind the close frame");
        let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        (code, String::from_utf8(frame.payload[2..].to_vec()).expect("UTF-8"))
    }

    /// Sends close_notify.
    pub fn close_tls(&mut self) {
        let tls = self.tls.as_mut().expect("a connection over TLS");
        tls.send_close_notify();
        tls.complete_io(&mut self.stream).expect("sent");
    }

    /// Its TLS session.
    pub fn tls(&mut self) -> &mut ClientConnection {
        self.tls.as_mut().expect("a connection over TLS")
    }

    /// The connection and its TLS session.
    pub fn into_secure_parts(self) -> (TcpStream, ClientConnection) {
        (self.stream, self.tls.expect("a connection over TLS"))
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads until `ready` finds what it looks for; `None` at the end of the stream.
    fn fill<T>(&mut self, ready: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut chunk = [0; 16_384];
        loop {
            if let Some(found) = ready(&self.buffer) {
                return Some(found);
            }
            let read = match &mut self.tls {
                None => self.stream.read(&mut chunk),
                Some(tls) => rustls::Stream::new(tls, &mut self.stream).read(&mut chunk),
            };
            match read {
                Ok(0) => return None,
                // A server that cuts a peer with unread bytes resets the connection.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                // With a timeout the kernel does not begin a read anew that was interrupted.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("reading: {error}; have {:?}", self.buffer),
            }
        }
    }
}

/// An upgrade request with further headers, each ended by CRLF.
pub fn upgrade_request(address: SocketAddr, extra: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

/// A masked frame with the given first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = announce(first, payload.len() as u64, true);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The beginning of a frame, up to where the mask goes. RFC 6455, section 5.2.
pub fn announce(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask | length as u8),
        126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

/// Lengths of payload and header of an unmasked frame, if the header is whole.
fn frame_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let short = *bytes.get(1)?;
    assert_eq!(short & 0x80, 0, "a server must not mask");
    match short {
        126 => Some((u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(), 4)),
        127 => Some((u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10)),
        short => Some((short.into(), 2)),
    }
}

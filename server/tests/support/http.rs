//! One HTTP request a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// The header that calls a body JSON.
pub const JSON: &str = "Content-Type: application/json\r\n";

/// What came back.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Splits a whole response.
    pub fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP response: {text:?}"));
        Answer { status, head: head.into(), body: body.into() }
    }
}

/// GETs a path.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    exchange(address, &format!("GET {path} HTTP/1.1\r\n"), "")
}

/// POSTs JSON to a path.
pub fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    send(address, &format!("POST {path}"), "", body)
}

/// Sends a request with further headers, each ending in CRLF. The body is called JSON, unless a
/// header says otherwise.
pub fn send(address: SocketAddr, what: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let media = match headers.contains("Content-Type:") {
        true => "",
        false => JSON,
    };
    let head = format!("{what} HTTP/1.1\r\nContent-Length: {length}\r\n{media}{headers}");
    exchange(address, &head, body)
}

/// A connection that is kept.
pub struct Kept {
    /// The connection.
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Kept {
    /// Connects.
    pub fn to(address: SocketAddr) -> Kept {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Kept { stream, unread: Vec::new() }
    }

    /// Sends this.
    pub fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("written");
    }

    /// The next response; its body by its length.
    pub fn answer(&mut self) -> Answer {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.unread[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let end = end + 4 + length.map_or(0, |length| length.parse().expect("a number"));
                if self.unread.len() >= end {
                    return Answer::parse(&self.unread.drain(..end).collect::<Vec<_>>());
                }
            }
            let mut part = [0; 4096];
            let count = self.stream.read(&mut part).expect("bytes");
            assert!(count > 0, "the connection has ended");
            self.unread.extend_from_slice(&part[..count]);
        }
    }
}

/// A request with a body that is called JSON, unless a header says otherwise.
pub fn text(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let media = if headers.contains("Content-Type") { "" } else { JSON };
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    format!("{head}{media}{headers}\r\n{body}")
}

fn exchange(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!("{head}Host: {address}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    Answer::parse(&answer)
}

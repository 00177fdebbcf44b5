//! One HTTP request a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

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
        false => "Content-Type: application/json\r\n",
    };
    let head = format!("{what} HTTP/1.1\r\nContent-Length: {length}\r\n{media}{headers}");
    exchange(address, &head, body)
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

//! A client of Server-Sent Events that reads chunks and events as they are written.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, StreamOwned};
use serde_json::Value;

use super::{PATIENCE, Server};

/// One response.
pub struct Stream {
    inner: Box<dyn ReadWrite>,
    buffer: Vec<u8>,
    /// What of the body was not read yet.
    body: Vec<u8>,
    /// Status line and headers.
    pub head: String,
    /// The last `id` that came, as a browser keeps it.
    pub last_id: String,
}

trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

/// One event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its `event`; empty without one.
    pub kind: String,
    /// Its `data`; null without any.
    pub data: Value,
    /// Its own `id`, if it has one.
    pub id: Option<String>,
    /// Its `retry`, if it has one.
    pub retry: Option<u64>,
    /// It is a comment.
    pub is_comment: bool,
}

/// A request for a stream with these parameters and further headers, each ending in CRLF.
pub fn request(address: SocketAddr, query: &str, headers: &str) -> String {
    format!("GET /v1/sse?{query} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n")
}

impl Stream {
    /// Asks for a stream, and reads the head of the answer.
    pub fn ask(server: &Server, query: &str, headers: &str) -> Stream {
        let address = server.clients[0];
        Stream::send(connect(address), &request(address, query, headers))
    }

    /// Asks for a stream over TLS.
    pub fn ask_over(server: &Server, tls: &Arc<ClientConfig>, query: &str) -> Stream {
        let stream = StreamOwned::new(super::tls::client(tls), connect(server.clients[0]));
        Stream::send(stream, &request(server.clients[0], query, ""))
    }

    /// Opens a stream and reads up to the positions that it begins at.
    pub fn open(server: &Server, query: &str) -> Stream {
        let mut stream = Stream::ask(server, query, "");
        stream.confirmed();
        stream
    }

    /// The same as a browser that had this id last.
    pub fn resume(server: &Server, query: &str, id: &str) -> (Stream, Vec<Value>) {
        let mut stream = Stream::ask(server, query, &format!("Last-Event-ID: {id}\r\n"));
        let confirmed = stream.confirmed();
        (stream, confirmed)
    }

    /// Sends bytes and reads the head of the answer.
    pub fn send(inner: impl Read + Write + Send + 'static, request: &str) -> Stream {
        let mut stream = Stream {
            inner: Box::new(inner),
            buffer: Vec::new(),
            body: Vec::new(),
            head: String::new(),
            last_id: String::new(),
        };
        stream.raw(request.as_bytes());
        stream.head = stream.through(b"\r\n\r\n").expect("an answer");
        stream
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.inner.write_all(bytes).expect("written");
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (other, value) = line.split_once(": ")?;
            other.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The body of a response that is no stream.
    pub fn refused(mut self) -> (u16, Value) {
        let mut rest = std::mem::take(&mut self.buffer);
        self.inner.read_to_end(&mut rest).expect("the body");
        (self.status(), serde_json::from_slice(&rest).expect("JSON"))
    }

    /// Reads the welcome and the confirmations, up to the event that has positions only.
    pub fn confirmed(&mut self) -> Vec<Value> {
        assert_eq!(self.status(), 200, "{}", self.head);
        assert!(self.event().expect("when to come again").retry.is_some());
        let welcome = self.event().expect("a welcome");
        assert_eq!(welcome.data["event"], "session.created", "{welcome:?}");
        let mut confirmed = Vec::new();
        loop {
            let event = self.event().expect("a confirmation");
            if event.data.is_null() {
                assert!(event.id.is_some(), "{event:?}");
                return confirmed;
            }
            assert_eq!(event.data["event"], "subscribe", "{event:?}");
            confirmed.push(event.data["data"].clone());
        }
    }

    /// The next event; `None` at the end of the stream.
    pub fn event(&mut self) -> Option<Event> {
        const END: &[u8] = b"\n\n";
        let end = loop {
            match self.body.windows(END.len()).position(|bytes| bytes == END) {
                Some(at) => break at + END.len(),
                None if !self.chunk() => {
                    assert!(self.body.is_empty(), "the stream ends within an event");
                    return None;
                }
                None => {}
            }
        };
        let text = String::from_utf8(self.body.drain(..end).collect()).expect("UTF-8");
        let mut event = Event::default();
        for line in text.trim_end().lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("event", kind) => event.kind = kind.into(),
                ("data", data) => event.data = serde_json::from_str(data).expect("JSON"),
                ("id", id) => event.id = Some(id.into()),
                ("retry", retry) => event.retry = retry.parse().ok(),
                (":", _) => event.is_comment = true,
                _ => panic!("what is {line:?}"),
            }
        }
        event.id.iter().for_each(|id| self.last_id.clone_from(id));
        Some(event)
    }

    /// The next event that is no comment: its data.
    pub fn message(&mut self) -> Value {
        loop {
            let event = self.event().expect("a message");
            if !event.is_comment {
                return event.data;
            }
        }
    }

    /// Reads broadcasts up to this position of a channel: channels and positions.
    pub fn up_to(&mut self, channel: &str, seq: u64) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        while all.last().is_none_or(|last| *last != (channel.to_owned(), seq)) {
            let message = self.message();
            let room = message["room"].as_str().unwrap_or_else(|| panic!("{message}"));
            all.push((room.to_owned(), message["seq"].as_u64().expect("a position")));
        }
        all
    }

    /// Reads on to the event that closes the stream, and its end: code, reason, and whether its
    /// client is to come again.
    pub fn closed(&mut self) -> (u64, String, bool) {
        loop {
            let event = self.event().expect("a close event");
            if event.kind == "close" {
                assert_eq!(self.event(), None, "nothing is behind it");
                assert!(!self.fill(), "the connection ends");
                let data = event.data;
                let code = data["code"].as_u64().expect("a code");
                let reason = data["reason"].as_str().expect("a reason").to_owned();
                return (code, reason, data["reconnect"].as_bool().expect("a bool"));
            }
        }
    }

    /// Reads a chunk, of which a proxy may make others. Returns `false` at the end.
    fn chunk(&mut self) -> bool {
        let length = self.through(b"\r\n").expect("a chunk");
        let length = usize::from_str_radix(length.trim(), 16).expect("its length");
        while self.buffer.len() < length + 2 {
            assert!(self.fill(), "the stream ends within a chunk");
        }
        self.body.extend(self.buffer.drain(..length));
        self.buffer.drain(..2);
        length > 0
    }

    /// Takes what there is up to these bytes.
    fn through(&mut self, end: &[u8]) -> Option<String> {
        loop {
            let at = self.buffer.windows(end.len()).position(|bytes| bytes == end);
            if let Some(at) = at {
                let taken = self.buffer.drain(..at + end.len()).collect();
                return Some(String::from_utf8(taken).expect("text"));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads more. Returns `false` at the end.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 << 10];
        match self.inner.read(&mut bytes) {
            Ok(0) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&bytes[..read]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the stream: {error}"),
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

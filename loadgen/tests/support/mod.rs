//! A small broadcast server with just enough of the protocol, and with faults on demand.

// Each test program uses a part of it.
#![allow(dead_code, unreachable_pub)]

mod regular;
mod stream;

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use regular::Injected;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use stream::{Stream, certificate};
use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tungstenite::{Message, WebSocket};

/// What the server does wrong. Messages count from 1 over all channels; the victim is the first
/// subscriber of the message's channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    Lose(u64),
    Duplicate(u64),
    /// This message goes out after the next one.
    Swap(u64),
    /// The whole server pauses before this message.
    Stall(u64, Duration),
    /// The victim's connection is closed at this message.
    Close(u64),
    /// Every publish is answered with this error.
    Refuse(&'static str),
    /// Every third publish is.
    RefuseThird(&'static str),
    /// Subscriptions are refused: the connection is closed with 1013.
    Full,
    /// No message is delivered.
    Mute,
    /// All of [`Injected`], by the number of the delivery or of the message.
    Regular,
    /// The whole server pauses once a second for so long.
    StallEachSecond(Duration),
    /// What was missed does not come to those that come back.
    Forget,
}

pub struct Server {
    pub url: String,
    pub control: String,
    pub certificate: Option<PathBuf>,
    pub injected: Arc<Mutex<Injected>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(fault: Fault) -> Self {
        Self::start_with(fault, None)
    }

    /// With a certificate of its own, written to `cert.pem` in the directory, it serves wss.
    pub fn start_with(fault: Fault, tls: Option<&Path>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let control = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        control.set_nonblocking(true).unwrap();
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let control_url = format!("http://{}", control.local_addr().unwrap());
        let config = tls.map(certificate);
        let stop = Arc::new(AtomicBool::new(false));
        let injected = Arc::default();
        let state = State {
            fault,
            injected: Arc::clone(&injected),
            delayed: Vec::new(),
            logs: HashMap::new(),
            listener,
            control,
            config,
            sockets: Vec::new(),
            full: HashSet::new(),
            posts: Vec::new(),
            channels: HashMap::new(),
            held: None,
            messages: 0,
        };
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || state.run(&stop)
        });
        let certificate = tls.map(|directory| directory.join("cert.pem"));
        Self { url, control: control_url, certificate, injected, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct State {
    fault: Fault,
    listener: TcpListener,
    control: TcpListener,
    config: Option<Arc<ServerConfig>>,
    sockets: Vec<Option<WebSocket<Stream>>>,
    /// Those that did not take all of what they were sent.
    full: HashSet<usize>,
    posts: Vec<(TcpStream, Vec<u8>)>,
    channels: HashMap<String, Vec<usize>>,
    injected: Arc<Mutex<Injected>>,
    /// Deliveries that wait, in order of time.
    delayed: Vec<(Instant, usize, String)>,
    /// What was published to each channel.
    logs: HashMap<String, Vec<String>>,
    /// The message held back by `Fault::Swap`, for this socket.
    held: Option<(usize, String)>,
    messages: u64,
}

impl State {
    fn run(mut self, stop: &AtomicBool) {
        let mut stalled = Instant::now();
        while !stop.load(Relaxed) {
            if let Fault::StallEachSecond(pause) = self.fault
                && stalled.elapsed() >= Duration::from_secs(1)
            {
                stalled = Instant::now();
                std::thread::sleep(pause);
            }
            let mut busy = self.accept();
            for index in 0..self.sockets.len() {
                while let Some(request) = self.read(index) {
                    self.handle(index, &request);
                    busy = true;
                }
            }
            busy |= self.serve_posts();
            busy |= self.flush_full();
            while self.delayed.first().is_some_and(|(at, ..)| *at <= Instant::now()) {
                let (_, index, text) = self.delayed.remove(0);
                self.send(index, text);
            }
            if !busy {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    fn accept(&mut self) -> bool {
        while let Ok((stream, _)) = self.control.accept() {
            stream.set_nonblocking(true).unwrap();
            self.posts.push((stream, Vec::new()));
        }
        let mut busy = false;
        while let Ok((stream, _)) = self.listener.accept() {
            self.welcome(stream);
            busy = true;
        }
        busy
    }

    fn welcome(&mut self, stream: TcpStream) {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        let handle = stream.try_clone().unwrap();
        let stream = match &self.config {
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                Stream::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
            None => Stream::Plain(stream),
        };
        // A client that refuses the certificate does not get this far.
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        let welcome = json!({"type": "event", "event": "session.created", "data": {}});
        socket.send(Message::text(welcome.to_string())).unwrap();
        handle.set_nonblocking(true).unwrap();
        self.sockets.push(Some(socket));
    }

    fn read(&mut self, index: usize) -> Option<Value> {
        let socket = self.sockets[index].as_mut()?;
        match socket.read() {
            Ok(Message::Text(text)) => serde_json::from_str(&text).ok(),
            Ok(_) => Some(Value::Null),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => {
                self.sockets[index] = None;
                None
            }
        }
    }

    fn handle(&mut self, index: usize, request: &Value) {
        let channel = request["data"]["channel"].as_str().unwrap_or_default().to_owned();
        let reply = match request["event"].as_str() {
            Some("subscribe") if self.fault == Fault::Full => {
                let reason = "Server at maximum capacity".into();
                self.close(index, CloseFrame { code: CloseCode::Again, reason });
                return;
            }
            Some("subscribe") => {
                self.subscribe(index, request, &channel);
                return;
            }
            Some("publish") => match self.publish(&channel, &request["data"]["data"]) {
                Ok(seq) => json!({"type": "response", "event": "publish",
                    "data": {"status": "published", "channel": channel, "seq": seq}}),
                Err(code) => json!({"type": "error", "event": "publish", "error_code": code}),
            },
            _ => return,
        };
        let mut reply = reply;
        reply["correlation_id"] = request["id"].clone();
        self.send(index, reply.to_string());
    }

    fn publish(&mut self, channel: &str, data: &Value) -> Result<u64, &'static str> {
        self.messages += 1;
        let number = self.messages;
        match self.fault {
            Fault::Refuse(code) => return Err(code),
            Fault::RefuseThird(code) if number.is_multiple_of(3) => return Err(code),
            Fault::Stall(at, pause) if at == number => std::thread::sleep(pause),
            Fault::Regular if number.is_multiple_of(10) => {
                self.injected.lock().unwrap().stalls += 1;
                std::thread::sleep(Duration::from_millis(200));
            }
            Fault::Mute => return Ok(number),
            _ => {}
        }
        let log = self.logs.entry(channel.to_owned()).or_default();
        let message = json!({"id": "x", "correlation_id": null, "type": "event", "event": "bench",
            "data": data, "timestamp": "", "room": channel, "seq": log.len() + 1})
        .to_string();
        log.push(message.clone());
        let subscribers = self.channels.get(channel).cloned().unwrap_or_default();
        for (place, &index) in subscribers.iter().enumerate() {
            let victim = place == 0;
            match self.fault {
                Fault::Lose(at) if victim && at == number => {}
                Fault::Duplicate(at) if victim && at == number => {
                    self.send(index, message.clone());
                    self.send(index, message.clone());
                }
                Fault::Swap(at) if victim && at == number => {
                    self.held = Some((index, message.clone()));
                }
                Fault::Close(at) if victim && at == number => {
                    let reason = "slow consumer".into();
                    self.close(index, CloseFrame { code: CloseCode::Again, reason });
                }
                Fault::Regular => self.send_badly(index, &message),
                _ => {
                    self.send(index, message.clone());
                    if let Some((_, held)) = self.held.take_if(|(held, _)| *held == index) {
                        self.send(index, held);
                    }
                }
            }
        }
        Ok(number)
    }

    fn send(&mut self, index: usize, text: String) {
        let Some(socket) = &mut self.sockets[index] else { return };
        let sent = socket.send(Message::text(text));
        self.keep_if_full(index, sent);
    }

    /// A full socket takes the rest later; one that failed is gone.
    fn keep_if_full(&mut self, index: usize, sent: tungstenite::Result<()>) {
        match sent {
            Ok(()) => drop(self.full.remove(&index)),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.full.insert(index);
            }
            Err(_) => self.sockets[index] = None,
        }
    }

    fn flush_full(&mut self) -> bool {
        for index in std::mem::take(&mut self.full) {
            if let Some(socket) = &mut self.sockets[index] {
                let flushed = socket.flush();
                self.keep_if_full(index, flushed);
            }
        }
        !self.full.is_empty()
    }

    fn close(&mut self, index: usize, frame: CloseFrame) {
        if let Some(mut socket) = self.sockets[index].take() {
            let _ = socket.close(Some(frame));
            let _ = socket.flush();
        }
    }

    fn serve_posts(&mut self) -> bool {
        let mut requests = Vec::new();
        for (place, (stream, bytes)) in self.posts.iter_mut().enumerate() {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..count]);
            }
            while let Some((body, size)) = post(bytes) {
                requests.push((place, body));
                bytes.drain(..size);
            }
        }
        let busy = !requests.is_empty();
        for (place, body) in requests {
            let channel = body["channel"].as_str().unwrap().to_owned();
            let status = match self.publish(&channel, &body["data"]) {
                Ok(_) => "202 Accepted",
                Err(_) => "503 Service Unavailable",
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
            self.posts[place].0.write_all(answer.as_bytes()).unwrap();
        }
        busy
    }
}

fn post(bytes: &[u8]) -> Option<(Value, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).unwrap() else { return None };
    assert_eq!((request.method, request.path), (Some("POST"), Some("/v1/publish")));
    let length = request.headers.iter().find(|header| header.name == "Content-Length").unwrap();
    let length: usize = std::str::from_utf8(length.value).unwrap().parse().unwrap();
    let body = bytes.get(head..head + length)?;
    Some((serde_json::from_slice(body).unwrap(), head + length))
}

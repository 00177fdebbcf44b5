//! The subscribers and publishers of one server, on one epoll.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use uringcast_loadgen::client::{Client, Event, Fault};
use uringcast_loadgen::transport::Transport;

use crate::connect::{Connector, Opened, Target};
use crate::deliveries::{Deliveries, Faults, Layout};
use crate::envelope::{SEQ, frame_of_envelope, number};
use crate::server_protocol::{Message, ServerProtocol, Speech};

/// More than a socket usually holds, so that a read that does not fill it was the last.
const BUFFER: usize = 256 << 10;
/// Tokens of publishers start here.
const PUBLISHERS: usize = 1 << 30;

struct Connection {
    transport: Transport,
    client: Client,
    out: Vec<u8>,
}

/// See the module.
pub(crate) struct Clients {
    speech: Speech,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    subscribers: Vec<Connection>,
    publishers: Vec<Connection>,
    names: Vec<String>,
    pub deliveries: Deliveries,
    /// Bytes of `data` of the messages now in flight.
    pub payload: usize,
    bare: usize,
    pub refusal: Option<String>,
}

impl Clients {
    /// Connects all and waits until they are subscribed.
    pub(crate) fn connect(target: &Target, layout: Layout) -> io::Result<Clients> {
        let names: Vec<String> = match layout.channels {
            1 => vec!["bench".into()],
            many => (0..many).map(|channel| format!("bench{channel}")).collect(),
        };
        let mut clients = Clients {
            speech: target.speech(layout.channels > 1),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; BUFFER],
            subscribers: Vec::new(),
            publishers: Vec::new(),
            names,
            deliveries: Deliveries::new(layout),
            payload: 0,
            bare: frame_of_envelope(),
            refusal: None,
        };
        let mut connector = target.connector(0);
        clients.add_subscribers(&mut connector, layout)?;
        clients.add_publishers(&mut connector)?;
        Ok(clients)
    }

    fn add_subscribers(&mut self, connector: &mut Connector, layout: Layout) -> io::Result<()> {
        let Clients { speech, names, .. } = self;
        let start = |connection: usize, host: &str, out: &mut Vec<u8>| {
            let channels = layout.channels_of(connection as u32);
            let channels: Vec<String> = channels.map(|c| names[c as usize].clone()).collect();
            speech.subscriber(host, &channels, out)
        };
        let mut opened = Vec::new();
        connector.open(layout.connections as usize, start, |one| opened.push(one))?;
        for (place, one) in opened.into_iter().enumerate() {
            let one = self.register(one, Token(place), Interest::READABLE)?;
            self.subscribers.push(one);
        }
        Ok(())
    }

    fn add_publishers(&mut self, connector: &mut Connector) -> io::Result<()> {
        let Clients { speech, names, .. } = self;
        let count = if speech.publisher_per_channel() { names.len() } else { 1 };
        let start = |place: usize, host: &str, out: &mut Vec<u8>| {
            speech.publisher(host, &names[place], out)
        };
        let mut opened = Vec::new();
        connector.open(count, start, |one| opened.push(one))?;
        for (place, one) in opened.into_iter().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let one = self.register(one, Token(PUBLISHERS + place), interest)?;
            self.publishers.push(one);
        }
        Ok(())
    }

    fn register(&self, one: Opened, token: Token, interest: Interest) -> io::Result<Connection> {
        let (transport, client) = one.nonblocking()?;
        let fd = transport.stream.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), token, interest)?;
        Ok(Connection { transport, client, out: Vec::new() })
    }

    /// Writes the next message to its publisher's buffer; [`Clients::flush`] sends it.
    pub(crate) fn publish(&mut self) {
        let number = self.deliveries.publish();
        let channels = self.deliveries.layout.channels;
        let channel = (number % channels) as usize;
        let message = Message {
            number,
            payload: self.payload,
            channel: &self.names[channel],
            seq: number / channels + 1,
        };
        let publisher = channel % self.publishers.len();
        let text = self.speech.publication(message);
        let Connection { client, out, .. } = &mut self.publishers[publisher];
        client.send_text(&text, out);
    }

    /// Sends the publishers' messages, as far as the server takes them.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        for Connection { transport, out, .. } in &mut self.publishers {
            if !out.is_empty() || transport.has_pending_writes() {
                transport.write(out)?;
            }
        }
        Ok(())
    }

    /// Waits for something, at most so long, and takes it all in.
    pub(crate) fn turn(&mut self, patience: Duration) -> io::Result<usize> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, Some(patience));
        let mut taken = Ok(0);
        if polled.is_ok() {
            for event in &events {
                let Token(token) = event.token();
                taken = taken.and_then(|n| Ok(n + self.take(token, event.is_writable())?));
            }
        }
        self.events = events;
        match polled {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
            Ok(()) => taken,
        }
    }

    /// Which subscribers have something to read, without reading it: marks them in `seen` and
    /// returns how many of them are new.
    pub(crate) fn look(&mut self, seen: &mut [bool]) -> io::Result<usize> {
        let mut new = 0;
        loop {
            self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
            for event in &self.events {
                let Token(token) = event.token();
                if let Some(seen) = seen.get_mut(token) {
                    new += usize::from(!std::mem::replace(seen, true));
                }
            }
            if self.events.iter().count() < 1024 {
                return Ok(new);
            }
        }
    }

    /// Reads whatever subscriber or publisher `token` has.
    pub(crate) fn take(&mut self, token: usize, writable: bool) -> io::Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let taken = self.take_into(token, writable, &mut buffer);
        self.buffer = buffer;
        taken
    }

    fn take_into(&mut self, token: usize, flush: bool, buffer: &mut [u8]) -> io::Result<usize> {
        if flush {
            self.flush()?;
        }
        let mut taken = 0;
        loop {
            let transport = match token.checked_sub(PUBLISHERS) {
                Some(publisher) => &mut self.publishers[publisher].transport,
                None => &mut self.subscribers[token].transport,
            };
            let read = match transport.read(buffer) {
                Ok(0) => {
                    self.deliveries.faults.closed += 1;
                    return Ok(taken);
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(taken),
                Err(_) => {
                    self.deliveries.faults.closed += 1;
                    return Ok(taken);
                }
            };
            let last = transport.drained(read, buffer.len());
            taken += read;
            match token.checked_sub(PUBLISHERS) {
                None => self.received(token, &buffer[..read])?,
                Some(publisher) => self.answered(publisher, &buffer[..read])?,
            }
            if last {
                return Ok(taken);
            }
        }
    }

    fn received(&mut self, connection: usize, bytes: &[u8]) -> io::Result<()> {
        let Connection { transport, client, out } = &mut self.subscribers[connection];
        let (deliveries, payload, bare) = (&mut self.deliveries, self.payload, self.bare);
        let (names, channels) = (&self.names, deliveries.layout.channels);
        // A server that has served before counts seq on: its digits are its own.
        let (protocol, in_stream) = (self.speech.protocol, self.speech.is_stream());
        let (bare, digits) = match protocol {
            ServerProtocol::Mcp => (bare - SEQ.len(), 0..1),
            _ => (bare, 1..11),
        };
        let received = client.receive(bytes, out, |event| {
            let Event::Text(text, length) = event else { return };
            match number(text) {
                Some(number) => {
                    let name = &names[(number % channels) as usize];
                    let beyond = (length as usize).wrapping_sub(bare + payload + name.len());
                    deliveries.faults.misshapen += u64::from(!digits.contains(&beyond));
                    deliveries.deliver(connection as u32, number);
                }
                // Between messages a stream has lines of its own.
                None if in_stream && text.starts_with(b"MSG ") => {}
                None => {
                    let text = || String::from_utf8_lossy(text).into_owned();
                    deliveries.faults.strange.get_or_insert_with(text);
                }
            }
        });
        note(received, &mut deliveries.faults);
        if out.is_empty() { Ok(()) } else { transport.write(out) }
    }

    /// Takes in what a server tells a publisher.
    fn answered(&mut self, publisher: usize, bytes: &[u8]) -> io::Result<()> {
        let Connection { transport, client, out } = &mut self.publishers[publisher];
        let (speech, refusal) = (&self.speech, &mut self.refusal);
        let received = client.receive(bytes, out, |event| {
            if let (Event::Text(text, _), None) = (event, &refusal) {
                *refusal = speech.refusal(text);
            }
        });
        note(received, &mut self.deliveries.faults);
        transport.write(out)
    }

    /// Reads until nothing is in flight, or nothing has arrived for `patience`.
    /// Returns the time of the last delivery.
    pub(crate) fn drain(&mut self, patience: Duration) -> io::Result<Instant> {
        let mut last = Instant::now();
        while self.deliveries.in_flight > 0 {
            self.flush()?;
            if self.turn(Duration::from_millis(100))? > 0 {
                last = Instant::now();
            } else if last.elapsed() > patience {
                self.deliveries.give_up();
            }
        }
        Ok(last)
    }
}

/// What ends a connection.
fn note(received: Result<(), Fault>, faults: &mut Faults) {
    match received {
        Ok(()) => {}
        Err(Fault::Closed(_)) => faults.closed += 1,
        Err(fault) => drop(faults.strange.get_or_insert(fault.to_string())),
    }
}

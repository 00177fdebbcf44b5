//! The subscribers and publishers of one server, on one epoll.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use uringcast_benches::client::frame;
use uringcast_loadgen::frame::Opcode;
use uringcast_loadgen::transport::Transport;

use crate::connect::{Connector, Target, Wish};
use crate::deliveries::{Deliveries, Layout};
use crate::envelope::{SEQ, frame_of_envelope, number};
use crate::parser::{Parser, Piece};
use crate::server_protocol::{Message, ServerProtocol};

/// More than a socket usually holds, so that a read that does not fill it was the last.
const BUFFER: usize = 256 << 10;
/// Tokens of publishers start here.
const PUBLISHERS: usize = 1 << 30;

struct Subscriber {
    transport: Transport,
    parser: Parser,
}

struct Publisher {
    transport: Transport,
    out: Vec<u8>,
}

/// See the module.
pub(crate) struct Clients {
    protocol: ServerProtocol,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    subscribers: Vec<Subscriber>,
    publishers: Vec<Publisher>,
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
        let protocol = target.protocol;
        let names: Vec<String> = match layout.channels {
            1 => vec!["bench".into()],
            many => (0..many).map(|channel| format!("bench{channel}")).collect(),
        };
        let mut clients = Clients {
            protocol,
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
        clients.add_publishers(&mut connector, layout)?;
        Ok(clients)
    }

    fn add_subscribers(&mut self, connector: &mut Connector, layout: Layout) -> io::Result<()> {
        let Clients { protocol, names, subscribers, poll, .. } = self;
        let wishes = (0..layout.connections).map(|connection| {
            let channels: Vec<String> =
                layout.channels_of(connection).map(|c| names[c as usize].clone()).collect();
            let (hello, replies) = protocol.subscribe(&channels);
            let path = protocol.subscriber_path(&channels);
            Wish { path, hello, replies, reply: protocol.subscribed() }
        });
        let mut opened: Vec<Transport> = Vec::new();
        connector.open(wishes, |transport| opened.push(transport))?;
        for transport in opened {
            let (fd, token) = (transport.stream.as_raw_fd(), Token(subscribers.len()));
            poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
            let parser = Parser::new(*protocol == ServerProtocol::Nats);
            subscribers.push(Subscriber { transport, parser });
        }
        Ok(())
    }

    fn add_publishers(&mut self, connector: &mut Connector, layout: Layout) -> io::Result<()> {
        let Clients { protocol, names, publishers, poll, .. } = self;
        let count = if protocol.publisher_per_channel() { names.len() } else { 1 };
        let wishes = names.iter().take(count).map(|name| Wish {
            path: protocol.publisher_path(name, layout.channels as usize),
            hello: protocol.introduce(),
            replies: 0,
            reply: "",
        });
        let mut opened: Vec<Transport> = Vec::new();
        connector.open(wishes, |transport| opened.push(transport))?;
        for transport in opened {
            let fd = transport.stream.as_raw_fd();
            let token = Token(PUBLISHERS + publishers.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut SourceFd(&fd), token, interest)?;
            publishers.push(Publisher { transport, out: Vec::new() });
        }
        Ok(())
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
        let many = channels > 1;
        self.protocol.publish(message, many, &mut self.publishers[publisher].out);
    }

    /// Sends the publishers' messages, as far as the server takes them.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        for Publisher { transport, out } in &mut self.publishers {
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
            match token < PUBLISHERS {
                true => self.received(token, &buffer[..read])?,
                false if self.refusal.is_none() => {
                    self.refusal = self.protocol.refusal(&buffer[..read]);
                }
                false => {}
            }
            if last {
                return Ok(taken);
            }
        }
    }

    fn received(&mut self, connection: usize, bytes: &[u8]) -> io::Result<()> {
        let Subscriber { transport, parser } = &mut self.subscribers[connection];
        let (deliveries, payload, bare) = (&mut self.deliveries, self.payload, self.bare);
        let (names, channels) = (&self.names, deliveries.layout.channels);
        let mut pings = 0;
        // A server that has served before counts seq on: its digits are its own.
        let (bare, digits) = match self.protocol {
            ServerProtocol::Mcp => (bare - SEQ.len(), 0..1),
            _ => (bare, 1..11),
        };
        let parsed = parser.feed(bytes, &mut |piece| match piece {
            Piece::Message(head, len) => match number(head) {
                Some(number) => {
                    let name = &names[(number % channels) as usize];
                    let beyond = len.wrapping_sub(bare + payload + name.len());
                    deliveries.faults.misshapen += u64::from(!digits.contains(&beyond));
                    deliveries.deliver(connection as u32, number);
                }
                None => {
                    let text = || String::from_utf8_lossy(head).into_owned();
                    deliveries.faults.strange.get_or_insert_with(text);
                }
            },
            Piece::Ping => pings += 1,
            Piece::Close => deliveries.faults.closed += 1,
        });
        if let Err(error) = parsed {
            deliveries.faults.strange.get_or_insert_with(|| error.to_owned());
        }
        for _ in 0..pings {
            let mut pong = Vec::new();
            match self.protocol {
                ServerProtocol::Nats => frame(Opcode::Binary, b"PONG\r\n", &mut pong),
                _ => frame(Opcode::Pong, b"", &mut pong),
            }
            transport.write(&mut pong)?;
        }
        Ok(())
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

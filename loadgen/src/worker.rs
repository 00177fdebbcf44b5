//! A receiving thread: its share of the subscribers behind one epoll, one read buffer for all.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustls::HandshakeKind;
use uringcast_loadgen::transport::{Transport, loopback_source};

use crate::client::{Client, Event, Intent, Reply};
use crate::config::Config;
use crate::error::ConnectionError;
use crate::payload_stamp::{Found, Locator};
use crate::recorder::{Batch, Recorder};
use crate::shared::{Shared, pin};
use crate::summary::HandshakeSample;

/// One read takes at most this much; shared by all connections of a thread.
const READ_BUFFER: usize = 256 * 1024;
/// Connections of a thread in the middle of their handshakes.
pub(crate) const MAX_HANDSHAKES: usize = 128;
/// How often a thread hands over what it recorded, and checks whether to stop.
const HAND_OVER: Duration = Duration::from_millis(100);
const EVENTS: usize = 1024;

/// What a worker reports to the main thread: what it recorded, or that a subscriber could not be
/// connected, so that the run cannot begin.
pub(crate) type Update = Result<Box<Batch>, ConnectionError>;

struct Connection {
    transport: Transport,
    client: Client,
    out: Vec<u8>,
    /// Until it is upgraded.
    handshake: Option<Box<HandshakeClock>>,
}

/// When a connection reached which part of its handshake, on the shared clock.
#[derive(Debug, Clone, Copy)]
struct HandshakeClock {
    begun: u64,
    connected: Option<u64>,
    secured: Option<u64>,
}

impl HandshakeClock {
    /// Notes what the transport has reached by `now`.
    fn note(&mut self, transport: &Transport, now: u64) {
        if self.connected.is_none() && transport.stream.peer_addr().is_ok() {
            self.connected = Some(now);
        }
        if self.secured.is_none() && transport.handshake_kind().is_some() {
            self.secured = Some(now);
        }
    }

    /// The upgrade was answered at `now`.
    fn upgraded(self, transport: &Transport, now: u64) -> HandshakeSample {
        let Self { begun, connected, secured } = self;
        let connected = connected.unwrap_or(now);
        HandshakeSample {
            begun,
            tcp: connected - begun,
            tls: secured.map(|secured| secured - connected),
            upgrade: now - secured.unwrap_or(connected),
            resumed: transport.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

struct Worker<'a> {
    config: &'a Config,
    shared: &'a Shared,
    share: Range<u32>,
    updates: Sender<Update>,
    poll: Poll,
    /// In the order of the share; `None` once lost.
    connections: Vec<Option<Connection>>,
    handshakes: usize,
    recorder: Recorder,
    locator: Locator,
    buffer: Vec<u8>,
}

/// Connects the `thread`-th share of the subscribers and receives until the stop.
pub(crate) fn run(config: &Config, shared: &Shared, thread: u32, updates: Sender<Update>) {
    pin(config);
    let worker = Worker::new(config, shared, thread, updates.clone());
    if let Err(error) = worker.and_then(Worker::run) {
        // The receiver is gone only when the run is over anyway; so below.
        let _ = updates.send(Err(error));
    }
}

impl<'a> Worker<'a> {
    fn new(
        config: &'a Config,
        shared: &'a Shared,
        thread: u32,
        updates: Sender<Update>,
    ) -> Result<Self, ConnectionError> {
        let share = config.share(thread);
        let mut recorder = Recorder::new(Arc::clone(config.plan.timeline()), false);
        for index in share.clone() {
            recorder.admit(config.channels(index).into_iter(), false);
        }
        Ok(Self {
            config,
            shared,
            recorder,
            connections: Vec::with_capacity(share.len()),
            share,
            updates,
            poll: Poll::new()?,
            handshakes: 0,
            locator: Locator::new(&config.run, config.plan.payload),
            buffer: vec![0; READ_BUFFER],
        })
    }

    fn run(mut self) -> Result<(), ConnectionError> {
        let mut events = Events::with_capacity(EVENTS);
        let begun = Instant::now();
        let mut handed_over = begun;
        while !self.shared.stop.load(Relaxed) {
            let ramping = self.connections.len() < self.share.len();
            if ramping {
                self.open_due(begun.elapsed())?;
            }
            let wait = if ramping { Duration::from_millis(2) } else { HAND_OVER };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error.into());
            }
            self.recorder.start = self.shared.start.load(Relaxed);
            for event in &events {
                self.serve(event.token().0, event.is_read_closed() || event.is_error())?;
            }
            if handed_over.elapsed() >= HAND_OVER {
                handed_over = Instant::now();
                let _ = self.updates.send(Ok(Box::new(self.recorder.take())));
            }
        }
        for connection in self.connections.iter_mut().flatten() {
            // A close if the socket takes it; the answer is not awaited.
            connection.client.send_close(&mut connection.out);
            let _ = connection.transport.write(&mut connection.out);
        }
        let _ = self.updates.send(Ok(Box::new(self.recorder.finish())));
        Ok(())
    }

    /// Opens the connections that are due by now and fit among the handshakes.
    fn open_due(&mut self, elapsed: Duration) -> io::Result<()> {
        let rate = self.config.plan.ramp / f64::from(self.config.threads);
        let due = (elapsed.as_secs_f64() * rate) as usize + 1;
        while self.connections.len() < due.min(self.share.len()) && self.handshakes < MAX_HANDSHAKES
        {
            self.open()?;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let place = self.connections.len();
        let index = self.share.start + place as u32;
        let source = self.config.sources.map(|count| loopback_source(index % count));
        let endpoint = &self.config.endpoint;
        let begun = self.shared.now();
        let handshake = HandshakeClock { begun, connected: None, secured: None };
        let handshake = Some(Box::new(handshake));
        let transport = Transport::connect(endpoint, source)?;
        let fd = transport.stream.as_raw_fd();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&fd), Token(place), interest)?;
        let mut out = Vec::new();
        let channels = self.config.channels(index);
        let intent = Intent::Subscribe(channels.iter().map(ToString::to_string).collect());
        let headers = self.config.tokens.header(index);
        let client = Client::start(intent, endpoint, &headers, &mut out);
        self.connections.push(Some(Connection { transport, client, out, handshake }));
        self.handshakes += 1;
        Ok(())
    }

    /// Reads all a connection has and writes what is pending. `closing`: read to the end.
    fn serve(&mut self, place: usize, closing: bool) -> Result<(), ConnectionError> {
        let Err(error) = self.exchange(place, closing) else { return Ok(()) };
        self.connections[place] = None;
        if !self.shared.started() {
            return Err(error);
        }
        if !self.shared.stop.load(Relaxed) {
            self.recorder.disconnect(error.to_string());
        }
        Ok(())
    }

    fn exchange(&mut self, place: usize, closing: bool) -> Result<(), ConnectionError> {
        let Self { connections, recorder, locator, buffer, shared, handshakes, .. } = self;
        let Some(Connection { transport, client, out, handshake }) = &mut connections[place] else {
            return Ok(());
        };
        // An unconnected or full socket takes nothing now and reports again.
        transport.write(out)?;
        let mut upgraded = None;
        let open = transport.read_all(buffer, closing, |bytes| {
            let now = shared.now();
            client.receive(bytes, out, |event| match event {
                Event::Upgraded => upgraded = Some(now),
                Event::Ready => {
                    *handshakes -= 1;
                    shared.ready.fetch_add(1, Relaxed);
                }
                Event::Text(text) => match locator.find(text) {
                    Found::Whole(stamp) => recorder.deliver(place, stamp, false, now),
                    Found::Damaged(stamp) => recorder.deliver(place, stamp, true, now),
                    Found::Illegible => recorder.illegible(place, now),
                    Found::Nothing => note(recorder, place, text, now),
                },
            })?;
            Ok::<_, ConnectionError>(())
        })?;
        if let Some(clock) = handshake {
            clock.note(transport, upgraded.unwrap_or_else(|| shared.now()));
            if let Some(now) = upgraded {
                recorder.handshake(clock.upgraded(transport, now));
                *handshake = None;
            }
        }
        if !open {
            return Err(ConnectionError::Eof);
        }
        if !out.is_empty() || transport.has_pending_writes() {
            transport.write(out)?;
        }
        if out.is_empty() {
            // Idle connections own no buffer.
            *out = Vec::new();
        }
        Ok(())
    }
}

/// A message without a stamp matters if it is an error, a gap or an event of somebody else.
fn note(recorder: &mut Recorder, place: usize, text: &[u8], now: u64) {
    let Some(reply) = Reply::parse(text) else { return };
    match reply.error() {
        Some(code) => recorder.notice(code),
        None if reply.event == Some("gap") => recorder.notice("gap"),
        None if reply.kind == "event" && reply.room.is_some() => recorder.foreign(place, now),
        None => {}
    }
}

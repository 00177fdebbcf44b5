//! A receiving thread: its share of the subscribers behind one epoll, one read buffer for all.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::transport::Transport;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::batch::{Batch, Update};
use crate::chat::Chat;
use crate::client::{Client, Event, Intent, Subscription};
use crate::config::Config;
use crate::error::ConnectionError;
use crate::handshake_clock::HandshakeClock;
use crate::inflater::OFFER;
use crate::movements::{Movement, Movements};
use crate::payload_stamp::{Found, Locator};
use crate::plan_input::Publish;
use crate::recorder::Recorder;
use crate::schedule::Channel;
use crate::shared::{Shared, pin};
use crate::subscriber::{Connection, Kept, Reading, confirm, note};

/// One read takes at most this much; shared by all connections of a thread.
const READ_BUFFER: usize = 256 * 1024;
/// Connections of a thread in the middle of their handshakes.
pub(crate) const MAX_HANDSHAKES: usize = 128;
/// How often a thread hands over what it recorded, and checks whether to stop.
const HAND_OVER: Duration = Duration::from_millis(100);
const EVENTS: usize = 1024;
/// Bytes at most that a server adds to what was published; of compressed messages alone.
const ENVELOPE: usize = 64 * 1024;
/// The longest wait while connections are still to be opened.
const RAMPING: Duration = Duration::from_millis(2);
/// A wait for a message to send ends by so much before it is due: epoll rounds up.
const EARLY: Duration = Duration::from_millis(1);

struct Worker<'a> {
    config: &'a Config,
    shared: &'a Shared,
    share: Range<u32>,
    updates: Sender<Update>,
    poll: Poll,
    /// In the order of the share; `None` while away and once lost.
    connections: Vec<Option<Connection>>,
    handshakes: usize,
    movements: Movements,
    /// In the order of the share: what is kept from one connection to the next.
    kept: Vec<Kept>,
    /// Where the subscribers publish themselves.
    chat: Option<Chat<'a>>,
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
        let _ = updates.send(Err(error.explain(&config.given, &config.endpoint)));
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
        let plan = &config.plan;
        let mut recorder = Recorder::new(Arc::clone(plan.timeline()), plan.recover);
        for index in share.clone() {
            let slow = plan.slowness(index).is_some();
            recorder.admit(config.channels(index).into_iter(), slow);
        }
        let (all, seed) = (plan.connections, plan.schedule.seed);
        Ok(Self {
            config,
            shared,
            chat: (plan.publish == Publish::Clients).then(|| Chat::new(config, thread)),
            recorder,
            connections: Vec::with_capacity(share.len()),
            movements: Movements::new(plan.timeline(), share.clone(), all, seed),
            kept: vec![Kept::default(); share.len()],
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
            let wait = if ramping { RAMPING } else { self.move_due()?.min(self.say_due()?) };
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
                self.serve_slow()?;
                let refusals = self.chat.as_mut().map(Chat::take_news).unwrap_or_default();
                let _ = self.updates.send(Ok(Box::new(Batch { refusals, ..self.recorder.take() })));
            }
        }
        for connection in self.connections.iter_mut().flatten() {
            // A close if the socket takes it; the answer is not awaited.
            connection.client.send_close(&mut connection.out);
            let _ = connection.transport.write(&mut connection.out);
        }
        let published = self.chat.map(Chat::finish);
        let last = Batch { published, ..self.recorder.finish() };
        let _ = self.updates.send(Ok(Box::new(last)));
        Ok(())
    }

    /// Opens the connections that are due by now and fit among the handshakes.
    fn open_due(&mut self, elapsed: Duration) -> io::Result<()> {
        let rate = self.config.plan.ramp / f64::from(self.config.threads);
        let due = (elapsed.as_secs_f64() * rate) as usize + 1;
        while self.connections.len() < due.min(self.share.len()) && self.handshakes < MAX_HANDSHAKES
        {
            let connection = self.open(self.connections.len())?;
            self.connections.push(Some(connection));
        }
        Ok(())
    }

    /// Carries out what is due of the plan. Returns how long nothing more is.
    fn move_due(&mut self) -> io::Result<Duration> {
        if !self.shared.started() || self.shared.quit.load(Relaxed) {
            return Ok(HAND_OVER);
        }
        let start = self.shared.start.load(Relaxed);
        // Before the start the load is at 0, and nothing is due.
        let Some(now) = self.shared.now().checked_sub(start) else { return Ok(RAMPING) };
        while self.handshakes < MAX_HANDSHAKES
            && let Some(movement) = self.movements.due(now)
        {
            let place = |client: u32| (client - self.share.start) as usize;
            match movement {
                Movement::Leave(client) => self.leave(place(client), true),
                Movement::Drop(client) => self.leave(place(client), false),
                Movement::Return(client) => {
                    let place = place(client);
                    // Not one that a churn chose twice, nor one that the server has cut off.
                    if self.connections[place].is_none() && self.recorder.is_away(place) {
                        self.connections[place] = Some(self.open(place)?);
                    }
                }
            }
        }
        let wait = self.movements.wait(now).map_or(HAND_OVER, Duration::from_nanos);
        // epoll counts milliseconds; without room for a handshake one is waited for.
        Ok(wait.clamp(Duration::from_millis(1), HAND_OVER))
    }

    /// Publishes what is due of the subscribers' own. Returns how long nothing more is.
    fn say_due(&mut self) -> Result<Duration, ConnectionError> {
        let Some(chat) = self.chat.as_mut().filter(|_| self.shared.started()) else {
            return Ok(HAND_OVER);
        };
        let start = self.shared.start.load(Relaxed);
        let Some(now) = self.shared.now().checked_sub(start) else { return Ok(RAMPING) };
        let mut failed = Vec::new();
        while !self.shared.quit.load(Relaxed)
            && let Some(due) = chat.due(now)
        {
            self.shared.published.fetch_add(1, Relaxed);
            match self.connections[due.place].as_mut().filter(|connection| connection.ready) {
                Some(Connection { client, transport, out, .. }) => {
                    let sent = chat.send(due, start, (client, transport, out));
                    chat.record(due, start, self.shared.now());
                    if self.config.dialect.as_ref().is_some_and(|dialect| dialect.publish.no_echo) {
                        self.recorder.mark_own(due.place, due.stamp(start));
                    }
                    failed.extend(sent.err().map(|_| due.place));
                }
                None => chat.skip(due, start, self.shared.now()),
            }
        }
        let wait = chat.wait(now).map_or(HAND_OVER, Duration::from_nanos);
        // The read reports the reason.
        for place in failed {
            self.serve(place, true)?;
        }
        // epoll counts milliseconds: what is due earlier is not slept for.
        Ok(if wait < Duration::from_millis(1) { Duration::ZERO } else { wait - EARLY })
    }

    /// Ends a connection by plan, with a close or without a word.
    fn leave(&mut self, place: usize, with_close: bool) {
        let Some(mut connection) = self.connections[place].take() else { return };
        if with_close && connection.ready {
            connection.client.send_close(&mut connection.out);
            let _ = connection.transport.write(&mut connection.out);
        }
        if connection.ready {
            self.recorder.leave(place);
        } else {
            self.handshakes -= 1;
        }
    }

    fn open(&mut self, place: usize) -> io::Result<Connection> {
        let index = self.share.start + place as u32;
        let source = self.config.source_addresses.as_ref().map(|sources| sources.of(index));
        let endpoint = &self.config.endpoint;
        let handshake = Some(Box::new(HandshakeClock::begin(self.shared.now())));
        let tls = self.kept[place].tls(self.config);
        let transport = Transport::connect(endpoint, index, tls.as_ref(), source)?;
        let fd = transport.stream.as_raw_fd();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&fd), Token(place), interest)?;
        let mut out = Vec::new();
        let subscribe = |channel: Channel| Subscription {
            channel: self.config.name(channel),
            since: self.kept[place].positions.of(channel).cloned(),
        };
        let channels = self.config.channels(index);
        let names: Vec<String> = channels.iter().map(|one| self.config.name(*one)).collect();
        let (endpoint, session) = self.config.way(false, &names);
        let intent = Intent::Subscribe(channels.into_iter().map(subscribe).collect());
        let compression = self.config.args.compression;
        let offer = if compression { OFFER } else { "" };
        let headers = self.config.headers(index) + offer;
        let mut client = Client::start(intent, &endpoint, &headers, &mut out).speaking(session);
        if compression {
            client = client.inflating(self.config.plan.payload + ENVELOPE);
        }
        self.handshakes += 1;
        Ok(Connection { transport, client, out, handshake, ready: false })
    }

    /// Reads all a connection has and writes what is pending. `closing`: read to the end.
    fn serve(&mut self, place: usize, closing: bool) -> Result<(), ConnectionError> {
        let reading = if closing { Reading::ToTheEnd } else { self.reading(place) };
        let Err(error) = self.exchange(place, reading) else { return Ok(()) };
        let connection = self.connections[place].take();
        if !self.shared.started() {
            return Err(error);
        }
        if !self.shared.stop.load(Relaxed) {
            self.recorder.disconnect(error.to_string(), self.shared.now());
        }
        if connection.is_some_and(|connection| !connection.ready) {
            self.handshakes -= 1;
            let now = self.shared.now().saturating_sub(self.shared.start.load(Relaxed));
            self.movements.retry(self.share.start + place as u32, now);
        }
        Ok(())
    }

    /// How much a subscriber reads when there is something.
    fn reading(&self, place: usize) -> Reading {
        if self.config.plan.slow == 0.0 {
            return Reading::All;
        }
        let ready = self.connections[place].as_ref().is_some_and(|connection| connection.ready);
        let slowness = self.config.plan.slowness(self.share.start + place as u32);
        let begun = self.shared.now().checked_sub(self.shared.start.load(Relaxed));
        match (slowness, begun) {
            (Some(mode), Some(now)) if ready => Reading::of(mode, now),
            _ => Reading::All,
        }
    }

    /// Those that are slow read by the clock, since their sockets report nothing twice.
    fn serve_slow(&mut self) -> Result<(), ConnectionError> {
        if self.config.plan.slow == 0.0 || !self.shared.started() {
            return Ok(());
        }
        for place in 0..self.connections.len() {
            if self.config.plan.slowness(self.share.start + place as u32).is_some() {
                self.serve(place, false)?;
            }
        }
        Ok(())
    }

    fn exchange(&mut self, place: usize, reading: Reading) -> Result<(), ConnectionError> {
        let Self { connections, recorder, locator, buffer, shared, handshakes, chat, .. } = self;
        let Some(connection) = &mut connections[place] else { return Ok(()) };
        let Connection { transport, client, out, handshake, ready } = connection;
        let (recovers, positions) = (self.config.plan.recover, &mut self.kept[place].positions);
        // An unconnected or full socket takes nothing now and reports again.
        transport.write(out)?;
        let mut upgraded = None;
        let dialect = client.dialect().cloned();
        let take = |bytes: &[u8]| {
            let (now, mut begun) = (shared.now(), 0);
            client.receive(bytes, out, |event| match event {
                Event::Upgraded => upgraded = Some(now),
                Event::Inflating => begun = shared.now(),
                Event::Inflated => recorder.inflated(now, shared.now() - begun),
                Event::Confirmed(told) if recovers => {
                    let channel = self.config.channel_named(&told.channel);
                    confirm(recorder, positions, channel, &told);
                }
                Event::Confirmed(_) => {}
                Event::Ready => {
                    *handshakes -= 1;
                    *ready = true;
                    if shared.started() {
                        recorder.join(place, now);
                    } else {
                        shared.ready.fetch_add(1, Relaxed);
                    }
                }
                Event::Text(text, _) => match locator.find(text) {
                    Found::Whole(stamp) => {
                        recorder.deliver(place, stamp, false, now);
                        if recovers {
                            positions.advance(stamp.channel, text);
                        }
                    }
                    Found::Damaged(stamp) => recorder.deliver(place, stamp, true, now),
                    Found::Illegible => recorder.illegible(place, now),
                    Found::Nothing if chat.as_mut().is_some_and(|chat| chat.answer(text)) => {}
                    Found::Nothing => match &dialect {
                        Some(dialect) => {
                            let refusal = dialect.refusal(text);
                            refusal.iter().for_each(|code| recorder.notice(code));
                        }
                        None => note(recorder, place, text, now),
                    },
                },
            })?;
            Ok::<_, ConnectionError>(())
        };
        let open = reading.read(transport, buffer, take)?;
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

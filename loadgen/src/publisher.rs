//! A publishing thread: sends each message when it is due, or at once if that is past.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::transport::{Endpoint, Transport};

use crate::batch::{Batch, Update};
use crate::client::{Client, Intent};
use crate::config::Config;
use crate::dialect::FIRST_ID;
use crate::error::{ConnectionError, OperatorError};
use crate::payload_stamp::{Stamp, filler};
use crate::publish_tally::Published;
use crate::replies::{HttpReplies, Outcome, Replies};
use crate::schedule::Send;
use crate::shared::{Shared, pin};

/// Before a message is due the thread stops sleeping and yields: sleeping overshoots by this.
const SPIN: u64 = 50_000;
/// The longest sleep, so that pings and answers are seen to.
const MAX_SLEEP: u64 = 20_000_000;
/// While behind its schedule, answers are read once in this many messages.
const ANSWERS_EVERY: u64 = 64;
const CONNECT_SECONDS: u64 = 10;
/// With no answer for this long after the last message the rest is not awaited.
const ANSWER_GRACE: Duration = Duration::from_secs(2);
/// How often one that waits for the start looks.
const BEFORE_THE_START: Duration = Duration::from_millis(5);
const READ_BUFFER: usize = 64 * 1024;

/// One publisher's connection.
pub(crate) struct Publisher<'a> {
    config: &'a Config,
    number: u32,
    transport: Transport,
    replies: Replies,
    out: Vec<u8>,
    buffer: Vec<u8>,
    filler: String,
    /// When the server last took more after it had not.
    free: u64,
    published: Published,
    updates: Sender<Update>,
}

impl<'a> Publisher<'a> {
    /// Connects a publisher and waits until it may publish. An error names the URL it is about.
    pub(crate) fn connect(
        config: &'a Config,
        number: u32,
        updates: Sender<Update>,
    ) -> Result<Self, OperatorError> {
        let endpoint = config.control.as_ref().unwrap_or(&config.endpoint);
        let publisher = Self::open(config, endpoint, number, updates);
        publisher.map_err(|error| error.explain(&config.given, endpoint))
    }

    fn open(
        config: &'a Config,
        endpoint: &Endpoint,
        number: u32,
        updates: Sender<Update>,
    ) -> Result<Self, ConnectionError> {
        let transport = Transport::connect(endpoint, number, endpoint.tls.as_ref(), None)?;
        let mut out = Vec::new();
        let replies = match (&config.control, &config.dialect) {
            (None, _) => {
                let (endpoint, session) = config.way(true, &config.all_names());
                let headers = config.headers(number);
                let client = Client::start(Intent::Publish, &endpoint, &headers, &mut out);
                Replies::Ws(Box::new(client.speaking(session)))
            }
            (Some(_), None) => {
                let headers = config.args.credentials.publish_headers();
                Replies::Http(HttpReplies::new(&endpoint.host, &headers))
            }
            (Some(_), Some(dialect)) => {
                let headers = &dialect.publish.http_headers;
                let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
                Replies::Http(HttpReplies::new(&endpoint.host, &headers))
            }
        };
        let published = Published::new(number, config.plan.timeline());
        let filler = filler(config.plan.payload);
        let buffer = vec![0; READ_BUFFER];
        let mut publisher = Self {
            config,
            number,
            transport,
            replies,
            out,
            buffer,
            filler,
            free: 0,
            published,
            updates,
        };
        publisher.await_ready()?;
        Ok(publisher)
    }

    fn await_ready(&mut self) -> Result<(), ConnectionError> {
        let begun = Instant::now();
        // HTTP is ready when connected, a WebSocket when upgraded.
        while !self.exchange()? {
            if self.config.control.is_some() && self.transport.stream.peer_addr().is_ok() {
                break;
            }
            if begun.elapsed() > Duration::from_secs(CONNECT_SECONDS) {
                return Err(ConnectionError::Timeout(CONNECT_SECONDS));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Sends the whole schedule once the load starts, reads the answers, and reports.
    pub(crate) fn run(mut self, shared: &Shared) {
        let update = match self.follow_schedule(shared) {
            Ok(()) => {
                let published = Some(self.published);
                Ok(Box::new(Batch { published, ..Batch::default() }))
            }
            Err(error) if !shared.started() => {
                let endpoint = self.config.control.as_ref().unwrap_or(&self.config.endpoint);
                Err(error.explain(&self.config.given, endpoint))
            }
            Err(error) => {
                let url = &self.config.endpoint.url;
                Err(OperatorError(format!("a publisher to {url} ended early: {error}")))
            }
        };
        // The receiver is gone only when the run is over anyway.
        let _ = self.updates.send(update);
    }

    fn follow_schedule(&mut self, shared: &Shared) -> Result<(), ConnectionError> {
        pin(self.config);
        while !shared.started() {
            if shared.stop.load(Relaxed) {
                return Ok(());
            }
            self.exchange()?;
            std::thread::sleep(BEFORE_THE_START);
        }
        let start = shared.start.load(Relaxed);
        // Sleeps end within microseconds instead of 50; without it the thread is merely later.
        let _ = nix::sys::prctl::set_timerslack(1);
        let plan = &self.config.plan;
        for send in plan.schedule.sends(self.number, plan.publishers) {
            let intended = start + send.at;
            if !self.wait_until(intended, shared)? {
                break;
            }
            self.send(send, intended)?;
            let now = shared.now();
            if self.await_room()? {
                self.free = shared.now();
            }
            self.published.record(plan.timeline(), send.at, intended, self.free, now);
            shared.published.fetch_add(1, Relaxed);
            if send.sequence % ANSWERS_EVERY == 0 {
                self.exchange()?;
            }
        }
        self.await_answers(shared)
    }

    /// False if the run was ended meanwhile. Returns at once when the time is past.
    fn wait_until(&mut self, at: u64, shared: &Shared) -> Result<bool, ConnectionError> {
        loop {
            if shared.quit.load(Relaxed) {
                return Ok(false);
            }
            match at.saturating_sub(shared.now()) {
                0 => return Ok(true),
                left if left > SPIN => {
                    self.exchange()?;
                    let left = at.saturating_sub(shared.now());
                    let sleep = left.saturating_sub(SPIN).min(MAX_SLEEP);
                    std::thread::sleep(Duration::from_nanos(sleep));
                }
                _ => std::thread::yield_now(),
            }
        }
    }

    fn send(&mut self, send: Send, intended: u64) -> Result<(), ConnectionError> {
        let Send { sequence, .. } = send;
        let (publisher, channel, index) = self.config.plan.message(self.number, sequence);
        let stamp = Stamp { publisher, channel, index, intended };
        let data = stamp.document(&self.config.run, &self.filler);
        let name = self.config.name(channel);
        if let Some(dialect) = &self.config.dialect {
            let id = sequence + FIRST_ID;
            let text = dialect.publication(dialect.template(), &name, id, &data);
            match &mut self.replies {
                Replies::Http(replies) => {
                    let path = dialect.fill(&dialect.publish.http_path, &[("channel", &name)]);
                    replies.request(sequence, &path, &text, &mut self.out);
                }
                Replies::Ws(client) => {
                    client.send_text(&text, &mut self.out);
                    // Where no answer comes, none is awaited.
                    self.published.accepted += u64::from(dialect.publish.accepted.is_empty());
                }
            }
            self.transport.write(&mut self.out)?;
            return Ok(());
        }
        let document = format_args!(r#"{{"channel":"{name}","event":"bench","data":{data}}}"#);
        match &mut self.replies {
            Replies::Http(replies) => {
                let path = self.config.args.credentials.publish_path();
                replies.request(sequence, &path, &document.to_string(), &mut self.out);
            }
            Replies::Ws(client) => {
                let request = format!(
                    r#"{{"type":"request","event":"publish","id":"{sequence}","data":{document}}}"#
                );
                client.send_text(&request, &mut self.out);
            }
        }
        self.transport.write(&mut self.out)?;
        Ok(())
    }

    /// A server that does not read holds the next messages up; their latency shows it. Returns
    /// whether it did.
    fn await_room(&mut self) -> Result<bool, ConnectionError> {
        let mut waited = false;
        while !self.out.is_empty() || self.transport.has_pending_writes() {
            waited = true;
            self.exchange()?;
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(waited)
    }

    /// Reads the answers that are there and writes pending bytes. True once requests may be sent.
    fn exchange(&mut self) -> Result<bool, ConnectionError> {
        let mut ready = false;
        let Self { config, number, transport, replies, out, buffer, published, .. } = self;
        if !out.is_empty() || transport.has_pending_writes() {
            transport.write(out)?;
        }
        let mut count = |outcome| match outcome {
            Outcome::Accepted => published.accepted += 1,
            Outcome::Refused { sequence, code } => {
                let message = sequence.map(|of| config.plan.message(*number, of));
                published.refuse(code, message);
            }
        };
        let open = transport.read_all(buffer, false, |bytes| {
            replies.receive(bytes, out, &mut ready, &mut count)?;
            Ok::<_, ConnectionError>(())
        })?;
        let refusals = self.published.take_news();
        if !refusals.is_empty() {
            let _ = self.updates.send(Ok(Box::new(Batch { refusals, ..Batch::default() })));
        }
        if open { Ok(ready) } else { Err(ConnectionError::Eof) }
    }

    fn await_answers(&mut self, shared: &Shared) -> Result<(), ConnectionError> {
        let sent = self.published.sent;
        let mut last = (Instant::now(), 0);
        while !shared.stop.load(Relaxed) && last.0.elapsed() < ANSWER_GRACE {
            self.exchange()?;
            let now = self.published.answered();
            if now >= sent {
                break;
            }
            if now != last.1 {
                last = (Instant::now(), now);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

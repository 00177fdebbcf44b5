//! The task that reads one stream whole, and has carried out what is in it.

use std::sync::Arc;
use std::time::SystemTime;

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use uringcast_engine::{Epoch, ExternalOrder as _};

use super::jetstream_requests::RequestError;
use super::setup::{SetupError, patiently};
use super::shared_cursor::{Arrival, Found, SharedCursor};
use super::shared_message::SharedMessage;
use super::shared_stream::SharedStream;
use super::stream_order::StreamOrder;
use super::stream_positions::SharedPosition;
use crate::limits::{AUDIT_INTERVAL, DELETED_AGE, SHARED_RETRY};

/// What has come of a stream. Each has an end before the next one comes.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) what: SharedEvent,
    /// To be answered when it is carried out.
    pub(crate) done: oneshot::Sender<Carried>,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum SharedEvent {
    /// All messages come again, without those that are no longer there.
    Anew,
    /// A message was stored.
    Message {
        message: SharedMessage,
        /// This node has not read it before.
        is_new: bool,
        /// This node has stored it.
        is_own: bool,
    },
    /// All that is stored has come.
    Level,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// It is carried out, or needs nothing to be done.
    Out,
    /// It is none that this program would have stored.
    Bad,
    /// There is no room for it here.
    Refused,
}

/// Reads a stream: messages as they come, and those that were missed.
pub(super) struct SharedReader {
    stream: Arc<SharedStream>,
    live: Subscriber,
    cursor: SharedCursor,
    started: Instant,
    order: Arc<StreamOrder>,
    /// The epoch of channels in which the stream was read.
    epoch: Epoch,
    /// When it was read to its end, by the clock that goes on while a machine sleeps.
    level_at: SystemTime,
    to: mpsc::Sender<Shared>,
}

/// No receiver carries anything out any more.
struct Ended;

impl SharedReader {
    /// Of a stream that is there. Its messages come from now on, and go to `to`. Another epoch of
    /// the order of channels gives old messages another meaning: they come again.
    pub(super) fn new(
        stream: Arc<SharedStream>,
        live: Subscriber,
        order: Arc<StreamOrder>,
        to: mpsc::Sender<Shared>,
    ) -> SharedReader {
        let (cursor, started) = (SharedCursor::default(), Instant::now());
        let (epoch, level_at) = (order.epoch(), SystemTime::now());
        SharedReader { stream, live, cursor, started, order, epoch, level_at, to }
    }

    /// The leader says which stream it is.
    ///
    /// # Errors
    /// [`SetupError`] when it does not.
    pub(super) async fn begin(&mut self) -> Result<(), SetupError> {
        let info = self.stream.info().await?;
        self.cursor.begin(self.started.elapsed(), info.epoch, info.last_seq);
        *self.stream.carried.lock() = SharedPosition { life: info.epoch, read: 0 };
        Ok(())
    }

    /// Goes on where another process stood.
    pub(super) fn go_on(&mut self, position: SharedPosition) {
        self.cursor.go_on(position);
    }

    /// Reads what is there before anything is served, and takes it as read.
    ///
    /// # Errors
    /// [`SetupError`] when it cannot be read whole.
    pub(super) async fn read_before(&mut self) -> Result<Vec<SharedMessage>, SetupError> {
        let mut all = Vec::new();
        loop {
            let from = self.cursor.next();
            let page = patiently(async || Ok(self.stream.page(from).await?)).await?;
            let Some(last) = page.last() else {
                self.stream.carried.lock().read = self.cursor.next() - 1;
                return Ok(all);
            };
            self.cursor.advance(last.seq);
            all.extend(page);
        }
    }

    /// Runs until no receiver carries anything out any more.
    pub(super) async fn run(mut self) {
        let mut due = Instant::now();
        loop {
            let stream = Arc::clone(&self.stream);
            let step = tokio::select! {
                message = self.live.next() => match message {
                    Some(message) => self.handle_live(&message).await,
                    None => return,
                },
                () = stream.wake.notified() => Ok(false),
                () = sleep_until(due) => Ok(false),
            };
            let is_level = match step {
                Ok(true) => continue,
                Ok(false) => self.catch_up().await,
                Err(Ended) => return,
            };
            let wait = match is_level {
                Ok(Ok(())) => AUDIT_INTERVAL,
                Ok(Err(error)) => {
                    tracing::debug!("a stream was not read: {error}");
                    SHARED_RETRY
                }
                Err(Ended) => return,
            };
            due = Instant::now() + wait;
        }
    }

    /// A message comes as it was stored. Returns whether nothing is missing.
    async fn handle_live(&mut self, of: &async_nats::Message) -> Result<bool, Ended> {
        let Some(message) = self.stream.read(of) else { return Ok(true) };
        match self.cursor.arrival(message.seq) {
            Arrival::Next => self.carry_out(message).await.map(|()| true),
            Arrival::Known => Ok(true),
            Arrival::Early => Ok(false),
        }
    }

    /// Reads what is missing, to the end of the stream.
    async fn catch_up(&mut self) -> Result<Result<(), RequestError>, Ended> {
        let info = match self.stream.info().await {
            Ok(info) => info,
            Err(error) => {
                self.cursor.handle_silence();
                return Ok(Err(error));
            }
        };
        match self.cursor.begin(self.started.elapsed(), info.epoch, info.last_seq) {
            Found::Same if self.is_out_of_date() => {
                self.cursor.rewind();
                self.say(SharedEvent::Anew).await?;
            }
            Found::Same => {}
            Found::Lacking => return Ok(Err(RequestError::Late)),
            Found::Other => {
                tracing::warn!("a stream that all nodes read begins anew");
                self.stream.reached.send_replace(0);
                *self.stream.carried.lock() = SharedPosition { life: info.epoch, read: 0 };
                self.say(SharedEvent::Anew).await?;
            }
        }
        self.epoch = self.order.epoch();
        loop {
            let page = match self.stream.page(self.cursor.next()).await {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            if page.is_empty() {
                self.level_at = SystemTime::now();
                return self.say(SharedEvent::Level).await.map(|_| Ok(()));
            }
            for message in page {
                self.carry_out(message).await?;
            }
        }
    }

    /// Whether what was read may mean something else now, or be gone without a trace.
    fn is_out_of_date(&self) -> bool {
        let away = self.level_at.elapsed().unwrap_or(DELETED_AGE);
        self.epoch != self.order.epoch() || away > DELETED_AGE / 2
    }

    /// Has a message carried out, the next one.
    async fn carry_out(&mut self, message: SharedMessage) -> Result<(), Ended> {
        let (seq, tail) = (message.seq, message.tail.clone());
        let (is_new, is_own) = (self.cursor.advance(seq), self.stream.is_own(&message));
        let carried = self.say(SharedEvent::Message { message, is_new, is_own }).await?;
        self.stream.reached.send_replace(seq);
        let mut counts = self.stream.counts.lock();
        counts.messages += u64::from(is_new && !is_own);
        match carried {
            Carried::Out => return Ok(()),
            Carried::Bad => counts.bad += 1,
            Carried::Refused => counts.refused += 1,
        }
        drop(counts);
        tracing::warn!(tail, "a message of another node is not carried out here: {carried:?}");
        Ok(())
    }

    async fn say(&self, what: SharedEvent) -> Result<Carried, Ended> {
        let (done, is_done) = oneshot::channel();
        self.to.send(Shared { what, done }).await.map_err(|_| Ended)?;
        is_done.await.map_err(|_| Ended)
    }
}

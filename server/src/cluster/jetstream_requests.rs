//! Requests to the servers; all answers come by one subscription.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::outbox::AttemptId;
use crate::limits::{
    ANSWER_MESSAGES, FLUSH_PATIENCE, QUESTION_PATIENCE, READ_PATIENCE, SEND_PATIENCE,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Nothing listens there: the stream has no leader, or JetStream is off.
    #[error("no server answers")]
    NoResponders,
    /// None came in time, or not all of it.
    #[error("no answer within {} s", QUESTION_PATIENCE.as_secs())]
    Late,
    /// The connection's queue is gone.
    #[error("not connected: {0}")]
    NotSent(#[from] async_nats::PublishError),
    /// It cannot be read.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// JetStream's error, with its number and text.
    #[error("{1} (error {0})")]
    Refused(u64, String),
}

/// The status of a read that finds nothing.
pub(crate) const NO_MESSAGES: u16 = 404;

/// The acknowledgement of an attempt to store something: of which stream, and the answer.
pub(crate) type Acknowledgement = (usize, AttemptId, Message);

/// Sends requests and finds the one that an answer is for. A subscription for each request would be
/// known at the other servers only after the answer was sent.
#[derive(Debug)]
pub(crate) struct Requests {
    client: Client,
    inbox: String,
    asked: AtomicU64,
    open: Mutex<HashMap<u64, mpsc::Sender<Message>>>,
    acknowledgements: mpsc::Sender<Acknowledgement>,
}

impl Requests {
    /// By a connection; answers are handed in by [`Requests::dispatch`], which a subscription of
    /// [`Requests::answers`] gives.
    pub(crate) fn new(
        client: Client,
        acknowledgements: mpsc::Sender<Acknowledgement>,
    ) -> Arc<Requests> {
        let inbox = client.new_inbox();
        let (asked, open) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Requests { client, inbox, asked, open, acknowledgements })
    }

    /// The subject of all answers.
    pub(crate) fn answers(&self) -> String {
        format!("{}.>", self.inbox)
    }

    /// Hands an answer to the request that awaits it. One that no request awaits, or that has no
    /// room, is dropped: it counts as late there.
    pub(crate) fn dispatch(&self, message: Message) {
        let Some(rest) = message.subject.strip_prefix(&*self.inbox) else { return };
        let mut parts = rest.split('.').skip(1);
        let kind = parts.next();
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        match (kind, number(), number()) {
            (Some("q"), Some(id), _) => {
                if let Some(to) = self.open.lock().get(&id) {
                    let _ = to.try_send(message);
                }
            }
            (Some("a"), Some(stream), Some(id)) => {
                let _ = self.acknowledgements.try_send((stream as usize, AttemptId(id), message));
            }
            _ => {}
        }
    }

    /// Sends something to be stored. Its acknowledgement comes by the channel for those.
    pub(crate) async fn store(
        &self,
        (stream, attempt): (usize, AttemptId),
        subject: String,
        headers: HeaderMap,
        data: Bytes,
    ) -> Result<(), RequestError> {
        let reply = format!("{}.a.{stream}.{}", self.inbox, attempt.0);
        let send = self.client.publish_with_reply_and_headers(subject, reply, headers, data);
        timeout(SEND_PATIENCE, send).await.map_err(|_| RequestError::Late)?.map_err(Into::into)
    }

    /// Sends a message that gets no answer, and that may be lost.
    pub(crate) async fn tell(&self, subject: String, data: Vec<u8>) {
        let send = self.client.publish(subject, data.into());
        if !matches!(timeout(SEND_PATIENCE, send).await, Ok(Ok(()))) {
            tracing::debug!("a message to other nodes was not sent");
        }
    }

    /// Waits until the server has what was sent, for a moment at most.
    pub(crate) async fn flush(&self) {
        // Without a connection nothing is sent.
        let _ = timeout(FLUSH_PATIENCE, self.client.flush()).await;
    }

    /// Connects anew, to any of the servers.
    pub(crate) async fn go_to_another_server(&self) {
        // Fails once the connection is given up, which is by the node's end only.
        let _ = self.client.force_reconnect().await;
    }

    /// Bytes of a message that the server takes.
    pub(crate) fn largest(&self) -> usize {
        self.client.max_payload()
    }

    /// Sends a request and takes its answers, up to the first that is the last one: `is_last`.
    async fn ask(
        &self,
        subject: &str,
        (headers, data): (HeaderMap, Bytes),
        is_last: fn(&Message) -> bool,
        patience: Duration,
    ) -> Result<Vec<Message>, RequestError> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed);
        let (to, mut from) = mpsc::channel(ANSWER_MESSAGES);
        self.open.lock().insert(id, to);
        let _open = Open { id, requests: self };
        let reply = format!("{}.q.{id}", self.inbox);
        let subject = subject.to_owned();
        let deadline = Instant::now() + patience;
        let send = self.client.publish_with_reply_and_headers(subject, reply, headers, data);
        timeout_at(deadline, send).await.map_err(|_| RequestError::Late)??;
        let mut all = Vec::new();
        loop {
            let next = timeout_at(deadline, from.recv()).await;
            let message = next.ok().flatten().ok_or(RequestError::Late)?;
            if status(&message) == Some(503) {
                return Err(RequestError::NoResponders);
            }
            let is_done = is_last(&message);
            all.push(message);
            if is_done {
                return Ok(all);
            }
        }
    }

    /// Asks JetStream's interface for something.
    pub(crate) async fn api(&self, subject: &str, request: &Value) -> Result<Value, RequestError> {
        self.ask_once(subject, HeaderMap::new(), Bytes::from(request.to_string())).await
    }

    /// Stores something, and waits for the acknowledgement.
    pub(crate) async fn ask_once(
        &self,
        subject: &str,
        headers: HeaderMap,
        data: Bytes,
    ) -> Result<Value, RequestError> {
        let mut answers = self.ask(subject, (headers, data), |_| true, QUESTION_PATIENCE).await?;
        let answer = answers.pop().ok_or(RequestError::Late)?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        match refusal(&answer) {
            Some((number, text)) => Err(RequestError::Refused(number, text)),
            None => Ok(answer),
        }
    }

    /// Reads messages at any replica. The last answer says how it ended. One that does not answer
    /// may be frozen: another one is asked, by chance, and gets more time.
    pub(crate) async fn read(
        &self,
        subject: &str,
        request: &Value,
    ) -> Result<Vec<Message>, RequestError> {
        let data = Bytes::from(request.to_string());
        let is_last = |answer: &Message| status(answer).is_some();
        let mut patience = READ_PATIENCE;
        loop {
            match self.ask(subject, (HeaderMap::new(), data.clone()), is_last, patience).await {
                Err(RequestError::Late) if patience < QUESTION_PATIENCE => patience *= 2,
                ended => return ended,
            }
        }
    }

    /// Reads one message at any replica; `None` where it has none.
    pub(crate) async fn read_one(
        &self,
        subject: &str,
        request: &Value,
    ) -> Result<Option<Message>, RequestError> {
        let data = Bytes::from(request.to_string());
        let mut answers =
            self.ask(subject, (HeaderMap::new(), data), |_| true, READ_PATIENCE).await?;
        match answers.pop() {
            Some(answer) if status(&answer).is_none() => Ok(Some(answer)),
            Some(answer) if status(&answer) == Some(NO_MESSAGES) => Ok(None),
            _ => Err(RequestError::Late),
        }
    }
}

/// A request without its last answer.
struct Open<'a> {
    id: u64,
    requests: &'a Requests,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.requests.open.lock().remove(&self.id);
    }
}

/// The status of an answer without a message.
pub(crate) fn status(message: &Message) -> Option<u16> {
    message.status.map(|status| status.as_u16())
}

/// The error of an answer of JetStream, with its number.
pub(crate) fn refusal(answer: &Value) -> Option<(u64, String)> {
    let error = answer.get("error")?;
    let number = error["err_code"].as_u64().unwrap_or_default();
    Some((number, error["description"].as_str().unwrap_or("an error").to_owned()))
}

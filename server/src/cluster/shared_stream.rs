//! A stream that every node reads whole: what one of them is asked that concerns all.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::cluster_config::ClusterConfig;
use super::jetstream_requests::{RequestError, Requests};
use super::setup::{self, SetupError};
use super::shared_message::{Address, ID, NODE, SharedMessage};
use super::status::{ClusterStatus, SharedCounts};
use super::stream_positions::SharedPosition;
use super::stream_view::StreamInfo;
use super::{random, reads};
use crate::limits::{
    CONTROL_MESSAGES, DUPLICATE_WINDOW, PUBLISH_RETRY, PUBLISH_RETRY_MAX, QUESTION_RETRY,
    READ_TRIES, SHARE_PATIENCE, SHARE_TRIES, SHARED_DOCUMENTS,
};

/// JetStream's error numbers: the newest message of the subject is another one than was expected;
/// the stream has as many messages as it may.
const WRONG_LAST: [u64; 2] = [10_071, 10_164];
const STORE_FAILED: u64 = 10_077;

/// Settings of a node that say how such a stream is made.
const SETTINGS: &[(&str, &str)] =
    &[("subjects", "cluster_prefix"), ("num_replicas", "cluster_replicas")];

/// What such a stream is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose {
    /// A part of its name.
    name: &'static str,
    /// Messages that it keeps at most.
    messages: usize,
}

/// Disconnects, unsubscribes and revocations.
pub(super) const CONTROL: Purpose = Purpose { name: "control", messages: CONTROL_MESSAGES };

/// States and status documents of channels.
pub(super) const DOCUMENTS: Purpose = Purpose { name: "documents", messages: SHARED_DOCUMENTS };

/// Why a message was not stored, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotShared {
    /// The cluster is lost: the message may be stored yet.
    Lost,
    /// The stream has as many as it may.
    Full,
    /// Others have stored something of the same subject, each time.
    Contended,
}

/// What a message is to be replaced with.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Another one, kept so long.
    Store(Bytes, Option<Duration>),
    /// It is as it should be.
    Leave,
}

/// A stream with one message of each subject, as this node writes and reads it.
#[derive(Debug)]
pub(crate) struct SharedStream {
    name: String,
    /// What subjects of stored messages begin with.
    prefix: String,
    wanted: Value,
    node: Arc<str>,
    requests: Arc<Requests>,
    /// What was found out about the connection.
    status: Arc<Mutex<ClusterStatus>>,
    pub(super) counts: Mutex<SharedCounts>,
    /// Something may have been missed.
    pub(super) wake: Notify,
    /// What was read and carried out at this node.
    pub(super) reached: watch::Sender<u64>,
    /// The same, of this life of the stream, for the process that goes on in the place of this one.
    pub(crate) carried: Mutex<SharedPosition>,
}

impl SharedStream {
    pub(super) fn new(
        purpose: Purpose,
        config: &ClusterConfig,
        node: Arc<str>,
        (requests, status): (Arc<Requests>, Arc<Mutex<ClusterStatus>>),
    ) -> SharedStream {
        let Purpose { name, messages } = purpose;
        let prefix = format!("{}.{name}.", config.prefix);
        let (all, told) = (format!("{prefix}>"), format!("{}.told.{name}.>", config.prefix));
        let wanted = json!({
            "name": format!("{}_{name}", config.prefix),
            "subjects": [all],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_consumers": -1,
            "max_msgs": messages,
            "max_bytes": -1,
            "max_msg_size": -1,
            "max_age": 0,
            "max_msgs_per_subject": 1,
            "num_replicas": config.replicas,
            "duplicate_window": DUPLICATE_WINDOW.as_nanos() as u64,
            "allow_direct": true,
            "allow_msg_ttl": true,
            "republish": { "src": all, "dest": told },
        });
        SharedStream {
            name: format!("{}_{name}", config.prefix),
            prefix,
            wanted,
            node,
            requests,
            status,
            counts: Mutex::default(),
            wake: Notify::new(),
            reached: watch::Sender::new(0),
            carried: Mutex::default(),
        }
    }

    /// Makes the stream, or checks it.
    pub(super) async fn prepare(&self) -> Result<(), SetupError> {
        let answer = setup::ensure(&self.requests, &self.name, || self.wanted.clone()).await?;
        setup::compare(&self.name, (&answer["config"], &self.wanted), SETTINGS)
    }

    /// The subject by which its messages reach the nodes.
    pub(super) fn told(&self) -> String {
        self.wanted["republish"]["dest"].as_str().unwrap_or_default().to_owned()
    }

    /// What the leader says; a stream that is gone is made again.
    pub(super) async fn info(&self) -> Result<StreamInfo, RequestError> {
        let answer = setup::ensure(&self.requests, &self.name, || self.wanted.clone()).await?;
        Ok(setup::info_of(&answer))
    }

    /// A message that has come.
    pub(super) fn read(&self, of: &async_nats::Message) -> Option<SharedMessage> {
        SharedMessage::read(&self.prefix, of)
    }

    /// Whether this node has stored a message.
    pub(super) fn is_own(&self, message: &SharedMessage) -> bool {
        *message.node == *self.node
    }

    /// Messages from a position on, in order. None only where the leader has none.
    pub(super) async fn page(&self, from: u64) -> Result<Vec<SharedMessage>, RequestError> {
        let all = format!("{}>", self.prefix);
        for tries in 0..READ_TRIES {
            if tries > 0 {
                sleep(QUESTION_RETRY * tries).await;
            }
            let page = reads::page(&self.requests, &self.name, &all, from).await?;
            let page: Vec<_> = page.iter().filter_map(|message| self.read(message)).collect();
            // Right after an acknowledgement a replica may be behind.
            if !page.is_empty() || self.is_end(&all, from).await? {
                return Ok(page);
            }
        }
        Err(RequestError::Late)
    }

    /// Whether the leader has nothing from a position on.
    async fn is_end(&self, all: &str, from: u64) -> Result<bool, RequestError> {
        let subject = format!("$JS.API.STREAM.MSG.GET.{}", self.name);
        let request = json!({ "seq": from, "next_by_subj": all });
        match self.requests.api(&subject, &request).await {
            Err(RequestError::Refused(setup::NO_MESSAGE_FOUND, _)) => Ok(true),
            answer => answer.map(|_| false),
        }
    }

    /// Stores a message beside all others. `name` is one that no other has.
    pub(crate) async fn tell(
        &self,
        (kind, service): (&str, &str),
        age: Duration,
        body: Bytes,
    ) -> Result<(), NotShared> {
        let id = self.new_id();
        let tail = Address::tail(kind, service, &id);
        self.store(&tail, &id, None, (body, Some(age))).await.map(drop)
    }

    /// Stores a message in the place of the newest of its subject, as `decide` makes it of that
    /// one, which is asked again if another node was first. Returns the newest position.
    ///
    /// # Errors
    /// [`NotShared`], or what `decide` says.
    pub(crate) async fn replace<E: From<NotShared>>(
        &self,
        tail: &str,
        mut decide: impl FnMut(Option<&SharedMessage>) -> Result<Change, E>,
    ) -> Result<u64, E> {
        let id = self.new_id();
        for tries in 0..SHARE_TRIES {
            if tries > 0 {
                sleep(QUESTION_RETRY * tries).await;
            }
            let newest = self.newest(tail).await?;
            let last = newest.as_ref().map_or(0, |newest| newest.seq);
            if newest.as_ref().is_some_and(|newest| newest.id.starts_with(&id)) {
                // The acknowledgement of an attempt was lost.
                return Ok(last);
            }
            let Change::Store(body, age) = decide(newest.as_ref())? else { return Ok(last) };
            let stored = self.store(tail, &format!("{id}.{tries}"), Some(last), (body, age)).await;
            match stored {
                Err(NotShared::Contended) => {}
                result => return Ok(result?),
            }
        }
        Err(NotShared::Contended.into())
    }

    /// Waits until this node has carried out what was stored up to a position. Returns whether it
    /// has.
    pub(crate) async fn carried_out(&self, seq: u64) -> bool {
        let mut reached = self.reached.subscribe();
        let reaches = reached.wait_for(|reached| *reached >= seq);
        timeout(SHARE_PATIENCE, reaches).await.is_ok_and(|reached| reached.is_ok())
    }

    /// The newest message of a subject, as any replica has it.
    async fn newest(&self, tail: &str) -> Result<Option<SharedMessage>, NotShared> {
        let subject = reads::direct(&self.name);
        let request = json!({ "last_by_subj": format!("{}{tail}", self.prefix) });
        let found = self.patiently(|| self.requests.read_one(&subject, &request)).await?;
        Ok(found.and_then(|message| self.read(&message)))
    }

    /// Stores a message, if the newest of its subject is as expected.
    async fn store(
        &self,
        tail: &str,
        id: &str,
        expected: Option<u64>,
        (body, age): (Bytes, Option<Duration>),
    ) -> Result<u64, NotShared> {
        let subject = format!("{}{tail}", self.prefix);
        let mut headers = HeaderMap::new();
        headers.insert(ID, id);
        headers.insert(NODE, &*self.node);
        headers.insert("Nats-Expected-Stream", &*self.name);
        if let Some(last) = expected {
            headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string().as_str());
        }
        if let Some(age) = age {
            headers.insert("Nats-TTL", format!("{}s", age.as_secs().max(1)).as_str());
        }
        let ask = || self.requests.ask_once(&subject, headers.clone(), body.clone());
        let answer = self.patiently(ask).await?;
        answer["seq"].as_u64().ok_or(NotShared::Lost)
    }

    /// Asks until there is an answer, while the cluster is not known to be lost.
    async fn patiently<T, F: Future<Output = Result<T, RequestError>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, NotShared> {
        let (end, mut pause) = (Instant::now() + SHARE_PATIENCE, PUBLISH_RETRY);
        loop {
            if self.status.lock().degraded.is_some() {
                return Err(NotShared::Lost);
            }
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match &error {
                RequestError::Refused(number, _) if WRONG_LAST.contains(number) => {
                    return Err(NotShared::Contended);
                }
                RequestError::Refused(STORE_FAILED, text) if text.contains("maximum") => {
                    return Err(NotShared::Full);
                }
                _ if Instant::now() + pause > end => {
                    tracing::warn!("stream {}: {error}", self.name);
                    return Err(NotShared::Lost);
                }
                _ => sleep(pause).await,
            }
            pause = (pause * 2).min(PUBLISH_RETRY_MAX);
        }
    }

    fn new_id(&self) -> String {
        format!("{}-{:016x}", self.node, random())
    }
}

//! What a node is made of, and what takes time: each question and read is a task of its own.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use uringcast_engine::{ChannelName, ExternalFeed, Seq};

use super::cluster_config::ClusterConfig;
use super::jetstream_requests::Requests;
use super::leadership::Leadership;
use super::names::Names;
use super::node_presence::EnginePresence;
use super::node_subjects::NodeSubjects;
use super::older_messages::Backlog;
use super::outbox::Attempt;
use super::partition::{Partition, ReadJob, Reading};
use super::shared_stream::SharedStream;
use super::status::ClusterStatus;
use super::stream_order::StreamOrder;
use super::stream_view::{Answer, Question, QuestionId, StreamInfo};
use super::{reads, setup, subjects};

/// What tasks have found.
#[derive(Debug)]
pub(super) enum Found {
    /// The answer to a question of a stream's view.
    Answer(usize, QuestionId, Answer),
    /// Older messages.
    Backlog(usize, Arc<str>, Reading, Option<Backlog>),
    /// Whether a stream has a leader.
    Leader(usize, Leadership),
    /// The outcome of an event of presence: its position, if it is known to be stored.
    Told(u64, Option<Seq>),
}

/// What a node is made of, and what it does in tasks of their own.
pub(super) struct Parts {
    pub(super) config: Arc<ClusterConfig>,
    pub(super) requests: Arc<Requests>,
    pub(super) names: Names,
    pub(super) order: Arc<StreamOrder>,
    pub(super) feed: ExternalFeed,
    pub(super) status: Arc<Mutex<ClusterStatus>>,
    /// Reads of older messages that may begin.
    pub(super) reads: Arc<Semaphore>,
    pub(super) partitions: Vec<Partition>,
    pub(super) shared: Vec<Arc<SharedStream>>,
    pub(super) nodes: NodeSubjects,
    pub(super) presence: EnginePresence,
}

impl From<reads::Newest> for Answer {
    fn from(newest: reads::Newest) -> Answer {
        Answer::Newest { newest: newest.positions, up_to: newest.up_to }
    }
}

fn leadership(info: &Result<StreamInfo, Leadership>) -> Leadership {
    info.as_ref().err().copied().unwrap_or(Leadership::There)
}

impl Parts {
    /// The partition of a channel, and the channel's tokens.
    pub(super) fn place_of(&self, channel: &ChannelName) -> (usize, Arc<str>) {
        let tokens = self.names.tokens(channel);
        (subjects::partition(&tokens, self.partitions.len()), tokens)
    }

    /// Asks a stream something, in a task of its own.
    pub(super) fn ask(
        &self,
        place: usize,
        (id, question): (QuestionId, Question),
        found: &mpsc::UnboundedSender<Found>,
    ) {
        let (requests, config) = (Arc::clone(&self.requests), Arc::clone(&self.config));
        let subjects = Arc::clone(&self.partitions[place].subjects);
        let found = found.clone();
        tokio::spawn(async move {
            let answer = match question {
                Question::Messages { channel, from } => {
                    let read = reads::messages(&requests, &subjects, &channel, from).await;
                    read.map(Answer::Messages).ok()
                }
                Question::Newest { channels } => {
                    reads::newest(&requests, &subjects, &channels).await.map(Answer::from).ok()
                }
                Question::NewestTo { channels, up_to } => {
                    let of = (&*channels, up_to);
                    reads::newest_to(&requests, &subjects, of).await.map(Answer::from).ok()
                }
                Question::Stored { from } => {
                    reads::stored(&requests, &subjects, from).await.map(Answer::Stored).ok()
                }
                Question::Info => {
                    let info = setup::info(&requests, &config, &subjects).await;
                    let _ = found.send(Found::Leader(place, leadership(&info)));
                    info.map(Answer::Info).ok()
                }
                Question::TimeAt { seq } => {
                    setup::time_at(&requests, &subjects, seq).await.map(Answer::TimeAt).ok()
                }
                Question::NextEpoch { known } => {
                    let info = setup::next_life(&requests, &config, &subjects, known).await;
                    info.map(Answer::Info).ok()
                }
            };
            let answer = answer.unwrap_or(Answer::Failed);
            let _ = found.send(Found::Answer(place, id, answer));
        });
    }

    /// Asks whether a stream has a leader, in a task of its own.
    pub(super) fn probe(&self, place: usize, found: &mpsc::UnboundedSender<Found>) {
        let (requests, config) = (Arc::clone(&self.requests), Arc::clone(&self.config));
        let subjects = Arc::clone(&self.partitions[place].subjects);
        let found = found.clone();
        tokio::spawn(async move {
            let info = setup::info(&requests, &config, &subjects).await;
            let _ = found.send(Found::Leader(place, leadership(&info)));
        });
    }

    /// Leaves the server that this node is connected to.
    pub(super) fn go_to_another_server(&self) {
        tracing::warn!("the NATS server is cut off from the others, or they are: trying another");
        let requests = Arc::clone(&self.requests);
        tokio::spawn(async move { requests.go_to_another_server().await });
    }

    /// Sends something to be stored. Returns whether it is on its way.
    pub(super) async fn store(&self, place: usize, attempt: Attempt) -> bool {
        let subjects = &self.partitions[place].subjects;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", &*attempt.message_id);
        headers.insert("Nats-Expected-Stream", &*subjects.stream);
        let subject = subjects.stored(&attempt.channel);
        let sent = self.requests.store((place, attempt.id), subject, headers, attempt.data).await;
        sent.inspect_err(|error| tracing::debug!("a message was not sent: {error}")).is_ok()
    }

    /// Reads older messages, in a task of its own.
    pub(super) fn read(&self, place: usize, job: ReadJob, found: &mpsc::UnboundedSender<Found>) {
        let requests = Arc::clone(&self.requests);
        let subjects = Arc::clone(&self.partitions[place].subjects);
        let (found, permits) = (found.clone(), Arc::clone(&self.reads));
        let created = Duration::from_nanos(self.partitions[place].view.created());
        let (kept, end) = (self.config.channel_messages, created + self.config.age);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX);
        tokio::spawn(async move {
            let _permit = permits.acquire().await;
            let ReadJob { channel, from, floor, of } = job;
            let read = reads::all(&requests, &subjects, &channel, (from.max(1), floor)).await;
            let backlog = read.map(|(messages, newest)| {
                let is_whole = messages.len() < kept && now < end;
                Backlog { from, messages, newest, is_whole }
            });
            let _ = found.send(Found::Backlog(place, channel, of, backlog.ok()));
        });
    }
}

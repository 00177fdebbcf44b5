//! Questions to the stream that are under way.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cluster::chain::Message;
use crate::limits::STREAM_QUESTIONS;

/// A question to the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Messages of a channel from a position on, as any replica has them, in order.
    Messages { channel: Arc<str>, from: u64 },
    /// The newest positions of channels.
    Newest { channels: Vec<Arc<str>> },
    /// The newest positions of channels of those up to this one.
    NewestTo { channels: Vec<Arc<str>>, up_to: u64 },
    /// Which messages of all channels the stream has from a position on, as any replica has them.
    Stored { from: u64 },
    /// What the leader says of the stream.
    Info,
    /// When the message at a position was stored.
    TimeAt { seq: u64 },
    /// The stream is to begin another life, unless it has since this one; then as for `Info`.
    NextEpoch { known: u64 },
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As far as one read goes.
    Messages(Vec<Message>),
    /// The positions, as a replica has them that has the stream up to `up_to`.
    Newest { newest: HashMap<Arc<str>, u64>, up_to: u64 },
    /// Messages of all channels, as far as one read goes: their channels and positions, in order.
    Stored(Vec<(Arc<str>, u64)>),
    /// What the leader has said.
    Info(StreamInfo),
    /// Nanoseconds since 1970-01-01 UTC; `None` where there is no message.
    TimeAt(Option<u64>),
    /// None came, or none that could be read.
    Failed,
}

/// What the leader says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamInfo {
    /// Another one in each life of the stream, the same on all nodes.
    pub(crate) epoch: u64,
    /// When it was made: nanoseconds since 1970-01-01 UTC.
    pub(crate) created: u64,
    /// The oldest position that is still there.
    pub(crate) first_seq: u64,
    /// The newest position that was given.
    pub(crate) last_seq: u64,
}

/// The number of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QuestionId(pub(crate) u64);

/// Numbers questions, and bounds how many are under way.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: u64,
    open: HashMap<QuestionId, Question>,
}

impl Questions {
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < STREAM_QUESTIONS
    }

    pub(super) fn ask(&mut self, question: Question) -> QuestionId {
        self.asked += 1;
        let id = QuestionId(self.asked);
        self.open.insert(id, question);
        id
    }

    /// A question that is under way.
    pub(super) fn get(&self, id: QuestionId) -> Question {
        self.open[&id].clone()
    }

    /// The question that was answered; `None` if its answer is no longer awaited.
    pub(super) fn take(&mut self, id: QuestionId) -> Option<Question> {
        self.open.remove(&id)
    }

    /// Awaits no answer any more.
    pub(super) fn forget_all(&mut self) {
        self.open.clear();
    }
}

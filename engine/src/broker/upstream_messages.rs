//! What a shard asks of the external order, and what it is told by it.

use std::sync::Arc;

use super::pattern_set::PatternSet;
use crate::config::{Followed, PresenceReport, ReadPage, Unavailable};
use crate::types::{
    ChannelIndex, ChannelName, Epoch, FeedItem, JoinToken, PresenceList, Publication, PublishError,
    RequestId, Seq, Sequenced, ShardId,
};

/// From a shard to the external order, answered by [`UpstreamNotice`] but for `Unfollow`.
#[derive(Debug)]
pub enum UpstreamRequest {
    /// A client of the shard publishes.
    Publish {
        /// The shard's id of the request.
        id: RequestId,
        /// What.
        publication: Box<Publication>,
        /// By what it is known if it comes again, from another server too.
        known_as: Option<Box<str>>,
    },
    /// A channel homed here has subscribers, or lacks messages that one of them wants.
    Follow {
        /// The shard's key of the channel, echoed in the answer.
        channel: ChannelIndex,
        /// The shard's current question, echoed likewise: answers to others are stale.
        token: JoinToken,
        /// Which channel.
        name: ChannelName,
        /// What is wanted beside what is published from now on.
        wanted: Older,
        /// Everything up to here was delivered to another process, which has handed the channel
        /// over.
        taken_over: Option<(Epoch, Seq)>,
    },
    /// A client of the shard reads a channel's messages.
    Read {
        /// The shard's id of the request.
        id: ReadId,
        /// Which channel.
        channel: ChannelName,
        /// Which of its messages.
        range: ReadRange,
    },
    /// A channel homed here has no subscribers any more, or none wants what has come of it.
    Unfollow {
        /// Which channel.
        name: ChannelName,
    },
    /// Clients of the shard have these patterns. Answered by [`UpstreamNotice::Watched`].
    Watch {
        /// Which change of them it is.
        version: u32,
        /// All of them.
        set: Arc<PatternSet>,
    },
    /// Clients have subscribed to channels homed here where presence is kept, or have no more.
    /// Answered by [`UpstreamNotice::PresenceKnown`].
    Presence {
        /// Of which shard.
        from: ShardId,
        /// In the order in which it happened.
        reports: Vec<PresenceReport>,
    },
    /// Clients ask for the members of a channel homed here. Answered by
    /// [`UpstreamNotice::PresenceList`].
    AskPresence {
        /// Which channel.
        channel: ChannelName,
        /// The clients that ask.
        askers: Askers,
    },
}

/// Clients of a shard that ask for the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Askers {
    /// Which shard.
    pub shard: ShardId,
    /// Its ids of their questions.
    pub ids: Vec<RequestId>,
}

/// A shard's id of a request to read, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadId {
    /// A client's request for history.
    History(RequestId),
    /// A client's request for a channel's last event.
    Status(RequestId),
}

/// The messages of a channel that are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    /// From the message behind this position, or before it.
    pub since: Option<Seq>,
    /// To older messages.
    pub reverse: bool,
    /// Most messages.
    pub messages: usize,
    /// Most bytes of their data.
    pub bytes: usize,
}

impl ReadRange {
    /// The newest one alone.
    pub const NEWEST: ReadRange = ReadRange { since: None, reverse: true, messages: 1, bytes: 0 };
}

/// Older messages of a channel that are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Older {
    /// All behind this position.
    pub since: Option<Seq>,
    /// At least so many of the newest.
    pub last: usize,
    /// Of more than so many messages, the newest.
    pub messages: usize,
    /// Of more than so many bytes, likewise.
    pub bytes: usize,
}

/// From the external order to a shard.
#[derive(Debug)]
pub enum UpstreamNotice {
    /// The next message of a channel homed here.
    Message(Box<Sequenced>),
    /// Messages of a channel homed here are gone.
    Gap {
        /// Which channel.
        channel: ChannelName,
        /// They are behind this one.
        after: Seq,
        /// The last of them.
        to: Seq,
    },
    /// A publication was given its position, or not.
    Published {
        /// The shard's id of the request.
        id: RequestId,
        /// Its position.
        seq: Result<Seq, PublishError>,
    },
    /// A channel is followed: messages behind its head come from now on.
    Followed {
        /// The shard's key of the channel.
        channel: ChannelIndex,
        /// The question that this answers.
        token: JoinToken,
        /// Where it goes on.
        followed: Result<Followed, Unavailable>,
    },
    /// A channel's messages.
    Read {
        /// The shard's id of the request.
        id: ReadId,
        /// The messages.
        page: Result<ReadPage, Unavailable>,
    },
    /// What is published to channels of the shard's patterns comes from now on, or it is not known
    /// whether it does.
    Watched {
        /// Of this version.
        version: u32,
        /// Whether it comes.
        is_watched: bool,
    },
    /// Subscribers that were reported are known.
    PresenceKnown {
        /// Their shard.
        from: ShardId,
    },
    /// The members of a channel homed here that keeps presence: later events of it follow.
    PresenceList {
        /// The clients that have asked.
        askers: Askers,
        /// The members.
        list: Result<Arc<PresenceList>, Unavailable>,
    },
    /// All logs begin anew: positions of another epoch are over.
    Epoch(Epoch),
    /// Whether publications can be ordered now; if not, why.
    Degraded(Option<&'static str>),
}

impl UpstreamNotice {
    /// As how many messages it counts in its iteration.
    pub(crate) fn cost(&self) -> usize {
        let messages = match self {
            UpstreamNotice::Message(message) => return message.publication.cost(),
            UpstreamNotice::Followed { followed: Ok(followed), .. } => &followed.messages,
            UpstreamNotice::Read { page: Ok(page), .. } => &page.messages,
            _ => return 1,
        };
        1 + messages.iter().map(|message| message.publication.cost()).sum::<usize>()
    }
}

impl From<FeedItem> for UpstreamNotice {
    fn from(item: FeedItem) -> UpstreamNotice {
        match item {
            FeedItem::Message(message) => UpstreamNotice::Message(Box::new(message)),
            FeedItem::Gap { channel, after, to } => UpstreamNotice::Gap { channel, after, to },
        }
    }
}

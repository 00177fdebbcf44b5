//! What travels between the brokers of the shards.

use std::sync::Arc;

use super::log_page::{HistoryRange, LogPage};
use super::pattern_set::PatternSet;
pub use super::published_ids::{Accepted, PublishId};
use crate::config::{PresenceReport, Unavailable};
use crate::limits::PRESENCE_COST;
use crate::shared_frame::Frame;
use crate::types::{
    AddressGroup, ChannelIndex, ChannelName, ChannelRefusal, Epoch, JoinToken, JsonObject,
    OperationId, PresenceList, Publication, PublishError, RequestId, Seq, ShardId, StateDocument,
};
use crate::wire::status::StatusView;

/// From a shard to a channel's home. Each holds a credit until it is answered.
#[derive(Debug)]
pub enum Request {
    /// A client of the sender publishes. Answered by [`Notice::Published`].
    Publish {
        /// The sender's id of the request.
        id: RequestId,
        /// What.
        publication: Box<Publication>,
        /// By what the client knows it again.
        known_as: Option<PublishId>,
    },
    /// A client of the sender asks for a channel's last event. Answered by [`Notice::Recalled`].
    Recall {
        /// The sender's id of the request.
        id: RequestId,
        /// Which channel.
        channel: ChannelName,
    },
    /// A client of the sender asks for a channel's history. Answered by [`Notice::Log`].
    ReadLog {
        /// The sender's id of the request.
        id: RequestId,
        /// Which channel.
        channel: ChannelName,
        /// Which part of its log.
        range: HistoryRange,
    },
    /// A client of the sender subscribes with a channel's state. Answered by [`Notice::State`].
    ReadState {
        /// The sender's id of the request.
        id: OperationId,
        /// Which channel.
        channel: ChannelName,
    },
    /// A client of the sender leaves channels. Answered by [`Notice::Heads`].
    Heads {
        /// The sender's id of the request.
        id: OperationId,
        /// Which channels, each with the sender's key of it.
        channels: Vec<(ChannelIndex, ChannelName)>,
    },
    /// The sender has subscribers. Answered by [`Notice::Joined`].
    Join {
        /// Which channel.
        name: ChannelName,
        /// The sender's key of it, echoed in every notice.
        channel: ChannelIndex,
        /// The sender's current attempt, echoed likewise: others are stale.
        token: JoinToken,
        /// What it is to be sent.
        wanted: Wanted,
        /// The address of the subscriber that made it there, unless that is the engine's own.
        address: Option<AddressGroup>,
    },
    /// The sender has no subscribers any more. Answered by [`Notice::Left`].
    Leave {
        /// Which channel.
        name: ChannelName,
        /// The sender's key of it.
        channel: ChannelIndex,
        /// The join it ends.
        token: JoinToken,
        /// The last position that the sender has.
        head: Seq,
    },
    /// Subscribers that have entered or left channels of a class that keeps presence. Answered by
    /// [`Notice::PresenceKnown`].
    Presence {
        /// In the order in which it happened.
        reports: Vec<PresenceReport>,
    },
    /// Clients of the sender ask for the members, behind what it has reported before. Answered by
    /// [`Notice::PresenceList`].
    AskPresence {
        /// In which channel.
        channel: ChannelName,
        /// The sender's ids of their questions.
        ids: Vec<RequestId>,
    },
    /// The patterns of the sender's clients from now on. Answered by [`Notice::PatternsKnown`].
    Patterns {
        /// Which change of them it is.
        version: u32,
        /// All of them.
        set: Arc<PatternSet>,
    },
}

impl Request {
    /// As how many messages it counts in its iteration.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Request::Publish { publication, .. } => publication.cost(),
            Request::AskPresence { .. } => PRESENCE_COST,
            _ => 1,
        }
    }
}

/// From a channel's home to a shard with subscribers, in order.
#[derive(Debug)]
pub enum Notice {
    /// The next message.
    Frame {
        /// The receiver's key of the channel.
        channel: ChannelIndex,
        /// The receiver's join that this belongs to.
        token: JoinToken,
        /// The message.
        frame: Frame,
    },
    /// Messages up to and including `to` have fallen off the home's log.
    Gap {
        /// The receiver's key of the channel.
        channel: ChannelIndex,
        /// The receiver's join that this belongs to.
        token: JoinToken,
        /// Last missing position.
        to: Seq,
    },
    /// The join took effect: `Frame`s from `seq + 1` on follow.
    Joined {
        /// The receiver's key of the channel.
        channel: ChannelIndex,
        /// The receiver's join that this answers.
        token: JoinToken,
        /// The home's log at that moment.
        joined: Joined,
    },
    /// Something is published to a channel of which the receiver's clients have a pattern: it is to
    /// join, or to decline.
    Appeared {
        /// Which channel.
        name: ChannelName,
    },
    /// To the home of a channel that has appeared: the sender has no room for it.
    Declined {
        /// Which channel.
        name: ChannelName,
    },
    /// Something has come of a channel that the receiver's clients have patterns of, and its home
    /// has no room for it.
    LeftOut {
        /// Which channel.
        name: ChannelName,
    },
    /// The home tells of channels that match these patterns from now on.
    PatternsKnown {
        /// As in the request.
        version: u32,
    },
    /// The home has no room for another channel.
    JoinRefused {
        /// The receiver's key of the channel.
        channel: ChannelIndex,
        /// The receiver's join that this answers.
        token: JoinToken,
        /// Why.
        why: ChannelRefusal,
    },
    /// The leave took effect: no frame of the join that it ended follows.
    Left {
        /// The receiver's key of the channel.
        channel: ChannelIndex,
    },
    /// The positions of the newest messages of channels.
    Heads {
        /// The receiver's id of the request.
        id: OperationId,
        /// The receiver's key of each, and its position.
        heads: Vec<(ChannelIndex, Seq)>,
    },
    /// The reports are known: the next ones may come.
    PresenceKnown,
    /// The members of a channel: events with a later position follow.
    PresenceList {
        /// The receiver's ids of the questions.
        ids: Vec<RequestId>,
        /// The members, if they are known.
        list: Result<Arc<PresenceList>, Unavailable>,
    },
    /// The status of a channel.
    Recalled {
        /// The receiver's id of the request.
        id: RequestId,
        /// Its document or last event.
        status: Option<StatusSource>,
    },
    /// The state of a channel, if it has one.
    State {
        /// The receiver's id of the request.
        id: OperationId,
        /// The state.
        state: Option<Arc<StateDocument>>,
    },
    /// A part of a channel's log.
    Log {
        /// The receiver's id of the request.
        id: RequestId,
        /// The part that was asked for.
        page: Box<LogPage>,
    },
    /// A publish was accepted under this position, or refused for want of room.
    Published {
        /// The receiver's id of the request.
        id: RequestId,
        /// Its position.
        result: Result<Accepted, PublishError>,
    },
}

impl Notice {
    /// Bytes of a broadcast that it keeps alive.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Notice::Frame { frame, .. } => frame.weight(),
            _ => 0,
        }
    }
}

/// What a shard that joins a channel is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The log from this position on as backlog.
    pub since: Option<Seq>,
    /// At least so many messages up to its head.
    pub last: u64,
    /// The newest messages of keys that its log has dropped.
    pub latest: bool,
    /// The shard has nothing of what an earlier join has brought that it did not wait for.
    pub is_fresh: bool,
    /// Its subscribers that follow the channel's context, up to as many as count.
    pub followers: u32,
}

/// A shard's join of a channel homed here.
#[derive(Clone, Copy, Debug)]
pub struct JoinRequest {
    /// Which shard.
    pub from: ShardId,
    /// Its key of the channel.
    pub channel: ChannelIndex,
    /// Its join.
    pub token: JoinToken,
    /// What it is to be sent.
    pub wanted: Wanted,
}

impl JoinRequest {
    /// The answer where there is no room for the channel.
    pub(super) fn refused(&self, why: ChannelRefusal) -> Notice {
        Notice::JoinRefused { channel: self.channel, token: self.token, why }
    }
}

/// A channel's log as a join finds it.
#[derive(Debug)]
pub struct Joined {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its head.
    pub seq: Seq,
    /// The oldest position that it has; the one to come if it has none.
    pub oldest: Seq,
    /// The oldest position that it may be asked for: older than that where an external order has
    /// more.
    pub floor: Seq,
    /// Messages up to `seq` that the join asked for, as far as the log has them.
    pub backlog: Vec<Frame>,
    /// What the home keeps of keys beyond its log, if the join asked for it.
    pub kept: Option<Kept>,
    /// Whether something was published there, so that it stays without subscribers.
    pub published: bool,
    /// The position behind which the receiver's subscribers by pattern begin, if the channel has
    /// appeared to them.
    pub reach: Option<Seq>,
    /// Whether the log has what the join asked for, as far as there is any: an external order may
    /// not have answered.
    pub is_whole: bool,
}

/// What a channel's home keeps of keys beyond its log.
#[derive(Debug)]
pub struct Kept {
    /// The newest messages of keys that the log has dropped, oldest first.
    pub frames: Vec<Frame>,
    /// Up to here something is gone that nothing newer replaces.
    pub lost: Seq,
}

/// The status of a channel.
#[derive(Debug)]
pub enum StatusSource {
    /// The document that was put there.
    Document(Arc<JsonObject>),
    /// The last event.
    Event(Frame),
}

impl StatusSource {
    pub(crate) fn view(&self) -> StatusView<'_> {
        match self {
            StatusSource::Document(document) => StatusView::Document(document.as_str()),
            StatusSource::Event(frame) => StatusView::Event(frame.text()),
        }
    }
}

/// The two lanes to each other shard.
pub trait Lanes {
    /// Sends a request, or gives it back when the lane is full.
    ///
    /// # Errors
    /// The request, unsent.
    fn try_request(&mut self, to: ShardId, request: Request) -> Result<(), Request>;

    /// Sends a notice, or gives it back when the lane is full.
    ///
    /// # Errors
    /// The notice, unsent.
    fn try_notice(&mut self, to: ShardId, notice: Notice) -> Result<(), Notice>;

    /// Sends the answer to a request, for which there is always room (credits).
    fn reply(&mut self, to: ShardId, notice: Notice);
}

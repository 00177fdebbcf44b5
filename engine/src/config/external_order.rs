//! The interface by which channels get their order elsewhere, as from a cluster's streams.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::types::{
    ChannelName, Epoch, PresenceEnd, PresenceList, Publication, PublishError, Reply, Seq,
    Sequenced, ServiceId, ShardId,
};

/// Gives the messages of channels their order, for all engines that share it. An engine without one
/// orders them itself.
///
/// What it has ordered it delivers by [`ExternalFeed`](crate::ExternalFeed), for the channels that
/// the engine follows. Each request is answered once, at once or later, from any thread; until then
/// it counts against a limit of the engine, which bounds how many are open.
///
/// An engine that takes over from another one ([`Successor`](crate::Successor)) asks for everything
/// anew: it follows the channels of its clients from where those are
/// ([`FollowRequest::taken_over`]), and each of its shards sends once what it watches. Until all
/// have, any channel counts as watched, behind where the order was for the watched ones of the
/// engine before: a subscriber by name may come before that.
///
/// The methods run on the shards' threads, between two sends: they must not block. An order with a
/// full queue answers so.
pub trait ExternalOrder: fmt::Debug + Send + Sync {
    /// The life of all channels' logs when the engine starts. A later one is told by
    /// [`ExternalFeed::begin_epoch`](crate::ExternalFeed::begin_epoch).
    fn epoch(&self) -> Epoch;

    /// Something is published. Requests for one channel come in the order that they are to have.
    fn publish(&self, request: PublishRequest);

    /// A channel is of interest from now on, or messages of it are missing here. From the answer on
    /// everything behind its [`Followed::head`] is to be delivered, in order and behind the answer.
    /// A channel that is followed already is asked for again when older messages are wanted.
    fn follow(&self, request: FollowRequest);

    /// A channel is of no interest any more. It must always be taken: there are never more such
    /// channels than the engine may have.
    fn unfollow(&self, channel: ChannelName);

    /// Reads a channel's messages, which need not be followed.
    fn read(&self, request: ReadRequest);

    /// All channels with these name prefixes are of interest, also those that no client has named
    /// and those that are not there yet. From the answer on everything that is published to one of
    /// them is to be delivered, followed or not. What comes of one that is not followed begins
    /// behind its [`FeedItem::after`](crate::FeedItem::after); the engine follows it then, or says
    /// that it does not want it by [`ExternalOrder::unfollow`]. An answer to `follow` has no head
    /// that is beyond what was delivered of a watched channel.
    fn watch(&self, request: WatchRequest);

    /// Clients have entered or left channels of classes that keep presence. The order keeps the
    /// rosters, such as by [`Roster`](crate::Roster), and publishes what changes in them as
    /// messages of the channels ([`RosterChange`](crate::RosterChange)): engines know those by
    /// their names. An engine that begins reports all that it has.
    fn report_presence(&self, request: PresenceRequest);

    /// Clients, or an operator, ask for the members. All that was reported before of the channel is
    /// in the answer. What is delivered before it has no event of presence that it lacks.
    fn ask_presence(&self, question: PresenceQuestion);
}

/// Something to be published.
#[derive(Debug)]
pub struct PublishRequest {
    /// What.
    pub publication: Publication,
    /// The publisher's id of it, if it has one: what comes again with the same id is the same
    /// message, as far back as the order remembers.
    pub id: Option<Box<str>>,
    /// Its position, or why it has none: [`PublishError::Saturated`] where there is no room now,
    /// [`PublishError::Unavailable`] where nothing can be ordered now, [`PublishError::Unknown`]
    /// where it is unknown whether it was ordered.
    pub reply: Reply<Result<Seq, PublishError>>,
}

/// A channel to be followed.
#[derive(Debug)]
pub struct FollowRequest {
    /// Which.
    pub channel: ChannelName,
    /// All messages behind this position are wanted too.
    pub since: Option<Seq>,
    /// At least so many of the newest messages are wanted too.
    pub last: usize,
    /// Most of these older messages: of more, the newest.
    pub messages: usize,
    /// Most bytes of their data, likewise; one may have more.
    pub bytes: usize,
    /// Everything up to this position of this life was delivered, to an engine that this one has
    /// taken over from. What is behind it may be delivered behind an answer that has nothing: that
    /// need not wait until it is known what there is.
    pub taken_over: Option<(Epoch, Seq)>,
    /// Where it goes on.
    pub reply: Reply<Result<Followed, Unavailable>>,
}

/// A channel that is followed.
#[derive(Debug)]
pub struct Followed {
    /// The life of its log.
    pub epoch: Epoch,
    /// Its newest message; 0 where there is none. What comes behind it is delivered.
    pub head: Seq,
    /// What was asked for begins behind this position: not behind the one that was named, unless
    /// older messages are gone or too many. The same as `head` where nothing was asked for.
    pub after: Seq,
    /// All messages behind `after` up to `head`, in order; the [`Sequenced::prev`] of the first is
    /// `after`.
    pub messages: Vec<Sequenced>,
}

/// A part of a channel's messages to be read.
#[derive(Debug)]
pub struct ReadRequest {
    /// Of which channel.
    pub channel: ChannelName,
    /// From the message behind this position on, or with `reverse` from the one before it. Without
    /// it, from the oldest or the newest.
    pub since: Option<Seq>,
    /// To older messages.
    pub reverse: bool,
    /// Most messages, 1 or more.
    pub messages: usize,
    /// Most bytes of their data; the first may have more.
    pub bytes: usize,
    /// The messages.
    pub reply: Reply<Result<ReadPage, Unavailable>>,
}

/// A part of a channel's messages.
#[derive(Debug)]
pub struct ReadPage {
    /// The life of the channel's log.
    pub epoch: Epoch,
    /// The oldest message that there is.
    pub oldest: Option<Seq>,
    /// The newest message that there was; 0 where there never was one.
    pub newest: Seq,
    /// In the order that was asked for. Where older messages are gone behind the position that was
    /// named, the [`Sequenced::prev`] of the first is beyond that.
    pub messages: Vec<Sequenced>,
    /// Whether there are more in that direction.
    pub more: bool,
}

/// All channels with the same name prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPrefix {
    /// Of which service.
    pub service: ServiceId,
    /// What their names begin with.
    pub prefix: Arc<str>,
}

/// Channels to be watched.
#[derive(Debug)]
pub struct WatchRequest {
    /// Which shard wants them: in the place of those that it has wanted before.
    pub shard: ShardId,
    /// Which.
    pub channels: Vec<ChannelPrefix>,
    /// They are watched.
    pub reply: Reply<Result<(), Unavailable>>,
}

/// What a shard tells of its clients.
#[derive(Debug)]
pub struct PresenceRequest {
    /// In the order in which it happened.
    pub reports: Vec<PresenceReport>,
    /// They are known: the shard's next ones may come.
    pub reply: Reply<()>,
}

/// A request for the members of a channel, where its class keeps presence.
#[derive(Debug)]
pub struct PresenceQuestion {
    /// Which.
    pub channel: ChannelName,
    /// Its members.
    pub reply: Reply<Result<PresenceList, Unavailable>>,
}

/// Something that has happened to a channel of a class that keeps presence.
#[derive(Debug)]
pub enum PresenceReport {
    /// A connection has subscribed by name.
    Entered {
        /// To which channel.
        channel: ChannelName,
        /// The id with which it was welcomed, which no other connection of any engine has.
        connection: Uuid,
        /// The user that its token names. It may have been another one before.
        user: Option<Arc<str>>,
    },
    /// It counts no more.
    Left {
        /// From which channel.
        channel: ChannelName,
        /// The same id.
        connection: Uuid,
        /// Why.
        why: PresenceEnd,
    },
}

/// Nothing can be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order of channels cannot be read now")]
pub struct Unavailable;

//! What the broker asks of the shell, and what travels between brokers.

use super::document::StatusSource;
use crate::shared_frame::Frame;
use crate::types::{
    ChannelName, ConnectionKey, Epoch, Publication, PublishError, Seq, ServiceId, ShardId,
};
use crate::wire::Secret;

/// One thing the shell is to do, in the order given, after the turn's last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Have this token verified, and report `handle_authenticated` once. Bounded by
    /// `limits::VERIFICATIONS_PER_SHARD`.
    Authenticate {
        /// Whose client it is.
        service: ServiceId,
        /// Who showed it.
        key: ConnectionKey,
        /// The token.
        token: Secret,
    },
    /// Stop receiving from this connection until `ResumeReceive`. What already arrived still comes.
    PauseReceive(ConnectionKey),
    /// Receive again.
    ResumeReceive(ConnectionKey),
    /// Report once, by `handle_writable`, when the socket has room again.
    AwaitWritable(ConnectionKey),
    /// Send FIN (over TLS: close_notify first). Receiving goes on.
    ShutdownWrite(ConnectionKey),
    /// End receiving for good, and any pending writability poll. Once their final completions
    /// are in (at once if nothing was armed), report `handle_receive_ended`.
    CancelReceive(ConnectionKey),
    /// Clear the slot and forget the connection. The index may be admitted again as soon as this
    /// is queued, so do this before the next `Hub::admit`.
    Release(ConnectionKey),
}

/// From a shard to a channel's home. All but leaves hold a credit until they are answered.
#[derive(Debug)]
pub enum Request {
    /// A client of the sender publishes. Answered by [`Notice::Published`].
    Publish {
        /// The sender's name for it.
        ticket: u32,
        /// What.
        publication: Box<Publication>,
    },
    /// A client of the sender asks for a channel's last event. Answered by [`Notice::Recalled`].
    Recall {
        /// The sender's name for it.
        ticket: u32,
        /// Which channel.
        channel: ChannelName,
    },
    /// The sender has subscribers. Answered by [`Notice::Joined`].
    Join {
        /// Which channel.
        channel: ChannelName,
        /// The sender's index of it, echoed in every notice.
        index: u32,
        /// The sender's current attempt, echoed likewise: others are stale.
        token: u32,
        /// Send the log from this position on as backlog.
        since: Option<Seq>,
    },
    /// The sender has no subscribers any more. Not answered.
    Leave {
        /// Which channel.
        channel: ChannelName,
        /// The join it ends.
        token: u32,
    },
}

/// From a channel's home to a shard with subscribers, in order.
#[derive(Debug)]
pub enum Notice {
    /// The next message.
    Frame {
        /// The receiver's index of the channel.
        index: u32,
        /// The receiver's join that this belongs to.
        token: u32,
        /// The message.
        frame: Frame,
    },
    /// Messages up to and including `to` have fallen off the home's log.
    Gap {
        /// The receiver's index of the channel.
        index: u32,
        /// The receiver's join that this belongs to.
        token: u32,
        /// Last missing position.
        to: Seq,
    },
    /// The join took effect: `Frame`s from `seq + 1` on follow.
    Joined {
        /// The receiver's index of the channel.
        index: u32,
        /// The receiver's join that this answers.
        token: u32,
        /// The log's epoch.
        epoch: Epoch,
        /// The home's head at that moment.
        seq: Seq,
        /// Messages up to `seq` that the join asked for, as far as the log has them.
        backlog: Vec<Frame>,
    },
    /// The home has no room for another channel.
    JoinRefused {
        /// The receiver's index of the channel.
        index: u32,
        /// The receiver's join that this answers.
        token: u32,
    },
    /// What the home knows to say about a channel.
    Recalled {
        /// The receiver's name for it.
        ticket: u32,
        /// Its document or last event.
        told: Option<StatusSource>,
    },
    /// A publish was accepted under this position, or refused for want of room.
    Published {
        /// The receiver's name for it.
        ticket: u32,
        /// Its position.
        seq: Result<Seq, PublishError>,
    },
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

//! The engine's end of the cluster: what it asks goes to the cluster's thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use uringcast_engine::{
    ChannelName, Epoch, ExternalOrder, FollowRequest, PresenceQuestion, PresenceRequest,
    PublishError, PublishRequest, ReadRequest, WatchRequest,
};

use super::stream_positions::StreamPosition;

/// What the engine asks of the cluster, and the server for a hand-over.
#[derive(Debug)]
pub(super) enum Command {
    /// Something is published.
    Publish(PublishRequest),
    /// A channel is of interest.
    Follow(FollowRequest),
    /// A channel is of no interest any more.
    Unfollow(ChannelName),
    /// Older messages are read.
    Read(ReadRequest),
    /// Channels are of interest that begin so.
    Watch(WatchRequest),
    /// How far the node is, once all that it knows of is on its way to the engine.
    Positions(oneshot::Sender<Vec<StreamPosition>>),
    /// The engine takes over from one that stood here; it has so many shards.
    GoOn(Vec<StreamPosition>, usize),
    /// Answered once nothing that was published waits long for its acknowledgement.
    AwaitAcknowledgements(SyncSender<()>),
    /// Answered once nodes agree about presence, and this one takes part.
    AwaitPresence(SyncSender<()>),
    /// Subscribers have come or gone where presence is kept.
    Presence(PresenceRequest),
    /// The engine asks for the members of a channel.
    AskPresence(PresenceQuestion),
}

/// The streams as the engine sees them.
#[derive(Debug)]
pub(super) struct StreamOrder {
    epoch: AtomicU64,
    /// The engine bounds what waits in it: it opens so many requests and has so many channels.
    commands: UnboundedSender<Command>,
}

impl StreamOrder {
    pub(super) fn new(epoch: Epoch, commands: UnboundedSender<Command>) -> StreamOrder {
        StreamOrder { epoch: AtomicU64::new(epoch.0), commands }
    }

    /// Fails once the cluster's thread has ended, which follows nothing; a reply that is dropped
    /// says that there is no answer.
    fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// How far the node is, once all that it knows of is on its way to the engine; `None` if the
    /// cluster's thread has ended.
    pub(super) async fn positions(&self) -> Option<Vec<StreamPosition>> {
        let (reply, positions) = oneshot::channel();
        self.ask(Command::Positions(reply));
        positions.await.ok()
    }

    /// The engine takes over from one that stood here; it has so many shards.
    pub(super) fn go_on(&self, streams: Vec<StreamPosition>, shards: usize) {
        self.ask(Command::GoOn(streams, shards));
    }

    /// Waits until nodes agree about presence, and this one takes part, but not for longer. Blocks
    /// this thread.
    pub(super) fn await_presence(&self, most: Duration) {
        let (reply, answered) = sync_channel(1);
        self.ask(Command::AwaitPresence(reply));
        // Without an answer things go on: then events of presence are late.
        let _ = answered.recv_timeout(most);
    }

    /// Waits until nothing that was published waits long for its acknowledgement, but not for
    /// longer; whether that is so. Blocks this thread.
    pub(super) fn await_acknowledgements(&self, most: Duration) -> bool {
        let (reply, answered) = sync_channel(1);
        self.ask(Command::AwaitAcknowledgements(reply));
        answered.recv_timeout(most).is_ok()
    }

    /// All streams together are in another life.
    pub(super) fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
    }
}

impl ExternalOrder for StreamOrder {
    fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    fn publish(&self, request: PublishRequest) {
        if let Err(refused) = self.commands.send(Command::Publish(request))
            && let Command::Publish(request) = refused.0
        {
            request.reply.answer(Err(PublishError::Unavailable));
        }
    }

    fn follow(&self, request: FollowRequest) {
        self.ask(Command::Follow(request));
    }

    fn unfollow(&self, channel: ChannelName) {
        self.ask(Command::Unfollow(channel));
    }

    fn read(&self, request: ReadRequest) {
        self.ask(Command::Read(request));
    }

    fn watch(&self, request: WatchRequest) {
        self.ask(Command::Watch(request));
    }

    fn report_presence(&self, request: PresenceRequest) {
        self.ask(Command::Presence(request));
    }

    fn ask_presence(&self, question: PresenceQuestion) {
        self.ask(Command::AskPresence(question));
    }
}

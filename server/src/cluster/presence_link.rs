//! What passes between a node's presence, its engine, its streams and the other nodes.

use std::time::Duration;

use async_nats::{Client, Subscriber};
use futures_util::stream::{Select, select};
use tokio::sync::mpsc;
use uringcast_engine::{
    Epoch, FeedItem, PresenceList, PresenceQuestion, PresenceReport, PresenceRequest, PublishError,
    PublishRequest, Reply, Seq, Unavailable,
};

use super::cluster_config::ClusterConfig;
use super::names::Names;
use super::node_parts::{Found, Parts};
use super::node_presence::{EnginePresence, NodeId, Output, Telling};
use super::node_subjects::NodeSubjects;
use super::server_link::subscribe;
use super::setup::SetupError;

/// A node's part in presence, which begins at once where a class `keeps` it: the node's subjects,
/// and what comes of them.
///
/// # Errors
/// [`SetupError`]: the node may not subscribe.
pub(super) async fn begin(
    client: &Client,
    config: &ClusterConfig,
    (me, epoch, keeps): (NodeId, Epoch, bool),
) -> Result<(NodeSubjects, EnginePresence, Select<Subscriber, Subscriber>), SetupError> {
    let subjects = NodeSubjects::new(&config.prefix);
    let to_all = subscribe(client, subjects.all()).await?;
    let nodes = select(to_all, subscribe(client, subjects.of(me)).await?);
    let mut presence = EnginePresence::new(me, epoch);
    if keeps {
        presence.begin(Duration::ZERO);
    }
    Ok((subjects, presence, nodes))
}

impl Parts {
    /// A shard of the engine tells of its subscribers.
    pub(super) fn handle_presence_request(&mut self, now: Duration, request: PresenceRequest) {
        for report in request.reports {
            match report {
                PresenceReport::Entered { channel, connection, user } => {
                    let tokens = self.names.tokens(&channel);
                    self.presence.enter(now, &tokens, connection, user);
                }
                PresenceReport::Left { channel, connection, why } => {
                    self.presence.leave(&self.names.tokens(&channel), connection, why);
                }
            }
        }
        request.reply.answer(());
    }

    /// The engine asks for the members of a channel.
    pub(super) fn handle_presence_question(&mut self, now: Duration, question: PresenceQuestion) {
        self.presence.ask(now, &self.names.tokens(&question.channel), question.reply);
    }

    /// The engine is given these: no request is to get an older list behind an event of presence.
    pub(super) fn note_presence(&mut self, channel: &str, items: &[FeedItem]) {
        for item in items {
            if let FeedItem::Message(message) = item
                && message.publication.event.is_reserved()
            {
                self.presence.saw(channel, message.seq);
            }
        }
    }

    /// A message of another node.
    pub(super) fn handle_node_message(&mut self, now: Duration, message: &async_nats::Message) {
        let Parts { presence, names, .. } = self;
        let is_channel = |tokens: &str| is_channel(names, tokens);
        presence.handle_bytes(now, &message.payload, is_channel);
    }

    /// Carries out what presence has decided.
    pub(super) async fn run_presence(
        &mut self,
        now: Duration,
        found: &mpsc::UnboundedSender<Found>,
    ) {
        self.presence.run(now);
        while let Some(output) = self.presence.poll_output() {
            match output {
                Output::Send(to, message) => {
                    let subject = to.map_or_else(|| self.nodes.all(), |to| self.nodes.of(to));
                    // What is lost is sent again.
                    self.requests.tell(subject, message).await;
                }
                Output::Publish(telling) => self.publish_presence(now, telling, found),
                Output::Answer(reply, list) => reply.answer(list.ok_or(Unavailable)),
            }
        }
    }

    fn publish_presence(
        &mut self,
        now: Duration,
        telling: Telling,
        found: &mpsc::UnboundedSender<Found>,
    ) {
        let Telling { id, channel, change, list } = telling;
        let found = found.clone();
        let reply = Reply::new(move |seq: Option<Result<Seq, PublishError>>| {
            // Fails if the node ends.
            let _ = found.send(Found::Told(id, seq.and_then(Result::ok)));
        });
        let Some(name) = self.names.channel(&channel) else { return };
        let publication = change.event(&name, || list.unwrap_or_else(PresenceList::empty));
        let (place, tokens) = self.place_of(&name);
        let largest = self.requests.largest();
        let request = PublishRequest { publication, id: None, reply };
        self.partitions[place].publish(now, (&tokens, largest), request);
    }

    /// The node ends: the others are told.
    pub(super) async fn say_goodbye(&self) {
        if let Some(message) = self.presence.bye() {
            self.requests.tell(self.nodes.all(), message).await;
            self.requests.flush().await;
        }
    }
}

/// Whether nodes have a channel with these tokens.
fn is_channel(names: &Names, tokens: &str) -> bool {
    names.channel(tokens).is_some()
}

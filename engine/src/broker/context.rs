//! What every component works with: the time and settings of the iteration, and the queues of what
//! it asks of others.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::CloseReason;
use super::early_marks::EarlyMarks;
use super::effect::Effect;
use super::timers::Timers;
use super::turn_limits::TurnLimits;
use super::upstream_messages::UpstreamRequest;
use crate::config::{ChannelClass, ClassTable, Config, Service};
use crate::telemetry::Recorder;
use crate::types::{ChannelName, ConnectionKey, Epoch, Homes, Now, ServiceId, ShardId, Time};
use crate::wire::encoder::{Encoder, Stamp};
use crate::wire::frame::{self, Opcode};
use crate::wire::reply::{self, Gap};

/// The surroundings of a shard's components.
pub(super) struct Context {
    /// Set once per iteration (invariant 8).
    pub(super) now: Now,
    pub(super) config: Arc<Config>,
    /// Of the channels of each service.
    classes: Vec<ClassTable>,
    pub(super) limits: TurnLimits,
    pub(super) shard: ShardId,
    /// Which shard is home of which channel.
    pub(super) homes: Homes,
    /// Whether an external order gives messages their positions.
    pub(super) is_external: bool,
    /// Why that takes no publications now.
    pub(super) degraded: Option<&'static str>,
    /// Of all logs that begin here, and of those of the engine's other shards.
    pub(super) epoch: Epoch,
    pub(super) recorder: Recorder,
    pub(super) encoder: Encoder,
    pub(super) timers: Timers,
    /// What was received in this iteration beside messages: PINGs, PONGs, small fragments, messages
    /// that were dropped, channels that requests name beyond their first, and whole buffers.
    pub(super) further_work: usize,
    /// Members that channels were given in this iteration because they have appeared.
    pub(super) reached: usize,
    /// The shard is shutting down: it takes no publications.
    pub(super) draining: bool,
    /// It is about to: new connections are closed at once.
    pub(super) refusing: bool,
    /// All is about to go over to another process: nothing waits for more.
    pub(super) frozen: bool,
    /// What went over to another process of connections.
    pub(super) early: EarlyMarks,
    rng: fastrand::Rng,
    effects: VecDeque<Effect>,
    /// What clients ask of the external order.
    upstream: VecDeque<UpstreamRequest>,
    /// In the order in which they are written.
    replies: VecDeque<Reply>,
    endings: VecDeque<(ConnectionKey, Ending)>,
}

/// Frames for one connection, ready for the socket.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) key: ConnectionKey,
    pub(super) bytes: Vec<u8>,
    /// It is a close frame, or empty: the end of what a peer is owed that has ended its side.
    pub(super) closes: bool,
}

/// A step towards a connection's end that a component asks the hub for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Start the closing handshake.
    Close(CloseReason),
    /// The close frame is in the kernel.
    CloseWritten,
    /// A write found the socket dead.
    Lost,
}

impl Context {
    /// `seed` feeds message ids, connection ids and, unless the hub gets another one, the epoch.
    pub(super) fn new(config: Arc<Config>, shard: ShardId, shards: usize, seed: u64) -> Context {
        let mut rng = fastrand::Rng::with_seed(seed);
        Context {
            now: Now::default(),
            limits: TurnLimits::default(),
            shard,
            homes: Homes::new([0; 2], shards),
            recorder: Recorder::new(shard, config.services.len(), config.metrics),
            encoder: Encoder::default(),
            timers: Timers::default(),
            further_work: 0,
            reached: 0,
            draining: false,
            refusing: false,
            is_external: config.external_order.is_some(),
            degraded: None,
            frozen: false,
            early: EarlyMarks::default(),
            epoch: Epoch(rng.u64(1..)),
            rng,
            effects: VecDeque::new(),
            upstream: VecDeque::new(),
            replies: VecDeque::new(),
            endings: VecDeque::new(),
            classes: class_tables(&config),
            config,
        }
    }

    /// Uses this configuration from now on.
    pub(super) fn configure(&mut self, config: Arc<Config>) {
        self.classes = class_tables(&config);
        self.config = config;
    }

    /// The class of a channel of this name.
    pub(super) fn class_of(&self, name: &ChannelName) -> &Rc<ChannelClass> {
        self.classes[name.service().index()].of(name.as_str())
    }

    /// The monotonic time of the iteration.
    pub(super) fn time(&self) -> Time {
        self.now.mono
    }

    pub(super) fn service(&self, service: ServiceId) -> &Service {
        &self.config[service]
    }

    pub(super) fn random(&mut self) -> u64 {
        self.rng.u64(1..)
    }

    /// A fresh id and timestamp for one message of the server.
    pub(super) fn stamp(&mut self) -> Stamp {
        Stamp { id: self.rng.u128(..).to_be_bytes(), unix_us: self.now.unix_us }
    }

    /// Encodes one message of the server.
    pub(super) fn encode(
        &mut self,
        write: impl FnOnce(&mut Encoder, Stamp, &mut Vec<u8>),
    ) -> Vec<u8> {
        let stamp = self.stamp();
        let mut out = Vec::new();
        write(&mut self.encoder, stamp, &mut out);
        out
    }

    /// Encodes the message that subscribers get in place of missing ones: a gap, or where their
    /// protocol has none, an unsolicited PONG, which clients ignore (RFC 6455 5.5.3).
    pub(super) fn gap_message(&mut self, name: &ChannelName, gap: &Gap) -> Vec<u8> {
        if self.service(name.service()).protocol.is_envelope() {
            return self.encode(|encoder, stamp, out| {
                encoder.write(stamp, None, &reply::gap(name, gap), out);
            });
        }
        frame::encoded(Opcode::Pong, &[])
    }

    /// The current time as in envelopes.
    pub(super) fn timestamp(&mut self) -> String {
        self.encoder.timestamp(self.now.unix_us)
    }

    /// Asks the shell for something.
    pub(super) fn push_effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Asks the external order for something.
    pub(super) fn push_upstream(&mut self, request: UpstreamRequest) {
        self.upstream.push_back(request);
    }

    pub(super) fn poll_upstream(&mut self) -> Option<UpstreamRequest> {
        self.upstream.pop_front()
    }

    /// Whether an external order has what is published to a channel: the engine's own stays here.
    pub(super) fn is_outside(&self, channel: &ChannelName) -> bool {
        self.is_external && !channel.is_probe()
    }

    /// Whether its messages get their positions there, too. Updates get them here.
    pub(super) fn is_ordered_outside(&self, channel: &ChannelName) -> bool {
        self.is_outside(channel) && !self.is_periodic(channel)
    }

    /// Whether a channel's publications are kept for the next update of a session protocol.
    pub(super) fn is_periodic(&self, channel: &ChannelName) -> bool {
        self.service(channel.service()).protocol.is_periodic(channel.as_str())
    }

    /// Queues a frame for one connection. Laggards' frames queue too, so that they stay in order
    /// with those queued before the connection became one.
    pub(super) fn reply(&mut self, key: ConnectionKey, bytes: Vec<u8>) {
        match self.replies.back_mut() {
            Some(last) if last.key == key && !last.closes => last.bytes.extend_from_slice(&bytes),
            _ => self.replies.push_back(Reply { key, bytes, closes: false }),
        }
    }

    /// Queues the last frame of a connection. It stays alone: it takes the place of what a laggard
    /// is owed.
    pub(super) fn reply_last(&mut self, key: ConnectionKey, bytes: Vec<u8>) {
        self.replies.push_back(Reply { key, bytes, closes: true });
    }

    /// The queued frames.
    pub(super) fn replies(&self) -> &VecDeque<Reply> {
        &self.replies
    }

    /// Joins what is queued for the same connection, however much is queued between.
    pub(super) fn join_replies(&mut self) {
        if self.replies.make_contiguous().is_sorted_by(|one, next| one.key < next.key) {
            return;
        }
        let mut replies = std::mem::take(&mut self.replies);
        replies.make_contiguous().sort_by_key(|reply| reply.key);
        for Reply { key, bytes, closes } in replies {
            match closes {
                true => self.reply_last(key, bytes),
                false => self.reply(key, bytes),
            }
        }
    }

    pub(super) fn next_reply(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    /// Puts a reply back that cannot be written yet.
    pub(super) fn return_reply(&mut self, reply: Reply) {
        self.replies.push_front(reply);
    }

    pub(super) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Asks for the closing handshake; the hub starts it once the component returns.
    pub(super) fn close(&mut self, key: ConnectionKey, reason: CloseReason) {
        self.end(key, Ending::Close(reason));
    }

    pub(super) fn end(&mut self, key: ConnectionKey, ending: Ending) {
        self.endings.push_back((key, ending));
    }

    pub(super) fn next_ending(&mut self) -> Option<(ConnectionKey, Ending)> {
        self.endings.pop_front()
    }

    /// Whether nothing is asked of others.
    pub(super) fn is_idle(&self) -> bool {
        let is_told = self.effects.is_empty() && self.upstream.is_empty();
        is_told && self.endings.is_empty() && self.replies.is_empty()
    }

    #[cfg(test)]
    pub(super) fn has_effects(&self) -> bool {
        !self.effects.is_empty() || !self.endings.is_empty()
    }
}

fn class_tables(config: &Config) -> Vec<ClassTable> {
    config.services.iter().map(|service| ClassTable::new(service, config.retention)).collect()
}

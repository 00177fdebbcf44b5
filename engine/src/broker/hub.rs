//! One shard's broker: the composition of channels, connections and sessions.
//!
//! The shell calls `handle_*` with what happened, then [`Hub::poll_transmit`] once a turn, then
//! [`Hub::poll_effect`] until it is empty. Each file beside this one adds one concept:
//!
//! | file | concept |
//! |---|---|
//! | `lifecycle` | admission, bytes in, closing, release |
//! | `hold` | who is not received from, and for how long |
//! | `auth`, `permits` | who a client is, and what it may |
//! | `session` | what a client may say and what it is answered |
//! | `status` | requests answered with a channel's last event |
//! | `document` | what a service says about a channel |
//! | `feed` | session-buddy's own protocol |
//! | `operation` | subscribe and unsubscribe, which may wait for another shard |
//! | `expel` | ending connections and subscriptions from outside |
//! | `home` | sequencing, and serving other shards |
//! | `remote` | being served by a channel's home |
//! | `retention` | what the logs keep |
//! | `transmit` | replies and sweeps |
//! | `batch` | one write per connection, and what a flush brings |
//! | `catch_up` | laggards |
//! | `clock` | deadlines, keepalive, idle channels |

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;

use super::auth::Gatekeeper;
use super::batch::Batch;
use super::bounds::Bounds;
use super::channel::{Channel, Channels, Link, Remote, RemoteState};
use super::clock::Clock;
use super::connection::Connections;
use super::effect::{Effect, Notice, Request};
use super::feed::Skills;
use super::gate::Gate;
use super::operation::Operation;
use super::permits::Permits;
use super::retention::Retained;
use super::session::PendingPublish;
use super::status::PendingStatus;
use super::transmit::Reply;
use crate::config::{Access, Config, Service};
use crate::limits::LISTING_LOOKS;
use crate::telemetry::{Count, Gauge, MessageType, Recorder};
use crate::types::{ChannelName, ConnectionKey, Epoch, Now, Seq, ServiceId, ShardId};
use crate::wire::encoder::Encoder;

use super::lifecycle::DrainState;
pub use super::lifecycle::{Admission, ReceiveEnd};

/// The broker of one shard.
pub struct Hub {
    /// Public so that the shell may record its own counts.
    pub recorder: Recorder,
    pub(super) config: Arc<Config>,
    /// By service.
    pub(super) permits: Vec<Permits>,
    pub(super) gatekeeper: Gatekeeper,
    pub(super) bounds: Bounds,
    pub(super) shard: ShardId,
    pub(super) shards: usize,
    pub(super) rng: fastrand::Rng,
    pub(super) encoder: Encoder,
    pub(super) channels: Channels,
    pub(super) connections: Connections,
    pub(super) gate: Gate,
    /// Second of each connection's last receive: dense, swept by the clock.
    pub(super) last_rx: Vec<u32>,
    pub(super) batch: Batch,
    /// Frames for single connections, in the order they are written.
    pub(super) replies: VecDeque<Reply>,
    /// Channels with something new, in the order they are swept.
    pub(super) dirty: VecDeque<u32>,
    /// Channels homed here with something new for other shards.
    pub(super) unsent: Vec<u32>,
    /// Laggards that may be written.
    pub(super) ready: VecDeque<ConnectionKey>,
    pub(super) effects: VecDeque<Effect>,
    pub(super) operations: Slab<Operation>,
    pub(super) publishes: Slab<PendingPublish>,
    pub(super) skills: Skills,
    pub(super) statuses: Slab<PendingStatus>,
    pub(super) status_bytes: usize,
    pub(super) document_bytes: usize,
    pub(super) lanes: Vec<LaneState>,
    pub(super) answers: VecDeque<(ShardId, Notice)>,
    pub(super) retained: Retained,
    pub(super) clock: Clock,
    pub(super) laggards: usize,
    pub(super) laggard_bytes: usize,
    pub(super) subscriptions: usize,
    pub(super) drain: DrainState,
    /// Kinds of the messages handled since the shell last timed them: in this turn.
    pub(super) handled: Vec<(ServiceId, MessageType)>,
    /// Clients' connections not yet released, by service.
    pub(super) open: Vec<usize>,
}

/// What the hub keeps about its lanes to and from one other shard.
#[derive(Default)]
pub(super) struct LaneState {
    /// Publishes and recalls not yet sent.
    pub(super) publishes: VecDeque<Request>,
    /// Channels whose home must be told about a join or leave.
    pub(super) asks: VecDeque<u32>,
    /// Requests sent or queued and not answered yet.
    pub(super) open: usize,
    /// Channels homed here whose frames found the lane full.
    pub(super) behind: VecDeque<u32>,
}

/// What [`Hub::channels`] tells about one channel homed on this shard.
#[derive(Clone, Debug)]
pub struct ChannelEntry {
    /// Its name.
    pub name: ChannelName,
    /// Position of its last message.
    pub seq: Seq,
    /// Its log's epoch.
    pub epoch: Epoch,
}

impl Hub {
    /// A broker for `shard` of `shards`, with room for `capacity` connections. `seed` feeds ids
    /// and epochs.
    pub fn new(
        config: Arc<Config>,
        shard: ShardId,
        shards: usize,
        capacity: usize,
        seed: u64,
    ) -> Hub {
        Hub {
            recorder: Recorder::new(shard, config.services.len(), config.metrics),
            permits: config.services.iter().map(|each| Permits::new(&each.access)).collect(),
            gatekeeper: Gatekeeper::default(),
            bounds: Bounds::default(),
            shard,
            shards,
            rng: fastrand::Rng::with_seed(seed),
            encoder: Encoder::default(),
            channels: Channels::default(),
            connections: Connections::new(capacity),
            gate: Gate::new(capacity),
            last_rx: Vec::with_capacity(capacity),
            batch: Batch::default(),
            replies: VecDeque::new(),
            dirty: VecDeque::new(),
            unsent: Vec::new(),
            ready: VecDeque::new(),
            effects: VecDeque::new(),
            operations: Slab::new(),
            publishes: Slab::new(),
            skills: Skills::new(),
            statuses: Slab::new(),
            status_bytes: 0,
            document_bytes: 0,
            lanes: (0..shards).map(|_| LaneState::default()).collect(),
            answers: VecDeque::new(),
            retained: Retained::default(),
            clock: Clock::default(),
            laggards: 0,
            laggard_bytes: 0,
            subscriptions: 0,
            drain: DrainState::default(),
            handled: Vec::new(),
            open: vec![0; config.services.len()],
            config,
        }
    }

    /// The shard that sequences a channel. The same on every shard of one engine.
    pub fn home_of(channel: &ChannelName, shards: usize) -> ShardId {
        // FNV-1a, and a finalizer: without it names that differ in their last byte share a home.
        let bytes = std::iter::once(channel.service().0).chain(channel.as_str().bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        ShardId(((hash >> 40) % shards as u64) as u8)
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Connections not yet released.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Messages handled since they were last timed.
    pub fn handled(&self) -> usize {
        self.handled.len()
    }

    /// Times the messages handled since the last call: each took the turn's `ns` nanoseconds, which
    /// its sender waited for all of them.
    pub fn record_handling(&mut self, ns: u64) {
        for (service, kind) in self.handled.drain(..) {
            self.recorder.received(service, kind, ns);
        }
    }

    /// Brings the gauges up to date, before a snapshot is taken.
    pub fn update_gauges(&mut self) {
        for (service, &open) in self.open.iter().enumerate() {
            self.recorder.set_open(ServiceId(service as u8), open);
        }
        self.recorder.set(Gauge::Connections, self.open.iter().sum());
        self.recorder.set(Gauge::Channels, self.channels.len());
        self.recorder.set(Gauge::Subscriptions, self.subscriptions);
        self.recorder.set(Gauge::ConnectionSlots, self.connections.capacity());
        self.recorder.set(Gauge::LaggardBytes, self.laggard_bytes);
        self.recorder.set(Gauge::LogBytes, self.retained.bytes);
    }

    /// A service's channels homed here from slot `from` on, at most `limit` and perhaps none, and
    /// the slot to go on from.
    pub fn channels(
        &self,
        service: ServiceId,
        from: u32,
        limit: usize,
    ) -> (Vec<ChannelEntry>, Option<u32>) {
        let mut page = Vec::new();
        for index in from..self.channels.slots() {
            if page.len() == limit || index - from == LISTING_LOOKS {
                return (page, Some(index));
            }
            let Some(channel) = self.channels.get(index) else { continue };
            let listed = channel.name.service() == service && !channel.name.is_probe();
            if !matches!(channel.link, Link::Home(_)) || !listed {
                continue;
            }
            page.push(ChannelEntry {
                name: channel.name.clone(),
                seq: channel.log.head(),
                epoch: channel.log.epoch(),
            });
        }
        (page, None)
    }

    /// Subscribers on this shard of each named channel.
    pub fn subscribers(&self, names: &[ChannelName]) -> Vec<u64> {
        let count = |name: &ChannelName| {
            let index = self.channels.find(name)?;
            Some(self.channels[index].live.len() as u64)
        };
        names.iter().map(|name| count(name).unwrap_or(0)).collect()
    }

    /// Finds or makes a channel; `None` when the table is full.
    pub(super) fn channel(&mut self, now: Now, name: &ChannelName) -> Option<u32> {
        if let Some(index) = self.channels.find(name) {
            self.channels[index].used_at = now.mono;
            return Some(index);
        }
        if self.channels.len() >= self.config.max_channels {
            self.recorder.count(Count::ChannelRefusals, 1);
            return None;
        }
        let home = Hub::home_of(name, self.shards);
        let link = if home == self.shard {
            Link::Home(Vec::new())
        } else {
            Link::Remote(Remote {
                home,
                state: RemoteState::Absent,
                token: 0,
                since: None,
                floor: Seq(0),
                asked: false,
                waiting: Vec::new(),
            })
        };
        let class = self.recorder.class_of(name);
        let epoch = Epoch(self.rng.u64(1..));
        let index = self.channels.add(name, class, link, epoch, now.mono);
        let mut requests = self.config[name.service()].requests.iter();
        self.channels[index].is_asked_for =
            requests.any(|r| r.is_about(name.as_str())) || self.is_feed(name);
        Some(index)
    }

    /// The settings a connection lives under.
    pub(super) fn service(&self, key: ConnectionKey) -> &Service {
        &self.config[self.connections[key.index].service]
    }

    /// Who may connect and do what, where a connection is.
    pub(super) fn access(&self, key: ConnectionKey) -> &Access {
        &self.service(key).access
    }

    /// The channel has something new for its live set or for other shards.
    pub(super) fn mark_dirty(&mut self, index: u32) {
        let channel: &mut Channel = &mut self.channels[index];
        if !channel.dirty {
            channel.dirty = true;
            self.dirty.push_back(index);
        }
        if !channel.unsent && !channel.interests().is_empty() {
            channel.unsent = true;
            self.unsent.push(index);
        }
    }
}

#[cfg(test)]
mod tests;

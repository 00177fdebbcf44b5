//! What one seed makes of the world: sizes, limits and tempers, mostly tiny.

use std::sync::Arc;
use std::time::Duration;

use super::handovers::HandoverFault;
use crate::broker::Hub;
use crate::broker::channel::context_faults::ContextFault;
use crate::broker::delivery::delivery_invariants::{ChainFault, SkipFault};
use crate::broker::patterns::PatternFault;
use crate::broker::recovery_faults::RecoveryFault;
use crate::broker::turn_limits::TurnLimits;
use crate::broker::upstream_faults::UpstreamFault;
use crate::config::{Access, AuthMode, ClassRule, Config, Retention, Service, SlowPolicy};
use crate::types::{ChannelPattern, Encoding, Epoch, Homes, ShardId};

/// A part that is broken on purpose, and must be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// The outlet says of a write that it went out whole, and drops it.
    LostWrite,
    /// The gate lets everything pass.
    OpenGate,
    /// The shell reports the end of receiving while a completion is still to come.
    EarlyReuse,
    /// Clients leave channels before they were handed what was accepted.
    HastyLeave,
    /// Channels with messages that may wait for others are never swept.
    LostWait,
    /// Patterns are not told, or confirmed too early.
    Patterns(PatternFault),
    /// The chains of what is owed by several sweeps are broken.
    Chains(ChainFault),
    /// The policies for subscribers that are behind are broken.
    Skips(SkipFault),
    /// Homes are not notified of every member that leaves a channel.
    ForgottenLeaves,
    /// What is known of subscribers' contexts is wrong.
    Contexts(ContextFault),
    /// Subscriptions do not go on where they are to.
    Recovery(RecoveryFault),
    /// What an external order gives is not taken as it is.
    Upstream(UpstreamFault),
    /// Something is missing or wrong in what is handed over.
    Handover(HandoverFault),
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) shards: usize,
    pub(super) channels: usize,
    /// Services that share the channels' names.
    pub(super) services: usize,
    /// Connections open at once on one shard.
    pub(super) capacity: usize,
    pub(super) steps: usize,
    pub(super) lane: usize,
    pub(super) batch: usize,
    /// Bytes of a socket's send buffer, at most.
    pub(super) socket: usize,
    /// Bytes of a message's padding, at most; now and then ten times that.
    pub(super) padding: usize,
    /// Keys of messages; 0 for none.
    pub(super) keys: u8,
    /// Logs and outboxes are so large that no client may miss anything.
    pub(super) roomy: bool,
    /// Clients vanish, send garbage or stall.
    pub(super) rough: bool,
    /// Frames are lost between shards (which the sequence numbers must reveal).
    pub(super) lossy: bool,
    /// The clock makes leaps of seconds.
    pub(super) leaps: bool,
    pub(super) drains: bool,
    /// Settings are replaced in the middle.
    pub(super) changes: bool,
    /// Clients subscribe to patterns.
    pub(super) patterns: bool,
    /// Channels keep presence.
    pub(super) presence: bool,
    /// Clients go on at other positions of channels that they have.
    pub(super) returns: bool,
    /// Services say what channels have come to.
    pub(super) states: bool,
    /// Clients read logs by request.
    pub(super) histories: bool,
    /// The order of channels is outside.
    pub(super) external: bool,
    /// Clients of the second service get updates.
    pub(super) updates: bool,
    /// Some clients ask for Server-Sent Events.
    pub(super) streams: bool,
    pub(super) sealed: bool,
    /// Hubs are handed over to others, of which there is another number.
    pub(super) handovers: bool,
    /// How often that has happened.
    pub(super) handed_over: u64,
    /// Percent of the clients that negotiate compression; 100: in the same way.
    pub(super) deflating: u8,
    pub(super) bounds: TurnLimits,
    pub(super) config: Arc<Config>,
}

impl Plan {
    /// The hub of one shard, broken as planned.
    pub(super) fn hub(&self, shard: usize) -> Hub {
        let (id, config) = (ShardId(shard as u8), self.config.clone());
        let seed = self.seed * 64 + shard as u64 + (self.handed_over << 32);
        let epoch = Epoch(self.seed + 1);
        let hub = Hub::new(config, id, self.shards, self.capacity, seed);
        let homes = Homes::new([self.seed, 1], self.shards);
        let mut hub = hub.with_epoch(epoch).with_homes(homes);
        if self.external {
            hub.follow_an_order();
        }
        hub.set_limits(self.bounds);
        if self.sabotage == Some(Sabotage::OpenGate) {
            hub.leave_gate_open();
        }
        if self.sabotage == Some(Sabotage::HastyLeave) {
            hub.leave_hastily();
        }
        if self.sabotage == Some(Sabotage::LostWait) {
            hub.forget_waits();
        }
        if let Some(Sabotage::Patterns(fault)) = self.sabotage {
            hub.break_patterns(fault);
        }
        if let Some(Sabotage::Chains(fault)) = self.sabotage {
            hub.break_chains(fault);
        }
        if let Some(Sabotage::Skips(fault)) = self.sabotage {
            hub.break_skips(fault);
        }
        if self.sabotage == Some(Sabotage::ForgottenLeaves) {
            hub.forget_leaves();
        }
        RecoveryFault::set(match self.sabotage {
            Some(Sabotage::Recovery(fault)) => Some(fault),
            _ => None,
        });
        UpstreamFault::set(match self.sabotage {
            Some(Sabotage::Upstream(fault)) => Some(fault),
            _ => None,
        });
        ContextFault::set(match self.sabotage {
            Some(Sabotage::Contexts(fault)) => Some(fault),
            _ => None,
        });
        hub
    }

    /// How a client is written messages, by the seed alone.
    pub(super) fn encoding(&self, client: usize) -> Encoding {
        match self.streams {
            false => Encoding::Plain,
            // Clients negotiate whether they deflate.
            true => Encoding::ALL[(client * 7 + self.seed as usize) % 5 % 3],
        }
    }

    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rng = &mut rng;
        let roomy = rng.u8(..3) == 0;
        let shards = rng.usize(2..=4);
        let bounds = TurnLimits {
            slice: pick(rng, &[1, 2, 3, 7, 1_024]),
            channels: if seed.is_multiple_of(3) { 1 } else { 64 },
            laggards: pick(rng, &[1, 2, 64]),
            join: pick(rng, &[100, 600, 2_000, 64 << 10]),
            chunk: pick(rng, &[64, 700, 16 << 10]),
            laggard_bytes: if roomy { 1 << 30 } else { pick(rng, &[4_000, 20_000, 1 << 20]) },
            unfinished_bytes: if seed.is_multiple_of(5) { 3_000 } else { 1 << 20 },
            publishing_bytes: if seed.is_multiple_of(7) { 500 } else { 1 << 20 },
            channel_frames: pick(rng, &[4, 20, 4_096]),
            shard_unswept: pick(rng, &[2_000, 20_000, 1 << 20]),
            channel_idle: Duration::from_millis(pick(&mut rng.clone(), &[100, 1_000, 60_000])),
            ..TurnLimits::default()
        };
        let channels = rng.usize(1..=5);
        let services = if seed % 2 == 1 { channels.min(2) } else { 1 };
        Plan {
            seed,
            sabotage,
            shards,
            channels,
            services,
            capacity: rng.usize(2..=6),
            steps: rng.usize(150..=700),
            lane: pick(rng, &[1, 1, 2, 3, 4, 16, 256]),
            batch: rng.usize(1..=8),
            socket: pick(rng, &[40, 300, 1_000, 5_000, 100_000]),
            padding: pick(rng, &[1, 50, 300, 2_000]),
            keys: 0,
            roomy,
            rough: rng.u8(..4) != 0,
            lossy: rng.u8(..8) == 0,
            leaps: rng.u8(..3) == 0,
            drains: rng.u8(..3) == 0,
            changes: false,
            patterns: false,
            presence: false,
            returns: false,
            states: false,
            histories: false,
            external: false,
            updates: false,
            streams: (seed ^ seed >> 1) % 2 == 1,
            sealed: rng.bool(),
            handovers: seed % 13 == 7,
            handed_over: 0,
            deflating: 0,
            bounds,
            config: Arc::new(config(rng, roomy, services)),
        }
        .coalescing()
        .retaining()
        .passing_over()
    }

    /// By the seed alone, in a quarter of them: messages have keys, and subscribers that are behind
    /// are not sent everything.
    fn passing_over(mut self) -> Plan {
        let sabotaged = matches!(self.sabotage, Some(Sabotage::Skips(_)));
        if !sabotaged && !matches!(self.seed % 11, 3 | 8 | 10) {
            return self;
        }
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 0x510e);
        let rng = &mut rng;
        self.keys = pick(rng, &[1, 2, 5]);
        for service in &mut Arc::make_mut(&mut self.config).services {
            for channel in 0..self.channels {
                slow(rng, rule_of(&mut service.classes, channel));
            }
        }
        self
    }

    /// By the seed alone, in a third of them: logs of some channels keep less or more than others.
    fn retaining(mut self) -> Plan {
        if !self.seed.is_multiple_of(3) {
            return self;
        }
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 0xc1a5);
        let roomy = self.roomy;
        for service in &mut Arc::make_mut(&mut self.config).services {
            for channel in [0, 2] {
                let rule = rule_of(&mut service.classes, channel);
                retain(&mut rng, rule, roomy);
            }
        }
        self
    }

    /// By the seed alone, in a fifth of them: messages of some channels wait for others.
    fn coalescing(mut self) -> Plan {
        if !matches!(self.seed % 10, 0 | 8) {
            return self;
        }
        let mut rng = fastrand::Rng::with_seed(self.seed ^ 0x0a17);
        for service in &mut Arc::make_mut(&mut self.config).services {
            for channel in 0..self.channels {
                let window = Duration::from_millis(pick(&mut rng, &[0, 2, 5, 20, 100]));
                if !window.is_zero() {
                    rule_of(&mut service.classes, channel).coalesce = Some(window);
                }
            }
        }
        self
    }
}

impl Plan {
    /// Clients that are in many channels each, and slices so small that what a client is owed by
    /// several sweeps stays from one iteration to the next.
    pub(super) fn sharing(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut plan = Plan::new(seed, sabotage);
        let mut rng = fastrand::Rng::with_seed(seed ^ 0xc4a1);
        let rng = &mut rng;
        (plan.channels, plan.services, plan.capacity) = (5, 1, 6);
        Arc::make_mut(&mut plan.config).services.truncate(1);
        plan.shards = pick(rng, &[1, 1, 2]);
        plan.socket = pick(rng, &[1_000, 5_000, 100_000]);
        plan.bounds.slice = pick(rng, &[1, 2, 3]);
        plan.bounds.join = pick(rng, &[600, 64 << 10]);
        plan.bounds.channel_frames = 4_096;
        plan.bounds.shard_unswept = 1 << 20;
        plan
    }
}

impl Plan {
    /// Tables with so few places that shares of them are used up and found again.
    pub(super) fn crowded(seed: u64) -> Plan {
        let mut plan = Plan::new(seed, None);
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x7ab1);
        // With half the places taken, unused channels lose their logs.
        (plan.channels, plan.roomy) = (5, false);
        Arc::make_mut(&mut plan.config).max_channels = rng.usize(1..=5);
        plan
    }
}

fn config(rng: &mut fastrand::Rng, roomy: bool, services: usize) -> Config {
    let retention = if roomy {
        Retention {
            frames: 1 << 20,
            bytes: 1 << 30,
            age: Duration::from_secs(100_000),
            shard_bytes: 1 << 30,
        }
    } else {
        Retention {
            frames: pick(rng, &[1, 3, 10, 100]),
            bytes: pick(rng, &[400, 2_000, 20_000]),
            age: Duration::from_secs(pick(rng, &[1, 10, 60])),
            shard_bytes: pick(rng, &[1_000, 5_000, 100_000]),
        }
    };
    // By the seed alone, so that what earlier seeds found stays what it was.
    let mode = pick(&mut rng.clone(), &[AuthMode::Off, AuthMode::Optional, AuthMode::Required]);
    let message_rate = pick(rng, &[0, 0, 100]);
    let service = Service {
        access: Access { mode, ..Access::default() },
        anonymous_publish: true,
        message_rate,
        max_message: 4_000,
        ..Service::default()
    };
    Config {
        services: vec![service; services],
        max_outbox: if roomy { 1 << 20 } else { pick(rng, &[1_000, 4_000, 16 << 10]) },
        keepalive: Duration::from_secs(pick(rng, &[1, 5, 20])),
        retention,
        ..Config::default()
    }
}

/// The rule of one channel.
pub(super) fn rule_of(rules: &mut Vec<ClassRule>, channel: usize) -> &mut ClassRule {
    let channels = ChannelPattern::parse(&format!("room:{channel}")).unwrap();
    let place = rules.iter().position(|rule| rule.channels == channels).unwrap_or(rules.len());
    if place == rules.len() {
        rules.push(ClassRule::new(channels));
    }
    &mut rules[place]
}

/// Other limits than the service's; where it is roomy, roomy ones.
pub(super) fn retain(rng: &mut fastrand::Rng, rule: &mut ClassRule, roomy: bool) {
    let enough = usize::from(roomy) << 20;
    rule.frames = Some(pick(rng, &[1, 2, 5, 50]) + enough);
    rule.bytes = Some(pick(rng, &[300, 1_000, 10_000]) + (enough << 10));
    rule.age = Some(Duration::from_secs(pick(rng, &[1, 5, 60]) + 100_000 * u64::from(roomy)));
}

/// What becomes of subscribers that are behind.
pub(super) fn slow(rng: &mut fastrand::Rng, rule: &mut ClassRule) {
    use SlowPolicy::{Disconnect, Latest, Skip};
    rule.slow = Some(pick(rng, &[Disconnect, Skip, Skip, Latest, Latest, Latest]));
    rule.slow_bytes = pick(rng, &[None, Some(500), Some(5_000)]);
    rule.slow_age = pick(rng, &[None, None, Some(100), Some(2_000)]).map(Duration::from_millis);
}

pub(super) fn pick<T: Copy>(rng: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

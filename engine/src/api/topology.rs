//! What connects the shards to each other and to the engine.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use core_affinity::CoreId;
use crossbeam::channel::{Receiver, Sender, bounded};

use super::handle::Handle;
use crate::broker::effect::{Notice, Request};
use crate::config::{Config, Service};
use crate::limits::{
    FANOUT_LANE, LANE_CREDITS, MAILBOX_MESSAGES, PUBLISH_LANE, SNAPSHOTS_WAITING,
    VERIFICATIONS_PER_SHARD, per_lane,
};
use crate::shard::{Kernel, Peer, Question, Seat};
use crate::sync::{
    Doorbell, Heartbeat, LaneReceiver, LaneSender, PerAddressLimit, Quota, Stage, lane, mailbox,
};
use crate::telemetry::Snapshot;
use crate::types::StartError;
use crate::types::{ServiceId, ShardId};

/// What each shard reports once: whether it serves.
pub(super) type Ready = Result<(), StartError>;

/// What was decided before anything is connected. Lists are by shard.
pub(super) struct Plan {
    pub config: Config,
    pub kernel: Option<Kernel>,
    pub cores: Vec<Option<CoreId>>,
    pub slots: usize,
    pub listeners: Vec<Vec<(ServiceId, TcpListener)>>,
    pub ready: Sender<Ready>,
}

/// What each shard's thread starts with, and the engine's ends of all channels. Lists are by shard.
pub(super) struct Topology {
    pub seats: Vec<Seat>,
    pub handle: Arc<Handle>,
    pub heartbeats: Vec<Arc<Heartbeat>>,
    pub snapshots: Receiver<Box<Snapshot>>,
    pub twins: Vec<Sender<Box<Snapshot>>>,
    pub questions: Receiver<Question>,
    pub started: Instant,
}

impl Topology {
    pub(super) fn new(plan: Plan) -> Result<Topology, StartError> {
        let shards = plan.listeners.len();
        let mut mesh = Mesh::new(shards)?;
        let (mut mailboxes, mut heartbeats, mut twins) = (vec![], vec![], vec![]);
        let (snapshots_out, snapshots) = bounded(SNAPSHOTS_WAITING * shards);
        let (ask, questions) = bounded(VERIFICATIONS_PER_SHARD * shards);
        let config = Arc::new(plan.config);
        let quota = |service: &Service| Quota::new(service.max_connections);
        let quotas: Arc<[Quota]> = config.services.iter().map(quota).collect();
        let lodging = |service: &Service| {
            let most = service.access.max_per_address;
            (most > 0).then(|| Arc::new(PerAddressLimit::new(most)))
        };
        let lodgings: Arc<[_]> = config.services.iter().map(lodging).collect();
        let started = Instant::now();
        let mut seats = Vec::with_capacity(shards);
        for (shard, (listeners, core)) in plan.listeners.into_iter().zip(plan.cores).enumerate() {
            let (mailbox, receiver) = mailbox(MAILBOX_MESSAGES, Arc::clone(&mesh.bells[shard]));
            let (twins_out, twins_in) = bounded(SNAPSHOTS_WAITING);
            let heartbeat = Arc::new(Heartbeat::new());
            mailboxes.push(mailbox);
            twins.push(twins_out);
            heartbeats.push(Arc::clone(&heartbeat));
            seats.push(Seat {
                id: ShardId(shard as u8),
                core,
                config: Arc::clone(&config),
                kernel: plan.kernel,
                listeners,
                slots: plan.slots,
                bell: Arc::clone(&mesh.bells[shard]),
                mailbox: receiver,
                peers: (0..shards).map(|other| mesh.peer(shard, other)).collect(),
                quotas: Arc::clone(&quotas),
                lodgings: Arc::clone(&lodgings),
                ask: ask.clone(),
                started,
                snapshots: snapshots_out.clone(),
                twins: twins_in,
                heartbeat,
                ready: plan.ready.clone(),
            });
        }
        let handle = Arc::new(Handle { stage: Stage::new(), mailboxes });
        Ok(Topology { seats, handle, heartbeats, snapshots, twins, questions, started })
    }
}

/// The ends of the lanes between any two shards, each until it is taken; none from a shard to
/// itself.
struct Lanes<T> {
    /// By sender, then receiver.
    out: Vec<Vec<Option<LaneSender<T>>>>,
    /// By receiver, then sender.
    into: Vec<Vec<Option<LaneReceiver<T>>>>,
}

/// The bells of all shards and the lanes between any two.
pub(crate) struct Mesh {
    pub(crate) bells: Vec<Arc<Doorbell>>,
    requests: Lanes<Request>,
    notices: Lanes<Notice>,
}

impl Mesh {
    pub(crate) fn new(shards: usize) -> Result<Mesh, StartError> {
        let bells = (0..shards).map(|_| Doorbell::new().map(Arc::new)).collect::<Result<_, _>>();
        let bells = bells.map_err(|source| {
            StartError::Config(format!(
                "cannot make an eventfd: {source}. Raise the limit of open files (RLIMIT_NOFILE: \
                 ulimit -Hn, or LimitNOFILE= of the service)"
            ))
        })?;
        Ok(Mesh {
            bells,
            requests: Lanes::new(shards, per_lane(PUBLISH_LANE, shards), 0),
            // Answers to the LANE_CREDITS requests another shard may have open here always fit.
            notices: Lanes::new(
                shards,
                per_lane(FANOUT_LANE, shards),
                2 * per_lane(LANE_CREDITS, shards),
            ),
        })
    }

    /// The ends that `shard` has of its lanes with `other`, once; `None` for itself.
    pub(crate) fn peer(&mut self, shard: usize, other: usize) -> Option<Peer> {
        let (requests_out, requests_in) = self.requests.take(shard, other)?;
        let (notices_out, notices_in) = self.notices.take(shard, other)?;
        let bell = Arc::clone(&self.bells[other]);
        Some(Peer { bell, requests_out, requests_in, notices_out, notices_in })
    }
}

impl<T> Lanes<T> {
    fn new(shards: usize, capacity: usize, reserve: usize) -> Lanes<T> {
        let ends = |from, to| match from == to {
            true => (None, None),
            false => {
                let (sender, receiver) = lane(capacity, reserve);
                (Some(sender), Some(receiver))
            }
        };
        let mut lanes = Lanes { out: vec![], into: (0..shards).map(|_| vec![]).collect() };
        for from in 0..shards {
            let (out, into): (Vec<_>, Vec<_>) = (0..shards).map(|to| ends(from, to)).unzip();
            lanes.out.push(out);
            lanes.into.iter_mut().zip(into).for_each(|(all, end)| all.push(end));
        }
        lanes
    }

    /// The ends that `shard` has of its two lanes with `other`.
    fn take(&mut self, shard: usize, other: usize) -> Option<(LaneSender<T>, LaneReceiver<T>)> {
        Some((self.out[shard][other].take()?, self.into[shard][other].take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PublishError;

    #[test]
    fn every_two_shards_share_a_lane_each_way() {
        let mut mesh = Mesh::new(3).unwrap();
        let leave = |ticket| Notice::Published { ticket, seq: Err(PublishError::Saturated) };
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let (mut here, mut there) = (mesh.peer(a, b).unwrap(), mesh.peer(b, a).unwrap());
            here.notices_out.try_push(leave(7)).unwrap();
            assert!(matches!(there.notices_in.pop(), Some(Notice::Published { ticket: 7, .. })));
            assert!(here.notices_in.is_empty() && there.requests_in.is_empty());
            there.notices_out.try_push(leave(8)).unwrap();
            assert!(matches!(here.notices_in.pop(), Some(Notice::Published { ticket: 8, .. })));
            assert!(Arc::ptr_eq(&here.bell, &mesh.bells[b]));
        }
        assert!(mesh.peer(1, 1).is_none());
    }
}

//! The lanes and doorbells that connect the shards of an engine.

use std::sync::Arc;

use super::peers::PeerLanes;
use crate::broker::shard_messages::{Notice, Request};
use crate::limits::{FANOUT_LANE, LANE_CREDITS, PUBLISH_LANE, per_lane};
use crate::sync::{Doorbell, LaneReceiver, LaneSender, lane};
use crate::types::StartError;

/// The ends of the lanes between any two shards, each until it is taken. No lane leads from a shard
/// to itself.
struct LaneEnds<T> {
    /// By sender, then receiver.
    out: Vec<Vec<Option<LaneSender<T>>>>,
    /// By receiver, then sender.
    into: Vec<Vec<Option<LaneReceiver<T>>>>,
}

/// The bells of all shards and the lanes between any two.
pub(crate) struct Mesh {
    pub bells: Vec<Arc<Doorbell>>,
    requests: LaneEnds<Request>,
    notices: LaneEnds<Notice>,
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
            requests: LaneEnds::new(shards, per_lane(PUBLISH_LANE, shards), 0),
            // Answers to the LANE_CREDITS requests another shard may have open here always fit.
            notices: LaneEnds::new(
                shards,
                per_lane(FANOUT_LANE, shards),
                2 * per_lane(LANE_CREDITS, shards),
            ),
        })
    }

    /// The lanes between `shard` and `other`, once; `None` for itself.
    pub(crate) fn peer(&mut self, shard: usize, other: usize) -> Option<PeerLanes> {
        let (requests_out, requests_in) = self.requests.take(shard, other)?;
        let (notices_out, notices_in) = self.notices.take(shard, other)?;
        let bell = Arc::clone(&self.bells[other]);
        Some(PeerLanes { bell, requests_out, requests_in, notices_out, notices_in })
    }
}

impl<T> LaneEnds<T> {
    fn new(shards: usize, capacity: usize, reserve: usize) -> LaneEnds<T> {
        let ends = |from, to| match from == to {
            true => (None, None),
            false => {
                let (sender, receiver) = lane(capacity, reserve);
                (Some(sender), Some(receiver))
            }
        };
        let mut lanes = LaneEnds { out: vec![], into: (0..shards).map(|_| vec![]).collect() };
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
mod tests;

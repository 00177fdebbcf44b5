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
mod tests {
    use super::*;
    use crate::types::{PublishError, RequestId};

    #[test]
    fn every_two_shards_share_a_lane_each_way() {
        let mut mesh = Mesh::new(3).unwrap();
        let leave = |id| Notice::Published { id: RequestId(id), seq: Err(PublishError::Saturated) };
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let (mut here, mut there) = (mesh.peer(a, b).unwrap(), mesh.peer(b, a).unwrap());
            here.notices_out.try_push(leave(7)).unwrap();
            assert!(matches!(
                there.notices_in.pop(),
                Some(Notice::Published { id: RequestId(7), .. })
            ));
            assert!(here.notices_in.is_empty() && there.requests_in.is_empty());
            there.notices_out.try_push(leave(8)).unwrap();
            assert!(matches!(
                here.notices_in.pop(),
                Some(Notice::Published { id: RequestId(8), .. })
            ));
            assert!(Arc::ptr_eq(&here.bell, &mesh.bells[b]));
        }
        assert!(mesh.peer(1, 1).is_none());
    }
}

//! The lanes and doorbells that connect the shards of an engine.

use std::sync::Arc;

use super::peers::PeerLanes;
use crate::limits::{FANOUT_LANE, FANOUT_LANE_BYTES, LANE_CREDITS, PUBLISH_LANE, per_lane};
use crate::sync::{Doorbell, lane};
use crate::types::StartError;

/// The bells of all shards and the lanes between any two.
pub(crate) struct Mesh {
    pub bells: Vec<Arc<Doorbell>>,
    /// By shard, then by the other one; `None` for itself.
    pub peers: Vec<Vec<Option<PeerLanes>>>,
}

impl Mesh {
    pub(crate) fn new(shards: usize) -> Result<Mesh, StartError> {
        let bells = (0..shards).map(|_| Doorbell::new().map(Arc::new));
        let bells: Vec<_> = bells.collect::<Result<_, _>>().map_err(|source| {
            StartError::Config(format!(
                "cannot make an eventfd: {source}. Raise the limit of open files (RLIMIT_NOFILE: \
                 ulimit -Hn, or LimitNOFILE= of the service)"
            ))
        })?;
        let row = || (0..shards).map(|_| None).collect();
        let mut peers: Vec<Vec<Option<PeerLanes>>> = (0..shards).map(|_| row()).collect();
        for (one, bell) in bells.iter().enumerate() {
            for (other, other_bell) in bells[..one].iter().enumerate() {
                let (ours, theirs) = connect(bell, other_bell, shards);
                (peers[one][other], peers[other][one]) = (Some(ours), Some(theirs));
            }
        }
        Ok(Mesh { bells, peers })
    }
}

/// The lanes between two of `shards` shards, as each of the two has them.
fn connect(one: &Arc<Doorbell>, other: &Arc<Doorbell>, shards: usize) -> (PeerLanes, PeerLanes) {
    let requests = || lane(per_lane(PUBLISH_LANE, shards), 0);
    // Answers to the LANE_CREDITS requests another shard may have open here always fit.
    let notices = || {
        let replies = 2 * per_lane(LANE_CREDITS, shards);
        let (sender, receiver) = lane(per_lane(FANOUT_LANE, shards), replies);
        (sender.bounded_in_bytes(per_lane(FANOUT_LANE_BYTES, shards)), receiver)
    };
    let ends = |bell: &Arc<Doorbell>, (requests_out, requests_in), (notices_out, notices_in)| {
        PeerLanes { bell: Arc::clone(bell), requests_out, requests_in, notices_out, notices_in }
    };
    let (requests, requests_back, notices, notices_back) =
        (requests(), requests(), notices(), notices());
    (
        ends(other, (requests.0, requests_back.1), (notices.0, notices_back.1)),
        ends(one, (requests_back.0, requests.1), (notices_back.0, notices.1)),
    )
}

#[cfg(test)]
mod tests;

use super::*;
use crate::broker::shard_messages::Notice;
use crate::types::{PublishError, RequestId};

#[test]
fn every_two_shards_share_a_lane_each_way() {
    let mut mesh = Mesh::new(3).unwrap();
    let leave = |id| Notice::Published { id: RequestId(id), seq: Err(PublishError::Saturated) };
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let (here, there) = (mesh.peers[a][b].take(), mesh.peers[b][a].take());
        let (mut here, mut there) = (here.unwrap(), there.unwrap());
        here.notices_out.try_push(leave(7)).unwrap();
        assert!(matches!(there.notices_in.pop(), Some(Notice::Published { id: RequestId(7), .. })));
        assert!(here.notices_in.is_empty() && there.requests_in.is_empty());
        there.notices_out.try_push(leave(8)).unwrap();
        assert!(matches!(here.notices_in.pop(), Some(Notice::Published { id: RequestId(8), .. })));
        assert!(Arc::ptr_eq(&here.bell, &mesh.bells[b]));
    }
    assert!(mesh.peers[1][1].is_none());
}

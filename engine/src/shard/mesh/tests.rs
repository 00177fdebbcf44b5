use super::*;
use crate::broker::shard_messages::Notice;
use crate::shared_frame::Frame;
use crate::sync::LaneSender;
use crate::types::{ChannelIndex, JoinToken, PublishError, RequestId, Seq, Time};

#[test]
fn every_two_shards_share_a_lane_each_way() {
    let mut mesh = Mesh::new(3).unwrap();
    let leave = |id| Notice::Published { id: RequestId(id), result: Err(PublishError::Saturated) };
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

/// Frames as large as a client's message: a shard that does not take them holds no more of them
/// than of small ones.
#[test]
fn frames_on_the_way_are_bounded_in_bytes() {
    const FRAME: usize = 1 << 20;
    let mut mesh = Mesh::new(2).unwrap();
    let mut here = mesh.peers[0][1].take().unwrap().notices_out;
    let mut there = mesh.peers[1][0].take().unwrap().notices_in;
    let send = |here: &mut LaneSender<Notice>| {
        let (channel, token) = (ChannelIndex::new(0, 0), JoinToken(0));
        let frame = Frame::new(vec![0; FRAME].into(), Seq(1), Time(0), 1);
        let notice = Notice::Frame { channel, token, frame };
        let bytes = notice.bytes();
        here.try_push_sized(notice, bytes).is_ok()
    };
    let sent = (0..).take_while(|_| send(&mut here)).count();
    assert_eq!(sent, FANOUT_LANE_BYTES / FRAME);
    // An answer goes all the same.
    here.push_reply(Notice::Published { id: RequestId(7), result: Err(PublishError::Saturated) });
    assert!(!here.has_room_again());
    there.pop().unwrap();
    assert!(there.is_awaited() && here.has_room_again());
    assert!(send(&mut here) && !send(&mut here));
}

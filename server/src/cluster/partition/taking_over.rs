//! Channels that another process has followed, and has handed over.

use std::sync::Arc;

use uringcast_engine::{Epoch, FollowRequest, Seq};

use super::{Interest, Partition, ReadJob, State};
use crate::cluster::names::{message_of, whole_before};

impl Partition {
    /// Whether a channel is followed from now on that another process has followed before.
    pub(super) fn goes_on(
        &mut self,
        (tokens, epoch): (&Arc<str>, Epoch),
        request: &FollowRequest,
    ) -> bool {
        let taken_over = request.taken_over.filter(|(of, _)| *of == epoch);
        let Some((_, seq)) = taken_over.filter(|_| !self.interests.contains_key(tokens)) else {
            return false;
        };
        self.view.go_on(tokens, (whole_before(seq), message_of(seq)))
    }

    /// It begins with this follower, which has everything that was delivered.
    pub(super) fn begin_with(
        &mut self,
        (tokens, epoch): (&Arc<str>, Epoch),
        request: FollowRequest,
    ) -> Option<ReadJob> {
        let head = request.taken_over.map_or(Seq(0), |(_, seq)| seq);
        let (channel, state) = (request.channel.clone(), State::Joining(vec![request]));
        self.interests.insert(Arc::clone(tokens), Interest { channel, state });
        let mut jobs = Vec::new();
        self.begin(tokens, (epoch, head), &mut jobs);
        jobs.pop()
    }
}

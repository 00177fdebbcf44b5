//! A hub without other shards.

use crate::broker::shard_messages::{Lanes, Notice, Request};
use crate::types::ShardId;

/// Lanes that take nothing.
pub(crate) struct Alone;

impl Lanes for Alone {
    fn try_request(&mut self, _: ShardId, request: Request) -> Result<(), Request> {
        Err(request)
    }

    fn try_notice(&mut self, _: ShardId, notice: Notice) -> Result<(), Notice> {
        Err(notice)
    }

    fn reply(&mut self, _: ShardId, _: Notice) {}
}

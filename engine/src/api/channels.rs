//! Listing channels: each home shard names its own, every shard counts its subscribers of them.

use std::sync::Arc;

use super::handle::Handle;
use crate::broker::ChannelEntry;
use crate::limits::CHANNELS_PAGE;
use crate::shard::Command;
use crate::types::{ChannelName, Epoch, Seq, ServiceId};

/// One channel as [`Engine::channels`](super::Engine::channels) lists it.
#[derive(Clone, Debug)]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// Position of its last message.
    pub seq: Seq,
    /// Its log's epoch.
    pub epoch: Epoch,
    /// Subscribers on all shards.
    pub subscribers: u64,
}

/// Where a listing goes on: a home shard, and a slot of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    shard: usize,
    slot: u32,
}

impl Cursor {
    fn decode(cursor: u64) -> Cursor {
        Cursor { shard: (cursor >> 32) as usize, slot: cursor as u32 }
    }

    fn encode(self) -> u64 {
        (self.shard as u64) << 32 | u64::from(self.slot)
    }
}

/// See [`Engine::channels`](super::Engine::channels).
pub(super) async fn page(
    handle: &Handle,
    service: ServiceId,
    cursor: u64,
    limit: usize,
) -> (Vec<ChannelInfo>, Option<u64>) {
    let mut at = Cursor::decode(cursor);
    // A shard that is home of no channel is skipped rather than fill an empty page.
    while let Some(home) = handle.mailboxes.get(at.shard) {
        let (reply, listed) = oneshot::async_channel();
        let limit = limit.clamp(1, CHANNELS_PAGE);
        if home.send_control(Command::List { service, from: at.slot, limit, reply }).is_err() {
            return (Vec::new(), Some(at.encode()));
        }
        // No answer: the shard has ended.
        let Ok((entries, next_slot)) = listed.await else { return (Vec::new(), None) };
        let next = match next_slot {
            Some(slot) => Cursor { shard: at.shard, slot },
            None => Cursor { shard: at.shard + 1, slot: 0 },
        };
        if !entries.is_empty() {
            let Some(counts) = count(handle, &entries).await else {
                return (Vec::new(), Some(at.encode()));
            };
            let more = (next.shard < handle.mailboxes.len()).then(|| next.encode());
            return (entries.into_iter().zip(counts).map(info).collect(), more);
        }
        at = next;
    }
    (Vec::new(), None)
}

fn info((entry, subscribers): (ChannelEntry, u64)) -> ChannelInfo {
    ChannelInfo { name: entry.name, seq: entry.seq, epoch: entry.epoch, subscribers }
}

/// Subscribers of each channel on all shards. `None` when a shard has no room for the question.
async fn count(handle: &Handle, entries: &[ChannelEntry]) -> Option<Vec<u64>> {
    let mut sums = vec![0; entries.len()];
    let names: Arc<[ChannelName]> = entries.iter().map(|entry| entry.name.clone()).collect();
    let mut answers = Vec::with_capacity(handle.mailboxes.len());
    for mailbox in &handle.mailboxes {
        let (reply, answer) = oneshot::async_channel();
        mailbox.send_control(Command::Count { names: Arc::clone(&names), reply }).ok()?;
        answers.push(answer);
    }
    for answer in answers {
        for (sum, n) in sums.iter_mut().zip(answer.await.into_iter().flatten()) {
            *sum += n;
        }
    }
    Some(sums)
}

#[cfg(test)]
mod tests;

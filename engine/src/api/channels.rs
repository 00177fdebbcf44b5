//! Listing channels: each home shard lists its own, every shard counts its subscribers of them.

use std::sync::Arc;

use super::Engine;
use super::handle::Handle;
use crate::broker::ChannelEntry;
use crate::limits::CHANNELS_PAGE;
use crate::shard::Command;
use crate::types::{ChannelName, Epoch, PublishError, Seq, ServiceId};

/// One channel as [`Engine::channels`] lists it.
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

/// Where a listing continues: a home shard, and a slot of its table.
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

impl Engine {
    /// Up to `limit` channels of a service from `cursor` on (start with 0), and the cursor of the
    /// next page, `None` after the last. Channels that come and go meanwhile may be missed or
    /// seen. A page may be short or empty though others follow: it ends with its shard, has at most
    /// [`CHANNELS_PAGE`] channels, and is empty when a shard has too many commands queued: then
    /// repeat the call with the cursor that was returned.
    pub async fn channels(
        &self,
        service: ServiceId,
        cursor: u64,
        limit: usize,
    ) -> (Vec<ChannelInfo>, Option<u64>) {
        let (handle, limit) = (&self.topology.handle, limit.clamp(1, CHANNELS_PAGE));
        let mut at = Cursor::decode(cursor);
        // A shard that is home of no channel is skipped rather than fill an empty page.
        while at.shard < self.shards() {
            let list = |reply| Command::List { service, from: at.slot, limit, reply };
            let Ok(listed) = handle.request(at.shard, 0, list) else {
                return (Vec::new(), Some(at.encode()));
            };
            // No answer: the shard has ended.
            let Ok((entries, next_slot)) = listed.await else { return (Vec::new(), None) };
            let next = match next_slot {
                Some(slot) => Cursor { shard: at.shard, slot },
                None => Cursor { shard: at.shard + 1, slot: 0 },
            };
            if !entries.is_empty() {
                let Ok(counts) = count(handle, &entries).await else {
                    return (Vec::new(), Some(at.encode()));
                };
                let more = (next.shard < self.shards()).then(|| next.encode());
                return (entries.into_iter().zip(counts).map(info).collect(), more);
            }
            at = next;
        }
        (Vec::new(), None)
    }
}

fn info((entry, subscribers): (ChannelEntry, u64)) -> ChannelInfo {
    ChannelInfo { name: entry.name, seq: entry.seq, epoch: entry.epoch, subscribers }
}

/// Subscribers of each channel on all shards.
///
/// # Errors
/// [`PublishError::Saturated`] when a shard's mailbox has no room for the command.
async fn count(handle: &Handle, entries: &[ChannelEntry]) -> Result<Vec<u64>, PublishError> {
    let mut sums = vec![0; entries.len()];
    let names: Arc<[ChannelName]> = entries.iter().map(|entry| entry.name.clone()).collect();
    let mut answers = Vec::with_capacity(handle.mailboxes.len());
    for shard in 0..handle.mailboxes.len() {
        let count = |reply| Command::Count { names: Arc::clone(&names), reply };
        answers.push(handle.request(shard, 0, count)?);
    }
    for answer in answers {
        for (sum, n) in sums.iter_mut().zip(answer.await.into_iter().flatten()) {
            *sum += n;
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests;

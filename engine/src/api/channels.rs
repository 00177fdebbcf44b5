//! Listing channels: each home shard lists its own, every shard counts its subscribers of them.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::cursor::Cursor;
use super::handle::Handle;
use crate::broker::{ChannelEntry, ChannelState};
use crate::config::{ExternalOrder, PresenceQuestion};
use crate::limits::CHANNELS_PAGE;
use crate::shard::Question;
use crate::types::{ChannelName, Epoch, PresenceList, PublishError, Reply, Seq, ServiceId};

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

/// One channel as [`Engine::channel`] looks at it.
#[derive(Clone, Debug)]
pub struct ChannelDetail {
    /// As a listing shows it.
    pub info: ChannelInfo,
    /// Messages that its log holds.
    pub log_frames: usize,
    /// Their bytes, as they are sent.
    pub log_bytes: usize,
    /// Time since its last message; `None` if there was none, or the channel was forgotten since.
    pub last_publish: Option<Duration>,
    /// Whether it has a status document.
    pub has_status: bool,
    /// The position of its state document, and the document's bytes.
    pub state: Option<(Seq, usize)>,
    /// The name of its class: a pattern of [`Service::classes`](crate::Service::classes), or
    /// `default`.
    pub class: Box<str>,
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
            let list = |reply| Question::Channels { service, from: at.slot, limit, reply };
            let Ok(listed) = handle.ask(at.shard, list) else {
                return (Vec::new(), Some(at.encode()));
            };
            // No answer: the shard has ended.
            let Ok((entries, next_slot)) = listed.await else { return (Vec::new(), None) };
            let next = at.next(next_slot);
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

    /// The members that are subscribed to a channel by name, over all engines that share its order;
    /// `None` where its class keeps no presence.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when a shard has too many commands queued,
    /// [`PublishError::Unavailable`] when the external order cannot tell.
    pub async fn presence(
        &self,
        channel: ChannelName,
    ) -> Result<Option<PresenceList>, PublishError> {
        let handle = &self.topology.handle;
        let (home, name) = (handle.homes.of(&channel).index(), channel.clone());
        let ask = handle.ask(home, |reply| Question::Presence { channel, reply })?;
        // No answer: the shard has ended.
        let list = ask.await.ok().flatten();
        match (&handle.external, list) {
            (Some(external), Some(_)) => ask_outside(&**external, name).await.map(Some),
            (_, list) => Ok(list),
        }
    }

    /// A channel; `None` if nothing was published there and no client is subscribed.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when a shard has too many commands queued.
    pub async fn channel(&self, name: ChannelName) -> Result<Option<ChannelDetail>, PublishError> {
        let handle = &self.topology.handle;
        let home = handle.homes.of(&name).index();
        let ask = handle.ask(home, |reply| Question::Channel { name, reply })?;
        // No answer: the shard has ended.
        let Some(state) = ask.await.ok().flatten() else { return Ok(None) };
        let ChannelState { entry, log_frames, log_bytes, last_publish, .. } = state;
        let (has_status, state, class) = (state.has_status, state.state, state.class);
        let subscribers = count(handle, std::slice::from_ref(&entry)).await?[0];
        let info = info((entry, subscribers));
        Ok(Some(ChannelDetail {
            info,
            log_frames,
            log_bytes,
            last_publish,
            has_status,
            state,
            class,
        }))
    }
}

/// Asks the external order for the members of a channel.
async fn ask_outside(
    order: &dyn ExternalOrder,
    channel: ChannelName,
) -> Result<PresenceList, PublishError> {
    let (sender, answer) = oneshot::async_channel();
    // Fails if the caller waits no longer.
    let reply = Reply::new(move |list| drop(sender.send(list)));
    order.ask_presence(PresenceQuestion { channel, reply });
    let list = answer.await.ok().flatten();
    list.and_then(Result::ok).ok_or(PublishError::Unavailable)
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
        let count = |reply| Question::Subscribers { names: Arc::clone(&names), reply };
        answers.push(handle.ask(shard, count)?);
    }
    for answer in answers {
        for (sum, n) in sums.iter_mut().zip(answer.await.into_iter().flatten()) {
            *sum += n;
        }
    }
    Ok(sums)
}

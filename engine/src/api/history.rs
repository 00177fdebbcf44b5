//! Reading a channel's log, which its home shard has.

use super::Engine;
use super::handle::Handle;
use crate::broker::{HistoryRange, LogPage};
use crate::config::{ExternalOrder, ReadRequest};
use crate::limits::HISTORY_MESSAGES;
use crate::shard::Question;
use crate::types::{ChannelName, Epoch, PublishError, Reply};

impl Engine {
    /// A part of a channel's log; an empty one where the channel is not known. Where an external
    /// order has the messages, a part of those.
    ///
    /// # Errors
    /// [`PublishError`]: the channel's home has too many commands queued, the engine is shutting
    /// down, or the external order cannot read.
    pub async fn history(
        &self,
        channel: ChannelName,
        range: HistoryRange,
    ) -> Result<LogPage, PublishError> {
        let Handle { external, order, .. } = &*self.topology.handle;
        if let Some(external) = external {
            return read_outside(&**external, order.epoch(), channel, range).await;
        }
        let home = self.home_of(&channel);
        let read = |reply| Question::Log { channel, range, reply };
        self.topology.handle.ask(home, read)?.await.map_err(|_| PublishError::Closed)
    }
}

/// Has the external order read a channel's messages.
async fn read_outside(
    order: &dyn ExternalOrder,
    epoch: Epoch,
    channel: ChannelName,
    range: HistoryRange,
) -> Result<LogPage, PublishError> {
    let (sender, answer) = oneshot::async_channel();
    // Fails if the caller waits no longer.
    let reply = Reply::new(move |page| drop(sender.send(page)));
    let HistoryRange { limit, bytes, reverse, .. } = range;
    let (since, messages) = (LogPage::since_for(epoch, &range), limit.clamp(1, HISTORY_MESSAGES));
    order.read(ReadRequest { channel, since, reverse, messages, bytes, reply });
    let page = answer.await.ok().flatten();
    match page.and_then(Result::ok) {
        Some(page) => Ok(LogPage::of_read(page, &range)),
        None => Err(PublishError::Unavailable),
    }
}

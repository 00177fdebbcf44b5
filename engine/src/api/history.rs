//! Reading a channel's log, which its home shard has.

use super::Engine;
use crate::broker::{HistoryRange, LogPage};
use crate::shard::Question;
use crate::types::{ChannelName, PublishError};

impl Engine {
    /// A part of a channel's log; an empty one where the channel is not known.
    ///
    /// # Errors
    /// [`PublishError`]: the channel's home has too many commands queued, or the engine is shutting
    /// down.
    pub async fn history(
        &self,
        channel: ChannelName,
        range: HistoryRange,
    ) -> Result<LogPage, PublishError> {
        let home = self.home_of(&channel);
        let read = |reply| Question::Log { channel, range, reply };
        self.topology.handle.ask(home, read)?.await.map_err(|_| PublishError::Closed)
    }
}

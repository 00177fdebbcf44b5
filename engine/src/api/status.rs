//! Status documents, kept by the home shard of their channel.

use std::sync::Arc;

use super::Engine;
use crate::shard::{Command, Question};
use crate::types::{ChannelName, JsonObject, PublishError};

impl Engine {
    /// Puts a channel's status document, which answers status requests until it is taken back with
    /// `None`. Returns whether there was one.
    ///
    /// # Errors
    /// [`PublishError`]: the channel's home has no room for it, or the engine is shutting down.
    pub async fn set_status(
        &self,
        channel: ChannelName,
        document: Option<JsonObject>,
    ) -> Result<bool, PublishError> {
        let bytes = document.as_ref().map_or(0, |document| document.as_str().len());
        let (home, document) = (self.home_of(&channel), document.map(Arc::new));
        let set = |reply| Command::SetDocument { channel, document, reply };
        let answer = self.topology.handle.request(home, bytes, set)?;
        // No answer: the shard has ended.
        answer.await.unwrap_or(Err(PublishError::Closed))
    }

    /// A channel's status document.
    ///
    /// # Errors
    /// [`PublishError`], as for [`Engine::set_status`].
    pub async fn status(
        &self,
        channel: ChannelName,
    ) -> Result<Option<Arc<JsonObject>>, PublishError> {
        let home = self.home_of(&channel);
        let get = |reply| Question::Document { channel, reply };
        self.topology.handle.ask(home, get)?.await.map_err(|_| PublishError::Closed)
    }

    pub(super) fn home_of(&self, channel: &ChannelName) -> usize {
        self.topology.handle.homes.of(channel).index()
    }
}

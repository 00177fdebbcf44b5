//! State documents, kept by the home shard of their channel.

use std::sync::Arc;

use super::Engine;
use crate::shard::{Command, Question};
use crate::types::{ChannelName, PublishError, StateDocument, StateError};

impl Engine {
    /// Puts what a channel's messages up to a position have come to in the place of an older state,
    /// or takes it back with `None`. Returns whether there was one.
    ///
    /// # Errors
    /// [`StateError`]: the position cannot be, the channel's home has no room for it, or the engine
    /// is shutting down.
    pub async fn set_state(
        &self,
        channel: ChannelName,
        state: Option<StateDocument>,
    ) -> Result<bool, StateError> {
        let bytes = state.as_ref().map_or(0, |state| state.state.as_str().len());
        let (home, state) = (self.home_of(&channel), state.map(Arc::new));
        let set = |reply| Command::SetState { channel, state, reply };
        let answer = self.topology.handle.request(home, bytes, set)?;
        // No answer: the shard has ended.
        answer.await.unwrap_or(Err(PublishError::Closed.into()))
    }

    /// A channel's state.
    ///
    /// # Errors
    /// [`PublishError`]: the channel's home has too many commands queued, or the engine is shutting
    /// down.
    pub async fn state(
        &self,
        channel: ChannelName,
    ) -> Result<Option<Arc<StateDocument>>, PublishError> {
        let home = self.home_of(&channel);
        let get = |reply| Question::State { channel, reply };
        self.topology.handle.ask(home, get)?.await.map_err(|_| PublishError::Closed)
    }
}

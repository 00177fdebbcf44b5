//! State documents of channels: an input of operators, and their question.

use std::sync::Arc;

use super::Hub;
use crate::types::{ChannelName, PublishError, StateDocument, StateError};

impl Hub {
    /// Puts the state of a channel homed here, or with `None` takes it back. Returns whether there
    /// was one.
    ///
    /// # Errors
    /// [`StateError`] when its position cannot be, the shard has no room for it, or is draining.
    pub fn set_state(
        &mut self,
        name: &ChannelName,
        state: Option<Arc<StateDocument>>,
    ) -> Result<bool, StateError> {
        let core = &mut self.parts.core;
        if core.cx.draining {
            return Err(PublishError::Saturated.into());
        }
        let Some(state) = state else { return Ok(core.channels.delete_state(&mut core.cx, name)) };
        let was_there = core.channels.state_document(name).is_some();
        core.channels.set_state(&mut core.cx, name, state).map(|()| was_there)
    }

    /// The state of a channel homed here.
    pub fn state(&self, name: &ChannelName) -> Option<Arc<StateDocument>> {
        self.parts.core.channels.state_document(name)
    }
}

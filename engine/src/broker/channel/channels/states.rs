//! State documents of channels homed here.

use std::sync::Arc;

use super::Channels;
use crate::broker::context::Context;
use crate::types::{ChannelName, Seq, StateDocument, StateError};

impl Channels {
    /// Puts the state of a channel homed here in the place of an older one.
    ///
    /// # Errors
    /// [`StateError`]: its position cannot be, or there is no room.
    pub(crate) fn set_state(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
        state: Arc<StateDocument>,
    ) -> Result<(), StateError> {
        let known = self.table.find(name).map(|index| &self.table[index]);
        let newest = known.map_or_else(|| self.forgotten.head(name), |known| known.log.head());
        let held = known.and_then(|known| known.state.as_ref()).map_or(Seq(0), |held| held.seq);
        if state.epoch != cx.epoch {
            return Err(StateError::Restart);
        }
        // What an external order has reached is not known here.
        if state.seq > newest && !cx.is_outside(name) {
            return Err(StateError::Ahead { newest });
        }
        if state.seq < held {
            return Err(StateError::Older { held });
        }
        let index = self.find_or_publish(cx, name)?;
        self.states.check(cx, &self.table[index], &state)?;
        let channel = &mut self.table[index];
        channel.used_at = cx.time();
        self.states.set(channel, Some(state));
        self.retention.reserve(cx, &mut self.table, self.states.bytes());
        Ok(())
    }

    /// Takes the state of a channel homed here back. Returns whether there was one.
    pub(crate) fn delete_state(&mut self, cx: &mut Context, name: &ChannelName) -> bool {
        let Some(index) = self.table.find(name) else { return false };
        let was_there = self.states.set(&mut self.table[index], None);
        self.retention.reserve(cx, &mut self.table, self.states.bytes());
        was_there
    }

    /// The state of a channel homed here.
    pub(crate) fn state_document(&self, name: &ChannelName) -> Option<Arc<StateDocument>> {
        self.table[self.table.find(name)?].state.clone()
    }

    /// Bytes of all states.
    pub(crate) fn state_bytes(&self) -> usize {
        self.states.bytes()
    }
}

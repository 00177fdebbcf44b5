//! State documents, kept by a channel's home: what its messages up to a position have come to.

use std::sync::Arc;

use super::Channel;
use crate::broker::context::Context;
use crate::broker::shared_count::SharedCount;
use crate::limits::{STATE_REST, STATE_SHARE};
use crate::types::{PublishError, StateDocument};

/// What a state takes of the bytes of the shard's logs.
fn weight(state: Option<&StateDocument>) -> usize {
    state.map_or(0, |state| state.state.as_str().len() + STATE_REST)
}

/// Bytes of all channels' states.
#[derive(Debug)]
pub(super) struct StateStore {
    bytes: SharedCount,
}

impl StateStore {
    /// Of channels of so many services.
    pub(super) fn new(services: usize) -> StateStore {
        StateStore { bytes: SharedCount::new(services) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.all()
    }

    /// Whether there is room for a channel's state in the place of another one.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] beyond the bytes of all services, or the share of this one.
    pub(super) fn check(
        &self,
        cx: &Context,
        channel: &Channel,
        state: &StateDocument,
    ) -> Result<(), PublishError> {
        let more = weight(Some(state)).saturating_sub(weight(channel.state.as_deref()));
        let most = cx.config.retention.shard_bytes / STATE_SHARE;
        match more == 0 || self.bytes.fits(channel.name.service(), more, most) {
            true => Ok(()),
            false => Err(PublishError::Saturated),
        }
    }

    /// Replaces a channel's state. Returns whether there was one.
    pub(super) fn set(&mut self, channel: &mut Channel, state: Option<Arc<StateDocument>>) -> bool {
        let service = channel.name.service();
        self.bytes.remove(service, weight(channel.state.as_deref()));
        self.bytes.add(service, weight(state.as_deref()));
        std::mem::replace(&mut channel.state, state).is_some()
    }
}

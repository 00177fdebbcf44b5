//! What answers status requests about channels homed here.

use std::sync::Arc;

use super::Channels;
use crate::broker::channel::status_store;
use crate::broker::context::Context;
use crate::broker::shard_messages::StatusSource;
use crate::types::{ChannelName, JsonObject, PublishError};

impl Channels {
    /// Puts the document of a channel homed here, or with `None` takes it back. Returns whether
    /// there was one.
    pub(crate) fn set_document(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
        document: Option<Arc<JsonObject>>,
    ) -> Result<bool, PublishError> {
        let index = match &document {
            Some(_) => self.find_or_publish(cx, name)?,
            None => match self.table.find(name) {
                Some(index) => index,
                None => return Ok(false),
            },
        };
        let channel = &mut self.table[index];
        let replaced = self.statuses.set(channel, document)?;
        channel.used_at = cx.time();
        Ok(replaced)
    }

    /// The document of a channel homed here.
    pub(crate) fn document(&self, name: &ChannelName) -> Option<Arc<JsonObject>> {
        self.table[self.table.find(name)?].document.clone()
    }

    /// The status of a channel homed here.
    pub(crate) fn status(&self, name: &ChannelName) -> Option<StatusSource> {
        status_store::status(&self.table[self.table.find(name)?])
    }
}

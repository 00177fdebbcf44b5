//! Other shards have answered what clients asked of the homes of channels.

use std::sync::Arc;

use super::Sessions;
use crate::broker::core::Core;
use crate::broker::log_page::LogPage;
use crate::broker::shard_messages::{Accepted, StatusSource};
use crate::broker::upstream_messages::ReadId;
use crate::config::{ReadPage, Unavailable};
use crate::types::{ConnectionKey, OperationId, PublishError, RequestId, StateDocument};

impl Sessions {
    /// Another shard has sequenced a client's publication, or refused it.
    pub(in crate::broker) fn handle_published(
        &mut self,
        core: &mut Core,
        id: RequestId,
        result: Result<Accepted, PublishError>,
    ) {
        if let Some(key) = self.outstanding.published(core, id, result) {
            self.backlogs.make_ready(key);
        }
    }

    /// A request of a connection was answered outside.
    pub(in crate::broker) fn go_on_after_answer(&mut self, key: ConnectionKey) {
        self.backlogs.make_ready(key);
    }

    /// Another shard has answered a status request.
    pub(in crate::broker) fn handle_recalled(
        &mut self,
        core: &mut Core,
        id: RequestId,
        status: Option<&StatusSource>,
    ) {
        if let Some(key) = self.outstanding.recalled(core, id, status) {
            self.backlogs.make_ready(key);
        }
    }

    /// Another shard has read a channel's log for a client.
    pub(in crate::broker) fn handle_log(&mut self, core: &mut Core, id: RequestId, page: &LogPage) {
        let key = self.history.finish(core, id, page);
        self.backlogs.make_ready(key);
    }

    /// The external order has read a channel's messages for a client, or cannot.
    pub(in crate::broker) fn handle_read(
        &mut self,
        core: &mut Core,
        id: ReadId,
        page: Result<ReadPage, Unavailable>,
    ) {
        let key = match id {
            ReadId::History(id) => self.history.finish_outside(core, id, page),
            ReadId::Status(id) => self.outstanding.read_outside(core, id, page),
        };
        self.backlogs.make_ready(key);
    }

    /// The home of a channel that a client subscribes to has answered with its state.
    pub(in crate::broker) fn handle_state(
        &mut self,
        core: &mut Core,
        id: OperationId,
        state: Option<Arc<StateDocument>>,
    ) {
        let over = |key| self.backlogs.make_ready(key);
        self.operations.handle_state(core, &self.auth, (id, state), over);
    }
}

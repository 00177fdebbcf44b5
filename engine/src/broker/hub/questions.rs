//! What operators ask of a shard: questions that change nothing, each a bounded piece of work.

use std::sync::Arc;

use super::Hub;
use crate::broker::channel::{ChannelEntry, ChannelState};
use crate::broker::connection_info::{ConnectionDetail, ConnectionInfo};
use crate::broker::connection_query::ConnectionQuery;
use crate::broker::log_page::{HistoryRange, LogPage};
use crate::types::{ChannelName, JsonObject, PresenceList, ServiceId, ServiceLoad};

impl Hub {
    /// A service's channels homed here from slot `from` on, at most `limit` and perhaps none, and
    /// the slot to go on from.
    pub fn channels(
        &self,
        service: ServiceId,
        from: u32,
        limit: usize,
    ) -> (Vec<ChannelEntry>, Option<u32>) {
        self.parts.core.channels.page(service, from, limit)
    }

    /// A channel homed here.
    pub fn channel(&self, name: &ChannelName) -> Option<ChannelState> {
        self.parts.core.channels.state(&self.parts.core.cx, name)
    }

    /// Subscribers on this shard of each named channel.
    pub fn subscribers(&self, names: &[ChannelName]) -> Vec<u64> {
        names.iter().map(|name| self.parts.core.channels.subscribers(name)).collect()
    }

    /// The members of a channel homed here; `None` where its class keeps no presence.
    pub fn presence(&self, name: &ChannelName) -> Option<PresenceList> {
        let core = &self.parts.core;
        core.cx.class_of(name).presence.then(|| core.presence_of(name))
    }

    /// A part of the log of a channel homed here. It is counted.
    pub fn read_log(&mut self, name: &ChannelName, range: &HistoryRange) -> LogPage {
        self.parts.core.read_log(name, range)
    }

    /// The status document of a channel homed here.
    pub fn document(&self, name: &ChannelName) -> Option<Arc<JsonObject>> {
        self.parts.core.channels.document(name)
    }

    /// Open connections of clients from slot `from` on, at most `limit` and perhaps none, and the
    /// slot to go on from: it looks at a bounded part of the connections at a time.
    pub fn find_connections(
        &self,
        query: &ConnectionQuery,
        from: u32,
        limit: usize,
    ) -> (Vec<ConnectionInfo>, Option<u32>) {
        self.parts.find_connections(query, from, limit)
    }

    /// The client's open connection with this id, at a service.
    pub fn find_connection(&self, service: ServiceId, id: &str) -> Option<ConnectionDetail> {
        self.parts.find_connection(service, id)
    }

    /// What the clients of each service hold on this shard.
    pub fn loads(&self) -> Vec<ServiceLoad> {
        let open = self.parts.core.connections.open().iter().enumerate();
        let one = |(service, &open): (usize, &usize)| ServiceLoad {
            connections: open as u64,
            subscriptions: self.parts.core.channels.subscriptions_at(ServiceId(service as u8))
                as u64,
            draining: self.parts.core.connections.leaving()[service] as u64,
        };
        open.map(one).collect()
    }
}

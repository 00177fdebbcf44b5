//! What operators ask of a shard: questions that change nothing.

use std::sync::Arc;

use crate::broker::{
    ChannelEntry, ChannelState, ConnectionDetail, ConnectionInfo, ConnectionQuery, HistoryRange,
    Hub, LogPage,
};
use crate::limits::{LISTING_COST, PRESENCE_COST};
use crate::types::{ChannelName, JsonObject, PresenceList, ServiceId, ServiceLoad, StateDocument};

/// Where an answer goes.
type Reply<T> = oneshot::Sender<T>;

/// A question to a shard, each a bounded piece of work.
pub(crate) enum Question {
    /// List channels homed here: `Hub::channels`.
    Channels {
        service: ServiceId,
        from: u32,
        limit: usize,
        reply: Reply<(Vec<ChannelEntry>, Option<u32>)>,
    },
    /// One of them: `Hub::channel`.
    Channel { name: ChannelName, reply: Reply<Option<ChannelState>> },
    /// Count local subscribers: `Hub::subscribers`.
    Subscribers { names: Arc<[ChannelName]>, reply: Reply<Vec<u64>> },
    /// Read the members of a channel homed here: `Hub::presence`.
    Presence { channel: ChannelName, reply: Reply<Option<PresenceList>> },
    /// Read the status document of a channel homed here: `Hub::document`.
    Document { channel: ChannelName, reply: Reply<Option<Arc<JsonObject>>> },
    /// Read the state of a channel homed here: `Hub::state`.
    State { channel: ChannelName, reply: Reply<Option<Arc<StateDocument>>> },
    /// Read the log of a channel homed here: `Hub::read_log`.
    Log { channel: ChannelName, range: HistoryRange, reply: Reply<LogPage> },
    /// Find connections: `Hub::find_connections`.
    Connections {
        query: Arc<ConnectionQuery>,
        from: u32,
        limit: usize,
        reply: Reply<(Vec<ConnectionInfo>, Option<u32>)>,
    },
    /// One of them, by its id: `Hub::find_connection`.
    Connection { service: ServiceId, id: Arc<str>, reply: Reply<Option<ConnectionDetail>> },
    /// What the clients of each service hold: `Hub::loads`.
    Loads { reply: Reply<Vec<ServiceLoad>> },
}

impl Question {
    /// As how many messages it counts in its iteration.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Question::Channels { .. } | Question::Connections { .. } => LISTING_COST,
            Question::Subscribers { names, .. } => names.len().clamp(1, LISTING_COST),
            Question::Presence { .. } => PRESENCE_COST,
            Question::Log { range, .. } => range.limit.clamp(1, LISTING_COST),
            Question::Channel { .. }
            | Question::Document { .. }
            | Question::State { .. }
            | Question::Connection { .. }
            | Question::Loads { .. } => 1,
        }
    }

    /// Answers it, unless the caller has stopped waiting.
    pub(crate) fn answer(self, hub: &mut Hub) {
        let _is_heard = match self {
            Question::Channels { service, from, limit, reply } => {
                reply.send(hub.channels(service, from, limit)).is_ok()
            }
            Question::Channel { name, reply } => reply.send(hub.channel(&name)).is_ok(),
            Question::Subscribers { names, reply } => reply.send(hub.subscribers(&names)).is_ok(),
            Question::Presence { channel, reply } => reply.send(hub.presence(&channel)).is_ok(),
            Question::Document { channel, reply } => reply.send(hub.document(&channel)).is_ok(),
            Question::State { channel, reply } => reply.send(hub.state(&channel)).is_ok(),
            Question::Log { channel, range, reply } => {
                reply.send(hub.read_log(&channel, &range)).is_ok()
            }
            Question::Connections { query, from, limit, reply } => {
                reply.send(hub.find_connections(&query, from, limit)).is_ok()
            }
            Question::Connection { service, id, reply } => {
                reply.send(hub.find_connection(service, &id)).is_ok()
            }
            Question::Loads { reply } => reply.send(hub.loads()).is_ok(),
        };
    }
}

//! The ids with which connections were welcomed.

use uuid::Uuid;

use super::Connections;
use crate::broker::connection::connection_id;
use crate::types::{ConnectionKey, ShardId};

impl Connections {
    /// The connection with this public id.
    pub(crate) fn find(&self, shard: ShardId, id: &str) -> Option<ConnectionKey> {
        let id = Uuid::try_parse(id).ok()?;
        if let Some(index) = self.former_ids.find(id) {
            return Some(self.key(index));
        }
        let bytes = id.as_bytes();
        let index = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let key = ConnectionKey { index, generation: u16::from_be_bytes([bytes[4], bytes[5]]) };
        self.get(key)?;
        (self.id(shard, key) == id).then_some(key)
    }

    /// The public id.
    pub(crate) fn id(&self, shard: ShardId, key: ConnectionKey) -> Uuid {
        let former = self.former_ids.of(key.index);
        former.unwrap_or_else(|| connection_id::of(shard, key, self[key].nonce))
    }
}

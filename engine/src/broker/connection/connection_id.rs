//! The public id of a connection.

use uuid::Uuid;

use crate::types::{ConnectionKey, ShardId};

/// The public id: a UUIDv4 with shard, index and generation in its random bits, so that nothing
/// needs to map ids to connections.
pub(super) fn of(shard: ShardId, key: ConnectionKey, nonce: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&key.index.to_be_bytes());
    bytes[4..6].copy_from_slice(&key.generation.to_be_bytes());
    bytes[7] = shard.0;
    bytes[8..].copy_from_slice(&nonce.to_be_bytes());
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

impl ShardId {
    /// The shard that gave a connection this id.
    pub fn of_connection(id: &str) -> Option<ShardId> {
        let id = Uuid::try_parse(id).ok()?;
        Some(ShardId(id.as_bytes()[7]))
    }
}

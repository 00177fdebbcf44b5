//! The shard's delivery ring: `uringcast_ring` with the engine's sizes, payloads and keys.

pub(super) use uringcast_ring::{
    Completion, Exception, Operation, Received, RemoteRing, Sealed, Submitted, ktls,
};
use uringcast_ring::{Config, SlotKey};

use crate::broker::write_sink::Payload;
use crate::limits::{
    BATCH_BYTES, BATCH_ENTRIES, MAX_COMPLETIONS, RECEIVE_BUFFER, RECEIVE_BUFFERS, RING_ENTRIES,
    RING_PATIENCE,
};
use crate::types::ConnectionKey;

/// A shard's delivery ring.
pub(super) type Ring = uringcast_ring::Ring<Payload>;

/// The sizes of a delivery ring with so many slots.
pub(crate) fn ring_config(slots: usize) -> Config {
    Config {
        slots,
        entries: RING_ENTRIES,
        max_completions: MAX_COMPLETIONS,
        batch_entries: BATCH_ENTRIES,
        batch_bytes: BATCH_BYTES,
        receive_buffers: RECEIVE_BUFFERS,
        receive_buffer: RECEIVE_BUFFER as u32,
        patience: RING_PATIENCE,
    }
}

impl From<ConnectionKey> for SlotKey {
    fn from(key: ConnectionKey) -> SlotKey {
        SlotKey { index: key.index, generation: key.generation }
    }
}

impl From<SlotKey> for ConnectionKey {
    fn from(key: SlotKey) -> ConnectionKey {
        ConnectionKey { index: key.index, generation: key.generation }
    }
}

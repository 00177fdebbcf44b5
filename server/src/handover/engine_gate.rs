//! Requests that use the engine wait while all connections are handed to another process.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::timeout;

use crate::limits::HANDOVER_REQUESTS;

/// Whether this process's engine is the one that counts. Clones are of the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineGate(Arc<RwLock<Side>>);

/// Which process serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Side {
    #[default]
    This,
    Other,
}

/// A request that uses the engine: the gate does not close before this is dropped. The holder of
/// one must not ask for another.
#[derive(Debug)]
pub(crate) struct Passage(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<Side>);

/// The gate is closed until this is dropped.
#[derive(Debug)]
pub(crate) struct Closed(OwnedRwLockWriteGuard<Side>);

impl EngineGate {
    /// Waits until the gate is open. `None` when another process has taken over.
    pub(crate) async fn pass(&self) -> Option<Passage> {
        let guard = Arc::clone(&self.0).read_owned().await;
        (*guard == Side::This).then_some(Passage(guard))
    }

    /// Closes the gate, once every request in it has what it asks for. Blocks this thread, which is
    /// none of the runtime's. `None` when one takes longer than [`HANDOVER_REQUESTS`].
    pub(crate) fn close(&self, runtime: &Handle) -> Option<Closed> {
        let write = Arc::clone(&self.0).write_owned();
        let closed = runtime.block_on(async { timeout(HANDOVER_REQUESTS, write).await });
        closed.ok().map(Closed)
    }
}

impl Closed {
    /// Another process serves from now on.
    pub(crate) fn hand_over(mut self) {
        *self.0 = Side::Other;
    }
}

#[cfg(test)]
mod tests;

//! Publications wait while all connections are handed to another process.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock, RwLockWriteGuard};

/// Whether publications are accepted. Clones are of the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishGate(Arc<RwLock<Side>>);

/// Which process accepts publications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Side {
    #[default]
    This,
    Other,
}

/// A publication under way: the gate does not close before it has its result.
#[derive(Debug)]
pub(crate) struct Passage(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<Side>);

/// The gate is closed until this is dropped.
#[derive(Debug)]
pub(crate) struct Closed<'a>(RwLockWriteGuard<'a, Side>);

impl PublishGate {
    /// Waits until the gate is open. `None` when another process has taken over.
    pub(crate) async fn pass(&self) -> Option<Passage> {
        let guard = Arc::clone(&self.0).read_owned().await;
        (*guard == Side::This).then_some(Passage(guard))
    }

    /// Closes the gate, once every publication under way has its result. Blocks this thread, which
    /// is none of the runtime's.
    pub(crate) fn close(&self) -> Closed<'_> {
        Closed(self.0.blocking_write())
    }
}

impl Closed<'_> {
    /// Another process accepts publications from now on.
    pub(crate) fn hand_over(mut self) {
        *self.0 = Side::Other;
    }
}

#[cfg(test)]
mod tests;

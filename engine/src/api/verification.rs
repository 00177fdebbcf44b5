//! Tokens that wait for verification outside the engine.

use std::fmt;
use std::sync::Arc;

use crossbeam::channel::Receiver;

use super::handle::Handle;
use crate::shard::{Command, VerificationRequest};
use crate::types::{AuthError, ServiceId, Verdict};

/// The queue of tokens to verify. Cheap to clone: one for each thread.
#[derive(Clone)]
pub struct Verifications {
    pub(super) requests: Receiver<VerificationRequest>,
    pub(super) handle: Arc<Handle>,
}

impl Verifications {
    /// Waits for the next token. `None` once the engine has ended.
    pub fn next(&self) -> Option<Verification> {
        let request = self.requests.recv().ok()?;
        let (verdict, handle) = (Err(AuthError::invalid()), Arc::clone(&self.handle));
        Some(Verification { request, verdict, handle })
    }
}

impl fmt::Debug for Verifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifications({})", self.requests.len())
    }
}

/// One client's token. Dropped without an answer, it is refused.
#[derive(Debug)]
pub struct Verification {
    request: VerificationRequest,
    verdict: Verdict,
    handle: Arc<Handle>,
}

impl Verification {
    /// The token.
    pub fn token(&self) -> &str {
        self.request.token.expose()
    }

    /// The service that the client connected to.
    pub fn service(&self) -> ServiceId {
        self.request.service
    }

    /// Sends the verdict to the client's shard.
    pub fn answer(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Verification {
    fn drop(&mut self) {
        let VerificationRequest { shard, key, .. } = self.request;
        let verdict = std::mem::replace(&mut self.verdict, Err(AuthError::invalid()));
        // A shard requests at most VERIFICATIONS_PER_SHARD at once, so the mailbox is bounded.
        self.handle.mailboxes[shard.index()].send_owed(Command::Authenticated { key, verdict });
    }
}

//! Tokens that wait for verification outside the engine.

use std::fmt;
use std::sync::Arc;

use crossbeam::channel::Receiver;

use super::handle::Handle;
use crate::shard::{Command, VerificationRequest};
use crate::types::{AuthError, ServiceId, Verdict};

/// Where verifiers take tokens from. Cheap to clone: one for each thread.
#[derive(Clone)]
pub struct Verifications {
    pub(super) requests: Receiver<VerificationRequest>,
    pub(super) handle: Arc<Handle>,
}

impl Verifications {
    /// Waits for the next token. `None` once the engine is gone.
    pub fn next(&self) -> Option<Verification> {
        let request = self.requests.recv().ok()?;
        Some(Verification { request: Some(request), handle: Arc::clone(&self.handle) })
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
    request: Option<VerificationRequest>,
    handle: Arc<Handle>,
}

impl Verification {
    /// The token.
    pub fn token(&self) -> &str {
        self.request.as_ref().map_or("", |request| request.token.expose())
    }

    /// The service whose client showed it.
    pub fn service(&self) -> ServiceId {
        self.request.as_ref().map_or(ServiceId::default(), |request| request.service)
    }

    /// Lets the client in, or does not.
    pub fn answer(mut self, verdict: Verdict) {
        self.send(verdict);
    }

    fn send(&mut self, verdict: Verdict) {
        if let Some(VerificationRequest { shard, key, .. }) = self.request.take() {
            // The shard has asked no more than VERIFICATIONS_PER_SHARD: so many find room.
            let answer = Command::Authenticated { key, verdict };
            self.handle.mailboxes[shard.index()].send_owed(answer);
        }
    }
}

impl Drop for Verification {
    fn drop(&mut self) {
        self.send(Err(AuthError::Invalid));
    }
}

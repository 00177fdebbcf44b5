//! The broker's outlet on the delivery ring: seals where there is TLS, and tells what is owed.

use std::time::Instant;

use super::clock;
use super::ring::{Exception, Received, Ring};
use super::tls::{Opened, TlsFault, TlsSession};
use crate::broker::outlet::{Flushed, Outlet, Owed, Payload, Short};

/// The ring together with the TLS state of its connections.
pub(super) struct Delivery {
    pub ring: Ring,
    /// By slot; has no entries on a server without TLS.
    sessions: Vec<Option<Box<TlsSession>>>,
    /// Whether the loaded payload is to be sealed.
    seals: bool,
    /// Runs loaded into the batch.
    runs: usize,
    /// Connections of the batch that could not be sealed for.
    unsealed: Vec<Short>,
    exceptions: Vec<Exception>,
    started: Instant,
}

impl Delivery {
    /// An outlet on `ring`, whose clock counts from `started`. `slots` is 0 without TLS.
    pub(super) fn new(ring: Ring, slots: usize, started: Instant) -> Delivery {
        let sessions = std::iter::repeat_with(|| None).take(slots).collect();
        let (unsealed, exceptions) = (Vec::new(), Vec::new());
        Delivery { ring, sessions, seals: false, runs: 0, unsealed, exceptions, started }
    }

    /// Keeps the TLS state of a connection that was handed over.
    pub(super) fn keep_session(&mut self, connection: u32, session: TlsSession) {
        self.sessions[connection as usize] = Some(Box::new(session));
    }

    /// Appends the plaintext of what was received to `plain`. `None` if there is no TLS.
    pub(super) fn open(
        &mut self,
        connection: u32,
        received: &Received,
        plain: &mut Vec<u8>,
    ) -> Option<Result<Opened, TlsFault>> {
        let session = self.sessions.get_mut(connection as usize)?.as_mut()?;
        Some(session.open(self.ring.bytes(received), plain))
    }

    /// Forgets a connection's TLS state.
    pub(super) fn drop_session(&mut self, connection: u32) {
        if let Some(session) = self.sessions.get_mut(connection as usize) {
            *session = None;
        }
    }

    /// Queues close_notify, or the alert of a fault, where there is TLS. Nobody waits for it: it
    /// is sent if the socket has room. Not to be mixed with the broker's batches.
    pub(super) fn say_close(&mut self, connection: u32) {
        let session = self.sessions.get_mut(connection as usize);
        let Some(session) = session.and_then(Option::as_mut) else { return };
        let bytes = session.seal_close();
        if !bytes.is_empty() {
            self.load(Payload::Sealed(bytes, 0));
            if self.push(connection) {
                self.finish();
            }
        }
    }

    /// Submits what is queued besides the broker's batches.
    pub(super) fn finish(&mut self) {
        if self.ring.batched() > 0 {
            self.flush(&mut Flushed::default());
        }
        self.ring.submit();
    }

    fn push_sealed(&mut self, connection: u32) -> bool {
        let session = self.sessions[connection as usize].as_mut();
        let session = session.expect("every connection of a TLS server has a session");
        let sent = self.ring.send_sealed(connection, |plain, out| session.seal(plain, out));
        sent.unwrap_or_else(|fault| {
            tracing::debug!(%fault, "a connection can send nothing more");
            let owed = Owed::Dead(libc::EPIPE);
            self.unsealed.push(Short { connection, run: self.runs - 1, owed });
            false
        })
    }

    /// What an exception leaves owed; `None` if the bytes went out whole after all.
    fn owed(&self, exception: &Exception) -> Option<Owed> {
        let taken = match exception.result {
            taken @ 0.. => taken as usize,
            error if error == -libc::EAGAIN => 0,
            error => return Some(Owed::Dead(-error)),
        };
        match self.ring.sealed(exception.entry) {
            // Its record number is spent: what was sealed is owed as it is, even if nothing went.
            Some(sealed) if taken < sealed.len() => Some(Owed::Sealed(sealed[taken..].to_vec())),
            Some(_) => None,
            None => Some(Owed::After(taken)),
        }
    }
}

impl Outlet for Delivery {
    fn load(&mut self, payload: Payload) {
        self.seals = !self.sessions.is_empty() && !matches!(payload, Payload::Sealed(..));
        self.runs += 1;
        self.ring.load(payload);
    }

    fn push(&mut self, connection: u32) -> bool {
        if self.seals { self.push_sealed(connection) } else { self.ring.send(connection) }
    }

    fn flush(&mut self, out: &mut Flushed) {
        let mut exceptions = std::mem::take(&mut self.exceptions);
        self.ring.submit_batch(&mut exceptions);
        out.at = clock::time(self.started);
        out.shorts.append(&mut self.unsealed);
        for exception in exceptions.drain(..) {
            if let Some(owed) = self.owed(&exception) {
                let Exception { connection, run, .. } = exception;
                out.shorts.push(Short { connection, run, owed });
            }
        }
        self.ring.finish_batch(&mut out.payloads);
        (self.exceptions, self.runs) = (exceptions, 0);
    }
}

#[cfg(test)]
mod tests;

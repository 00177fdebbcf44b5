//! The broker's outlet on the delivery ring: seals where there is TLS, and tells what is owed.

use std::time::Instant;

use uringcast_ring::{Config, Exception, Received, SlotKey, Submitted};

use super::clock;
use super::kernel::{Taken, records_of};
use super::secure::{Secure, Secured};
use super::tls::{Opened, TlsFault};
use crate::broker::outlet::{Flushed, Owed, Payload, Short, WriteSink};
use crate::limits::{
    BATCH_BYTES, BATCH_ENTRIES, MAX_COMPLETIONS, MAX_TLS_RECORDS, RECEIVE_BUFFER, RECEIVE_BUFFERS,
    RING_ENTRIES,
};
use crate::types::ConnectionKey;

/// A shard's delivery ring.
pub(crate) type Ring = uringcast_ring::Ring<Payload>;

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

/// The ring together with the TLS state of its connections.
pub(super) struct Delivery {
    pub ring: Ring,
    /// By slot; has no entries on a server without TLS.
    sessions: Vec<Secure>,
    /// How many of them there are.
    pub secured: Secured,
    /// Connections that have sent as much as their keys allow. May name one twice.
    pub worn: Vec<u32>,
    /// So many records.
    record_limit: u32,
    /// Whether the loaded payload is to be sealed.
    seals: bool,
    /// Runs loaded into the batch.
    runs: usize,
    /// Connections of the batch that could not be sealed for.
    unsealed: Vec<Short>,
    started: Instant,
}

impl Delivery {
    /// An outlet on `ring`, whose clock counts from `started`. `slots` is 0 without TLS.
    pub(super) fn new(ring: Ring, slots: usize, started: Instant) -> Delivery {
        let sessions = std::iter::repeat_with(Secure::default).take(slots).collect();
        Delivery {
            ring,
            sessions,
            secured: Secured::default(),
            worn: Vec::new(),
            record_limit: MAX_TLS_RECORDS,
            seals: false,
            runs: 0,
            unsealed: Vec::new(),
            started,
        }
    }

    /// Keeps the TLS state of a connection that was handed over.
    pub(super) fn keep_session(&mut self, connection: u32, session: impl Into<Secure>) {
        let session = session.into();
        if let Some(count) = self.secured.of(&session) {
            *count += 1;
            self.sessions[connection as usize] = session;
        }
    }

    /// Appends the plaintext of what was received to `plain`. `None` if there is no TLS.
    pub(super) fn open(
        &mut self,
        connection: u32,
        received: &Received,
        plain: &mut Vec<u8>,
    ) -> Option<Result<Opened, TlsFault>> {
        match self.sessions.get_mut(connection as usize)? {
            Secure::User(session) => Some(session.open(self.ring.bytes(received), plain)),
            Secure::Kernel(session) => {
                session.hear();
                None
            }
            Secure::None => None,
        }
    }

    /// Looks why a receive has failed with `errno`. `None` unless the kernel does the TLS.
    pub(super) fn take_control(&mut self, connection: u32, errno: i32) -> Option<Taken> {
        let ring = &mut self.ring;
        match self.sessions.get_mut(connection as usize)? {
            Secure::Kernel(session) => Some(session.take_control(connection, errno, ring)),
            Secure::None | Secure::User(_) => None,
        }
    }

    /// Lowers the limit of records, which no test could reach.
    #[cfg(test)]
    pub(super) fn limit_records(&mut self, limit: u32) {
        self.record_limit = limit;
    }

    /// Forgets a connection's TLS state.
    pub(super) fn drop_session(&mut self, connection: u32) {
        let Some(session) = self.sessions.get_mut(connection as usize) else { return };
        if let Some(count) = self.secured.of(session) {
            *count -= 1;
        }
        *session = Secure::None;
    }

    /// Queues close_notify, or the alert of a fault, where there is TLS. Nobody waits for it: it
    /// is sent if the socket has room. Not to be mixed with the broker's batches.
    pub(super) fn say_close(&mut self, connection: u32) {
        let bytes = match self.sessions.get_mut(connection as usize) {
            Some(Secure::User(session)) => session.seal_close(),
            Some(Secure::Kernel(session)) => return session.say_close(connection, &mut self.ring),
            Some(Secure::None) | None => return,
        };
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

    fn push_secure(&mut self, connection: u32) -> bool {
        let (sent, records) = match &mut self.sessions[connection as usize] {
            Secure::Kernel(session) => {
                session.records = session.records.saturating_add(records_of(self.ring.loaded()));
                (Ok(self.ring.send_kernel_tls(connection)), session.records)
            }
            Secure::User(session) => {
                let seal = |plain: &[u8], out: &mut [u8]| session.seal(plain, out);
                (self.ring.send_sealed(connection, seal), session.records())
            }
            // Of a service without TLS, beside one with it.
            Secure::None => return self.ring.send_gated(connection),
        };
        if records >= self.record_limit {
            self.worn.push(connection);
        }
        sent.unwrap_or_else(|fault| {
            tracing::debug!(%fault, "a connection can send nothing more");
            let owed = Owed::Dead(libc::EPIPE);
            self.unsealed.push(Short { connection, run: self.runs - 1, owed });
            false
        })
    }
}

/// What an exception leaves owed; `None` if the bytes went out whole after all.
fn owed(batch: &Submitted<'_, Payload>, exception: &Exception) -> Option<Owed> {
    let taken = match exception.result {
        taken @ 0.. => taken as usize,
        error if error == -libc::EAGAIN => 0,
        error => return Some(Owed::Dead(-error)),
    };
    match batch.sealed(exception.entry) {
        // Its record number is spent: what was sealed is owed as it is, even if nothing went.
        Some(sealed) if taken < sealed.len() => Some(Owed::Sealed(sealed[taken..].to_vec())),
        Some(_) => None,
        None => Some(Owed::After(taken)),
    }
}

impl WriteSink for Delivery {
    fn load(&mut self, payload: Payload) {
        self.seals = !self.sessions.is_empty() && !matches!(payload, Payload::Sealed(..));
        self.runs += 1;
        match payload {
            Payload::Frame(..) => self.ring.load(payload),
            Payload::Owned(_) | Payload::Sealed(..) => self.ring.load_owned(payload),
        }
    }

    fn push(&mut self, connection: u32) -> bool {
        if self.seals { self.push_secure(connection) } else { self.ring.send_gated(connection) }
    }

    fn flush(&mut self, out: &mut Flushed) {
        let batch = self.ring.submit_batch();
        out.at = clock::time(self.started);
        out.shorts.append(&mut self.unsealed);
        for exception in batch.exceptions() {
            if let Some(owed) = owed(&batch, exception) {
                let Exception { slot: connection, payload: run, .. } = *exception;
                out.shorts.push(Short { connection, run, owed });
            }
        }
        batch.finish(&mut out.payloads);
        self.runs = 0;
    }
}

#[cfg(test)]
mod tests;

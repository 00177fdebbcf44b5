//! The broker's write sink on the delivery ring: seals where there is TLS, reports what was not
//! sent.

use std::io;
use std::time::Instant;

use crate::broker::write_sink::{Flushed, Owed, Payload, Short, WriteSink};
use crate::handover::SecretBytes;
use crate::limits::MAX_TLS_RECORDS;
use crate::shard::clock;
use crate::shard::delivery_ring::{Exception, Received, Ring, Submitted, ring_config};
use crate::shard::tls::{ControlOutcome, Opened, SlotTls, TlsError, TlsProgress};
use crate::telemetry::Gauge;

/// The ring together with the TLS state of its connections.
pub struct Delivery {
    /// The ring.
    pub ring: Ring,
    /// By slot; has no entries on a server without TLS.
    sessions: Vec<SlotTls>,
    /// The number of each kind, by its gauge.
    pub(crate) tls_gauges: [usize; Gauge::COUNT],
    /// Connections with keys that have sent `record_limit` records. May hold one twice.
    pub(crate) exhausted: Vec<u32>,
    pub(crate) record_limit: u32,
    /// Whether the loaded payload is to be sealed.
    seals: bool,
    /// Runs loaded into the batch.
    runs: usize,
    /// Connections of the batch with bytes that could not be sealed.
    unsealed: Vec<Short>,
    started: Instant,
}

impl Delivery {
    /// A write sink on `ring`; its clock counts from `started`. `slots` is 0 without TLS.
    pub(crate) fn new(ring: Ring, slots: usize, started: Instant) -> Delivery {
        let sessions = std::iter::repeat_with(SlotTls::default).take(slots).collect();
        Delivery {
            ring,
            sessions,
            tls_gauges: [0; Gauge::COUNT],
            exhausted: Vec::new(),
            record_limit: MAX_TLS_RECORDS,
            seals: false,
            runs: 0,
            unsealed: Vec::new(),
            started,
        }
    }

    /// A write sink without a shard, for benchmarks: with `slots` empty slots, without TLS.
    ///
    /// # Errors
    /// When the kernel refuses the ring.
    pub fn alone(slots: usize) -> io::Result<Delivery> {
        Ok(Delivery::new(Ring::new(&ring_config(slots))?, 0, Instant::now()))
    }

    /// Stores the TLS state of an admitted connection.
    pub(crate) fn set_session(&mut self, connection: u32, session: SlotTls) {
        if let Some(gauge) = session.gauge() {
            self.tls_gauges[gauge as usize] += 1;
            self.sessions[connection as usize] = session;
        }
    }

    /// Whether another process can go on with a connection's bytes: not where rustls or the kernel
    /// makes its records.
    pub(crate) fn may_travel(&self, connection: u32) -> bool {
        match self.sessions.get(connection as usize) {
            None | Some(SlotTls::None) => true,
            Some(SlotTls::User(session)) => session.may_travel(),
            Some(SlotTls::Kernel(_)) => false,
        }
    }

    /// What another process needs to go on with a connection's TLS, if it has that.
    pub(crate) fn session_bytes(&self, connection: u32) -> Option<SecretBytes> {
        match self.sessions.get(connection as usize)? {
            SlotTls::User(session) => session.to_bytes(),
            SlotTls::None | SlotTls::Kernel(_) => None,
        }
    }

    /// Where a connection's TLS stands, if nothing waits to be sent there. `None` without TLS.
    pub(crate) fn progress(&self, connection: u32) -> Option<Option<TlsProgress>> {
        match self.sessions.get(connection as usize)? {
            SlotTls::User(session) => Some(session.progress()),
            SlotTls::None | SlotTls::Kernel(_) => None,
        }
    }

    /// A connection was sent so many records since its TLS was taken over. Returns whether it has
    /// TLS.
    pub(crate) fn set_sealed(&mut self, connection: u32, records: u64) -> bool {
        match self.sessions.get_mut(connection as usize) {
            Some(SlotTls::User(session)) => session.set_sealed(records),
            _ => false,
        }
    }

    /// Whether connections may have TLS here.
    pub(crate) fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Appends the plaintext of received bytes to `plain`. `None` if they are plaintext already.
    pub(crate) fn open(
        &mut self,
        connection: u32,
        received: &Received,
        plain: &mut Vec<u8>,
    ) -> Option<Result<Opened, TlsError>> {
        match self.sessions.get_mut(connection as usize)? {
            SlotTls::User(session) => Some(session.open(self.ring.bytes(received), plain)),
            SlotTls::Kernel(session) => {
                session.reset_control_count();
                None
            }
            SlotTls::None => None,
        }
    }

    /// Finds out why a receive failed with `errno`. `None` unless the slot has kernel TLS.
    pub(crate) fn handle_control_record(
        &mut self,
        connection: u32,
        errno: i32,
    ) -> Option<ControlOutcome> {
        let session = self.sessions.get_mut(connection as usize)?;
        let SlotTls::Kernel(session) = session else { return None };
        Some(session.handle_control_record(connection, errno, &mut self.ring))
    }

    /// Drops a connection's TLS state.
    pub(crate) fn drop_session(&mut self, connection: u32) {
        let Some(session) = self.sessions.get_mut(connection as usize) else { return };
        if let Some(gauge) = session.gauge() {
            self.tls_gauges[gauge as usize] -= 1;
        }
        *session = SlotTls::None;
    }

    /// Queues close_notify, or the alert of a fault, where there is TLS. It is sent if the socket
    /// has room, and not retried. Not to be mixed with the broker's batches.
    pub(crate) fn send_close(&mut self, connection: u32) {
        let bytes = match self.sessions.get_mut(connection as usize) {
            Some(SlotTls::User(session)) => session.seal_close(),
            Some(SlotTls::Kernel(session)) => {
                return session.send_close(connection, &mut self.ring);
            }
            Some(SlotTls::None) | None => return,
        };
        if !bytes.is_empty() {
            self.load(Payload::Sealed(bytes, 0));
            if self.push(connection) {
                self.finish();
            }
        }
    }

    /// Submits what is queued besides the broker's batches.
    pub(crate) fn finish(&mut self) {
        if self.ring.batched() > 0 {
            self.flush(&mut Flushed::default());
        }
        self.ring.submit();
    }

    fn push_secure(&mut self, connection: u32) -> bool {
        let (sent, records) = match &mut self.sessions[connection as usize] {
            SlotTls::Kernel(session) => {
                let records = session.count_send(self.ring.loaded());
                (Ok(self.ring.send_kernel_tls(connection)), records)
            }
            SlotTls::User(session) => {
                let seal = |plain: &[u8], out: &mut [u8]| session.seal(plain, out);
                (self.ring.send_sealed(connection, seal), session.records_sent())
            }
            // Of a service without TLS, beside one with it.
            SlotTls::None => return self.ring.send_gated(connection),
        };
        if records >= self.record_limit {
            self.exhausted.push(connection);
        }
        sent.unwrap_or_else(|fault| {
            tracing::debug!(%fault, "a connection can send nothing more");
            let owed = Owed::Dead(libc::EPIPE);
            self.unsealed.push(Short { connection, run: self.runs - 1, owed });
            false
        })
    }
}

/// What an exception leaves unsent; `None` if the bytes were sent whole after all.
fn owed(batch: &Submitted<'_, Payload>, exception: &Exception) -> Option<Owed> {
    let taken = match exception.result {
        taken @ 0.. => taken as usize,
        error if error == -libc::EAGAIN => 0,
        error => {
            tracing::debug!(errno = -error, "write failed");
            return Some(Owed::Dead(-error));
        }
    };
    match batch.sealed(exception.entry) {
        // The record number is spent: the ciphertext must be sent as it is, even if no byte of it
        // was sent.
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
            Payload::Frame(..) | Payload::Encoded(..) => self.ring.load(payload),
            Payload::Owned(_) | Payload::Joined(..) | Payload::Sealed(..) => {
                self.ring.load_owned(payload);
            }
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

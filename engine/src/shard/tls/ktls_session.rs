//! Kernel TLS: the handover of the keys, and the control records that end a plain receive.
//!
//! After the handover a socket is written and read like one without TLS, from the same shared
//! bytes. What user space keeps of rustls is the key schedule, and only where the kernel can follow
//! a KeyUpdate.

use std::os::fd::AsRawFd;

use ktls::CryptoInfo;
use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::{ConnectionTrafficSecrets, SupportedCipherSuite};
use socket2::SockRef;

use super::TlsError;
use super::control_records::{
    ALERT, Alert, BAD_RECORD_MAC, CLOSE_NOTIFY, ControlRecord, DECODE_ERROR, HANDSHAKE, KEY_UPDATE,
    RECORD_OVERFLOW, UNEXPECTED_MESSAGE, records_of,
};
use super::ktls_support::Kernel;
use crate::limits::{MAX_CONTROL_RECORD, MAX_CONTROL_RECORDS};
use crate::shard::delivery_ring::Ring;
use crate::shard::delivery_ring::ktls::{Direction, expect_no_padding, set_keys};

/// What user space keeps of a connection, where the kernel seals and opens its records.
pub(crate) struct KtlsSession {
    /// The key schedule, where it is of use.
    schedule: Option<Box<KernelConnection<ServerConnectionData>>>,
    /// Records sent with the present keys, an upper bound.
    records_sent: u32,
    /// KeyUpdates and warnings of the peer since its last data.
    controls: u16,
    tls13: bool,
}

/// The result of a receive that the kernel ended with an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ControlOutcome {
    /// Application data.
    Data(Vec<u8>),
    /// Handled: receive again.
    Continue,
    /// New keys, and the kernel has them: receive again.
    Rekeyed,
    /// New keys, which the kernel cannot have: nothing more can be read.
    KeysLost,
    /// close_notify or FIN.
    Eof,
    /// The peer broke TLS, or sent a fatal alert.
    Violation,
    /// The socket failed.
    Reset,
}

impl KtlsSession {
    /// Hands the keys of an established connection, between two records, to the kernel's layer,
    /// which is attached to `socket`.
    ///
    /// # Errors
    /// [`TlsError`]: the connection is lost.
    pub(crate) fn take_over(
        connection: UnbufferedServerConnection,
        socket: &impl AsRawFd,
        kernel: &Kernel,
    ) -> Result<KtlsSession, TlsError> {
        let (secrets, schedule) = connection.dangerous_into_kernel_connection()?;
        let suite = schedule.negotiated_cipher_suite();
        set_keys(socket, Direction::Send, &keys(suite, secrets.tx)?)?;
        set_keys(socket, Direction::Receive, &keys(suite, secrets.rx)?)?;
        let tls13 = suite.tls13().is_some();
        if tls13 && let Err(error) = expect_no_padding(socket) {
            tracing::trace!(%error, "the kernel pays for padding that is not there");
        }
        let schedule = (kernel.rekeys && tls13).then(|| Box::new(schedule));
        Ok(KtlsSession { schedule, records_sent: 0, controls: 0, tls13 })
    }

    /// Counts a send of so many bytes. Returns the records sent with the present keys, an upper
    /// bound.
    pub(crate) fn count_send(&mut self, bytes: usize) -> u32 {
        self.records_sent = self.records_sent.saturating_add(records_of(bytes));
        self.records_sent
    }

    /// Data arrived: the bound on control records begins anew.
    pub(crate) fn reset_control_count(&mut self) {
        self.controls = 0;
    }

    /// Sends close_notify, if the socket has room.
    pub(crate) fn send_close(&self, slot: u32, ring: &mut Ring) {
        send_alert(slot, CLOSE_NOTIFY, ring);
    }

    /// Finds out why a plain receive failed with `errno`, and handles the record in front of it.
    pub(crate) fn handle_control_record(
        &mut self,
        slot: u32,
        errno: i32,
        ring: &mut Ring,
    ) -> ControlOutcome {
        // EIO: a control record is next, and every plain receive fails until it is taken.
        if errno != libc::EIO {
            return failed(slot, errno, ring);
        }
        let record = match ring.take_record(slot, MAX_CONTROL_RECORD) {
            Ok(Some(record)) => record,
            Ok(None) => return ControlOutcome::Eof,
            Err(error) => return failed(slot, error.raw_os_error().unwrap_or_default(), ring),
        };
        let control = ControlRecord::parse(record.kind, &record.bytes, self.tls13);
        if matches!(control, ControlRecord::Ignore | ControlRecord::KeyUpdate { .. }) {
            self.controls = self.controls.saturating_add(1);
            if self.controls > MAX_CONTROL_RECORDS {
                send_alert(slot, UNEXPECTED_MESSAGE, ring);
                return ControlOutcome::Violation;
            }
        }
        match control {
            ControlRecord::Data => {
                self.reset_control_count();
                ControlOutcome::Data(record.bytes)
            }
            ControlRecord::Ignore => ControlOutcome::Continue,
            ControlRecord::CloseNotify => ControlOutcome::Eof,
            ControlRecord::FatalAlert => ControlOutcome::Violation,
            ControlRecord::KeyUpdate { answer } => match self.follow_key_update(slot, answer, ring)
            {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::debug!(%error, "cannot follow a peer's KeyUpdate");
                    ControlOutcome::KeysLost
                }
            },
            ControlRecord::Refuse(alert) => {
                send_alert(slot, alert, ring);
                ControlOutcome::Violation
            }
        }
    }

    /// Follows the peer's KeyUpdate.
    ///
    /// # Errors
    /// [`TlsError`]: nothing more can be read; sending continues with the same key.
    fn follow_key_update(
        &mut self,
        slot: u32,
        answer: bool,
        ring: &mut Ring,
    ) -> Result<ControlOutcome, TlsError> {
        let schedule = self.schedule.as_mut().ok_or(TlsError::Exhausted)?;
        let suite = schedule.negotiated_cipher_suite();
        let new = keys(suite, schedule.update_rx_secret()?)?;
        let socket = ring.descriptor(slot)?;
        set_keys(&socket, Direction::Receive, &new)?;
        if answer {
            let new = keys(suite, schedule.update_tx_secret()?)?;
            ring.send_record(slot, HANDSHAKE, &KEY_UPDATE)?;
            if let Err(error) = set_keys(&socket, Direction::Send, &new) {
                // The peer cannot read what is sent with the former key now, an alert included.
                tracing::warn!(%error, "the kernel takes no new TLS key: dropping a connection");
                return Ok(ControlOutcome::Reset);
            }
            self.records_sent = 0;
        }
        Ok(ControlOutcome::Rekeyed)
    }
}

fn keys(
    suite: SupportedCipherSuite,
    secrets: (u64, ConnectionTrafficSecrets),
) -> Result<CryptoInfo, TlsError> {
    CryptoInfo::from_rustls(suite, secrets).map_err(|_| TlsError::Suite)
}

/// Sends an alert if the socket has room: no retry.
fn send_alert(slot: u32, alert: Alert, ring: &mut Ring) {
    if let Err(error) = ring.send_record(slot, ALERT, &alert) {
        tracing::trace!(%error, ?alert, "an alert could not be sent");
    }
}

fn failed(slot: u32, errno: i32, ring: &mut Ring) -> ControlOutcome {
    let alert = match errno {
        libc::EAGAIN => return ControlOutcome::Continue,
        libc::EBADMSG => BAD_RECORD_MAC,
        libc::EMSGSIZE => RECORD_OVERFLOW,
        libc::EINVAL => DECODE_ERROR,
        _ => return ControlOutcome::Reset,
    };
    tracing::debug!(errno, "a peer broke TLS");
    // The error of a bad record fails every send until it is read.
    if let Ok(socket) = ring.descriptor(slot) {
        let _ = SockRef::from(&socket).take_error();
    }
    send_alert(slot, alert, ring);
    ControlOutcome::Violation
}

#[cfg(test)]
mod tests;

//! TLS in user space over rustls's unbuffered API: no buffers at rest, only the keys. One
//! [`TlsSession`] makes the handshake and afterwards opens and seals the records of its connection.

mod decrypt;
mod portable;

use std::os::fd::AsRawFd;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, WriteTraffic,
};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};

pub(crate) use portable::TlsProgress;

use super::TlsError;
use super::control_records::{ALERT, CLOSE_NOTIFY, records_of};
use super::ktls_session::KtlsSession;
use super::ktls_support::Kernel;
use super::peer_certificate;
use super::record_layer::RecordLayer;
use crate::config::TrafficSecrets;
use crate::shard::delivery_ring::Sealed;
use crate::types::ClientCertificate;

/// Room for a close_notify or an alert of any suite (RFC 8446 5.2 allows no larger).
const ALERT_ROOM: usize = 512;

/// The TLS state of one connection.
pub(crate) struct TlsSession {
    layer: Layer,
    /// Whether an established TLS 1.3 connection becomes [`Layer::Own`].
    switches_to_own: bool,
    /// An earlier session was resumed.
    resumed: bool,
    /// What the client has shown, once rustls is gone.
    certificate: Option<Box<ClientCertificate>>,
    /// What the handshake has left, until the record layer has it.
    secrets: Option<Box<TrafficSecrets>>,
    /// What has arrived of an unfinished record or message. rustls keeps offsets into it, so it
    /// must be given exactly these bytes again. No capacity while empty.
    partial: Vec<u8>,
    /// Handshake messages, KeyUpdate answers and alerts that must leave before the next record.
    pending: Vec<u8>,
    input: Input,
    /// Records sent with keys that cannot be replaced (TLS 1.2), an upper bound.
    records_sent: u32,
}

/// Whether bytes of the peer are still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// The peer sent close_notify: what follows is not read. Sending continues.
    Closed,
    /// The peer broke TLS: nothing more is read, and nothing but the alert is sent.
    Failed,
    /// As `Failed`, and rustls has returned that alert.
    Alerted,
}

/// What makes the records.
#[allow(clippy::large_enum_variant, reason = "one pointer less to the key of a delivery")]
enum Layer {
    Rustls(Box<UnbufferedServerConnection>),
    Own(RecordLayer),
    /// Nothing, while rustls hands over its keys, and for good if that fails.
    Lost,
}

/// What [`TlsSession::open`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The peer sent close_notify (RFC 8446 6.1).
    pub eof: bool,
    /// The handshake is complete.
    pub established: bool,
    /// KeyUpdates, warnings and empty records among what was opened.
    pub controls: u16,
}

impl TlsSession {
    /// A session before its handshake. `keeps_rustls`: rustls makes the records also over TLS 1.3,
    /// because the kernel may get the keys later.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        keeps_rustls: bool,
    ) -> Result<TlsSession, TlsError> {
        let switches_to_own = config.enable_secret_extraction && !keeps_rustls;
        Ok(TlsSession {
            layer: Layer::Rustls(Box::new(UnbufferedServerConnection::new(config)?)),
            switches_to_own,
            resumed: false,
            certificate: None,
            secrets: None,
            partial: Vec::new(),
            pending: Vec::new(),
            input: Input::Open,
            records_sent: 0,
        })
    }

    /// Whether the handshake, now complete, resumed an earlier session (RFC 8446 2.2).
    pub(crate) fn resumed(&self) -> bool {
        match &self.layer {
            Layer::Rustls(rustls) => rustls.handshake_kind() == Some(HandshakeKind::Resumed),
            Layer::Own(_) | Layer::Lost => self.resumed,
        }
    }

    /// Whether it is TLS 1.3, once the handshake is complete.
    pub(crate) fn is_13(&self) -> bool {
        match &self.layer {
            Layer::Rustls(rustls) => rustls.protocol_version() == Some(ProtocolVersion::TLSv1_3),
            // Made of TLS 1.3 only.
            Layer::Own(_) => true,
            Layer::Lost => false,
        }
    }

    /// The certificate that the client has shown in the handshake, which is complete; once.
    ///
    /// # Errors
    /// [`TlsError`] when it cannot be read.
    pub(crate) fn take_certificate(&mut self) -> Result<Option<Box<ClientCertificate>>, TlsError> {
        match &self.layer {
            Layer::Rustls(rustls) => Ok(peer_certificate::of(rustls.peer_certificates())?),
            Layer::Own(_) | Layer::Lost => Ok(self.certificate.take()),
        }
    }

    /// Seals `plain` into `out`, behind the pending bytes. Large payloads become several records.
    ///
    /// # Errors
    /// [`TlsError`] when this session can send nothing more.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Sealed, TlsError> {
        if matches!(self.input, Input::Failed | Input::Alerted) {
            return Err(TlsError::Failed);
        }
        let Layer::Own(records) = &mut self.layer else {
            return self.seal_by_rustls(plain, out);
        };
        if records.needs_rekey() {
            records.rekey(&mut self.pending)?;
        }
        let room = out.get_mut(self.pending.len()..).unwrap_or_default();
        let sealed = records.seal(plain, room)?;
        Ok(put_ahead(&mut self.pending, sealed, out))
    }

    fn seal_by_rustls(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Sealed, TlsError> {
        let sealed = self.when_established(|traffic, pending| {
            let room = out.get_mut(pending.len()..).unwrap_or_default();
            let sealed = match traffic.encrypt(plain, room) {
                Ok(sealed) => Sealed::Whole(sealed),
                Err(EncryptError::InsufficientSize(error)) => Sealed::Needs(error.required_size),
                Err(EncryptError::EncryptExhausted) => return Err(TlsError::Exhausted),
            };
            Ok(put_ahead(pending, sealed, out))
        })??;
        if matches!(sealed, Sealed::Whole(_)) {
            self.records_sent = self.records_sent.saturating_add(records_of(plain.len()));
        }
        Ok(sealed)
    }

    /// Lets rustls run until it can seal records, and calls `seal` with that state and the pending
    /// bytes.
    fn when_established<R>(
        &mut self,
        seal: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> R,
    ) -> Result<R, TlsError> {
        let Layer::Rustls(connection) = &mut self.layer else { return Err(TlsError::Failed) };
        loop {
            // The same bytes again: they may hold half a message.
            match connection.process_tls_records(&mut self.partial).state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return Ok(seal(&mut traffic, &mut self.pending));
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(&mut self.pending, |room| data.encode(room));
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.input = Input::Closed,
                _ => return Err(TlsError::Exhausted),
            }
        }
    }

    /// The last bytes of this session: close_notify, or after a fault the alert that names it.
    pub(crate) fn seal_close(&mut self) -> Vec<u8> {
        if matches!(self.input, Input::Failed | Input::Alerted) {
            return self.alert();
        }
        if let Layer::Own(records) = &mut self.layer {
            if records.seal_control(ALERT, &CLOSE_NOTIFY, &mut self.pending).is_err() {
                self.pending.clear();
            }
            return self.take_pending();
        }
        // Fails before the end of the handshake: then there is none.
        let _ = self.when_established(|traffic, pending| {
            let ahead = pending.len();
            pending.resize(ahead + ALERT_ROOM, 0);
            let sealed = traffic.queue_close_notify(&mut pending[ahead..]);
            pending.truncate(ahead + sealed.unwrap_or(0));
        });
        self.take_pending()
    }

    /// The alert that names the fault, once; the record layer's is pending already. rustls returns
    /// the alert that it has queued before it reads any bytes; called again it would read those
    /// that it failed for, and may panic.
    fn alert(&mut self) -> Vec<u8> {
        if std::mem::replace(&mut self.input, Input::Alerted) != Input::Alerted
            && let Layer::Rustls(connection) = &mut self.layer
        {
            let status = connection.process_tls_records(&mut self.partial);
            if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
                append(&mut self.pending, |room| data.encode(room));
            }
        }
        self.take_pending()
    }

    /// Records sent with keys that cannot be replaced: those of TLS 1.3 are replaced in time.
    pub(crate) fn records_sent(&self) -> u32 {
        match &self.layer {
            Layer::Rustls(connection)
                if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) =>
            {
                self.records_sent
            }
            _ => 0,
        }
    }

    /// Bytes that the present record lacks; 0 between two records.
    pub(crate) fn missing_bytes(&self) -> usize {
        const HEADER: usize = 5;
        let mut rest = self.partial.as_slice();
        loop {
            let whole = match *rest {
                [] => return 0,
                [_, _, _, high, low, ..] => HEADER + usize::from(u16::from_be_bytes([high, low])),
                _ => HEADER,
            };
            match rest.get(whole..) {
                Some(next) if whole > HEADER => rest = next,
                _ => return whole.saturating_sub(rest.len()),
            }
        }
    }

    /// Whether the kernel could continue this session now.
    pub(crate) fn fits_kernel(&self, kernel: &Kernel) -> bool {
        let Layer::Rustls(connection) = &self.layer else { return false };
        let suite = connection.negotiated_cipher_suite();
        self.partial.is_empty()
            && self.pending.is_empty()
            && self.input == Input::Open
            && suite.is_some_and(|suite| kernel.takes(suite))
    }

    /// Hands the keys to the kernel's TLS, which is attached to `socket`; all else is freed.
    ///
    /// # Errors
    /// [`TlsError`]: the connection is lost.
    pub(crate) fn into_ktls(
        self,
        socket: &impl AsRawFd,
        kernel: &Kernel,
    ) -> Result<KtlsSession, TlsError> {
        let Layer::Rustls(connection) = self.layer else { return Err(TlsError::Suite) };
        KtlsSession::take_over(*connection, socket, kernel)
    }

    /// What must be sent now, without a record behind it: during the handshake.
    pub(crate) fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }
}

/// Puts the pending bytes, for which room was left, ahead of what was sealed.
fn put_ahead(pending: &mut Vec<u8>, sealed: Sealed, out: &mut [u8]) -> Sealed {
    let ahead = pending.len();
    match sealed {
        Sealed::Whole(sealed) => {
            // Mostly empty; otherwise its capacity is freed.
            out[..ahead].copy_from_slice(&std::mem::take(pending));
            Sealed::Whole(ahead + sealed)
        }
        Sealed::Needs(room) => Sealed::Needs(ahead + room),
    }
}

/// Appends what `encode` writes; a first call with no room returns the room needed.
fn append(out: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
        encode(&mut [])
    {
        out.resize(start + required_size, 0);
        let written = encode(&mut out[start..]);
        debug_assert!(written.is_ok(), "it got the room that it required");
    }
}

#[cfg(test)]
mod tests;

//! TLS in user space over rustls's unbuffered API: no buffers at rest, only the keys.
//!
//! The same [`TlsSession`] makes the handshake (driven by `greet`) and then, handed over to the
//! delivery ring, opens what arrives and seals what leaves: over TLS 1.3 by [`Records`] of our own,
//! over TLS 1.2 by rustls. With kernel TLS, `kernel` takes its place after the handshake; sockets
//! then need neither `open` nor `seal`.

mod open;

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use uringcast_ring::Sealed;

use super::kernel::{ALERT, CLOSE_NOTIFY, Kernel, KernelSession, records_of};
use super::records::Records;

/// Room for a close_notify or an alert, whatever the suite (RFC 8446 5.2 allows no larger).
const ALERT_ROOM: usize = 512;

/// The TLS state of one connection.
pub(super) struct TlsSession {
    layer: Layer,
    /// Whether an established TLS 1.3 connection becomes [`Layer::Own`].
    settles: bool,
    /// An earlier session was taken up.
    resumed: bool,
    /// The beginning of a record or message whose end has not arrived. rustls remembers where in it
    /// things are, so it is shown this and nothing else. No capacity while empty.
    partial: Vec<u8>,
    /// Handshake messages, KeyUpdate answers and alerts that must leave before the next record.
    pending: Vec<u8>,
    /// The peer said close_notify: what follows is not read.
    closed: bool,
    /// The peer broke TLS: nothing more is read, and nothing but the alert is sent.
    failed: bool,
    /// That alert was taken.
    alerted: bool,
    /// Records sent with keys that cannot be replaced (TLS 1.2), at most.
    records: u32,
}

/// Who makes the records.
#[allow(clippy::large_enum_variant, reason = "a delivery finds its key one step sooner")]
enum Layer {
    Rustls(Box<UnbufferedServerConnection>),
    Own(Records),
    /// Nobody, while rustls hands over, and for good if that fails.
    Lost,
}

/// What [`TlsSession::open`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// The peer said close_notify (RFC 8446 6.1).
    pub eof: bool,
    /// The handshake is complete.
    pub established: bool,
}

/// The peer broke TLS, or the keys are used up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFault {
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    #[error("the peer's records cannot be reassembled")]
    Oversize,
    #[error("the traffic keys are used up")]
    Exhausted,
    #[error("the kernel cannot take these keys")]
    Suite,
    #[error("the kernel refuses: {0}")]
    Kernel(#[from] io::Error),
    #[error("the peer broke TLS before")]
    Failed,
}

impl TlsSession {
    /// A session before its handshake. `keeps`: the kernel may be given its keys later.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub(super) fn new(config: Arc<ServerConfig>, keeps: bool) -> Result<TlsSession, TlsFault> {
        let settles = config.enable_secret_extraction && !keeps;
        Ok(TlsSession {
            layer: Layer::Rustls(Box::new(UnbufferedServerConnection::new(config)?)),
            settles,
            resumed: false,
            partial: Vec::new(),
            pending: Vec::new(),
            closed: false,
            failed: false,
            alerted: false,
            records: 0,
        })
    }

    /// Whether the handshake, now complete, took up an earlier session (RFC 8446 2.2).
    pub(super) fn resumed(&self) -> bool {
        match &self.layer {
            Layer::Rustls(rustls) => rustls.handshake_kind() == Some(HandshakeKind::Resumed),
            Layer::Own(_) | Layer::Lost => self.resumed,
        }
    }

    /// Seals `plain` into `out`, behind whatever must leave before it. Large payloads become
    /// several records.
    ///
    /// # Errors
    /// [`TlsFault`] when this session can send nothing more.
    pub(super) fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Sealed, TlsFault> {
        if self.failed {
            return Err(TlsFault::Failed);
        }
        let connection = match &mut self.layer {
            Layer::Rustls(connection) => connection,
            Layer::Own(records) => {
                if records.is_worn() {
                    records.renew(&mut self.pending)?;
                }
                let ahead = self.pending.len();
                let room = out.get_mut(ahead..).unwrap_or_default();
                return Ok(match records.seal(plain, room)? {
                    Sealed::Whole(sealed) => {
                        // Seldom anything, and then no capacity is kept.
                        out[..ahead].copy_from_slice(&std::mem::take(&mut self.pending));
                        Sealed::Whole(ahead + sealed)
                    }
                    Sealed::Needs(room) => Sealed::Needs(ahead + room),
                });
            }
            Layer::Lost => return Err(TlsFault::Failed),
        };
        loop {
            // Nothing new, but what it has seen already: it may hold half a message.
            let status = connection.process_tls_records(&mut self.partial);
            match status.state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let ahead = self.pending.len();
                    let room = out.get_mut(ahead..).unwrap_or_default();
                    return match traffic.encrypt(plain, room) {
                        Ok(sealed) => {
                            self.records = self.records.saturating_add(records_of(plain.len()));
                            out[..ahead].copy_from_slice(&self.pending);
                            self.pending = Vec::new();
                            Ok(Sealed::Whole(ahead + sealed))
                        }
                        Err(EncryptError::InsufficientSize(error)) => {
                            Ok(Sealed::Needs(ahead + error.required_size))
                        }
                        Err(EncryptError::EncryptExhausted) => Err(TlsFault::Exhausted),
                    };
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(&mut self.pending, |room| data.encode(room));
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.closed = true,
                _ => return Err(TlsFault::Exhausted),
            }
        }
    }

    /// The last bytes of this session: close_notify, or after a fault the alert that names it.
    pub(super) fn seal_close(&mut self) -> Vec<u8> {
        if self.failed {
            return self.alert();
        }
        let connection = match &mut self.layer {
            Layer::Rustls(connection) => connection,
            Layer::Own(records) => {
                if records.say(ALERT, &CLOSE_NOTIFY, &mut self.pending).is_err() {
                    self.pending.clear();
                }
                return self.take_pending();
            }
            Layer::Lost => return self.take_pending(),
        };
        loop {
            match connection.process_tls_records(&mut self.partial).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.pending, |room| data.encode(room));
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.closed = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let ahead = self.pending.len();
                    self.pending.resize(ahead + ALERT_ROOM, 0);
                    let sealed = traffic.queue_close_notify(&mut self.pending[ahead..]);
                    self.pending.truncate(ahead + sealed.unwrap_or(0));
                    return self.take_pending();
                }
                _ => return self.take_pending(),
            }
        }
    }

    /// The alert that names the fault, once; one of our own records is there already. What rustls
    /// has queued it gives before it looks at any bytes; asked again it would look at those that
    /// it failed for, and may panic.
    fn alert(&mut self) -> Vec<u8> {
        if !std::mem::replace(&mut self.alerted, true)
            && let Layer::Rustls(connection) = &mut self.layer
        {
            let status = connection.process_tls_records(&mut self.partial);
            if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
                append(&mut self.pending, |room| data.encode(room));
            }
        }
        self.take_pending()
    }

    /// Records sent with keys that nobody replaces: those of TLS 1.3 are replaced in time.
    pub(super) fn records(&self) -> u32 {
        match &self.layer {
            Layer::Rustls(connection)
                if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) =>
            {
                self.records
            }
            _ => 0,
        }
    }

    /// Bytes that the record at hand lacks; 0 between two records.
    pub(super) fn missing(&self) -> usize {
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

    /// Whether the kernel could go on with this session now.
    pub(super) fn fits(&self, kernel: &Kernel) -> bool {
        let Layer::Rustls(connection) = &self.layer else { return false };
        let suite = connection.negotiated_cipher_suite();
        self.partial.is_empty()
            && self.pending.is_empty()
            && !self.closed
            && suite.is_some_and(|suite| kernel.takes(suite))
    }

    /// Hands the keys to the kernel, whose layer is attached to `socket`; all else is freed.
    ///
    /// # Errors
    /// [`TlsFault`]: the connection is lost.
    pub(super) fn hand_over(
        self,
        socket: &impl AsRawFd,
        kernel: &Kernel,
    ) -> Result<KernelSession, TlsFault> {
        let Layer::Rustls(connection) = self.layer else { return Err(TlsFault::Suite) };
        KernelSession::take_over(*connection, socket, kernel)
    }

    /// Whether we make the records.
    #[cfg(test)]
    pub(super) fn is_own(&self) -> bool {
        matches!(self.layer, Layer::Own(_))
    }

    /// The records that we make.
    #[cfg(test)]
    pub(super) fn into_records(self) -> Records {
        let Layer::Own(records) = self.layer else { panic!("rustls makes them") };
        records
    }

    /// What must be sent now, without waiting for a record: during the handshake.
    pub(super) fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }
}

/// Appends what `encode` writes, asked first how much room it needs.
fn append(out: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
        encode(&mut [])
    {
        out.resize(start + required_size, 0);
        let written = encode(&mut out[start..]);
        debug_assert!(written.is_ok(), "it was given the room it asked for");
    }
}

#[cfg(test)]
mod tests;

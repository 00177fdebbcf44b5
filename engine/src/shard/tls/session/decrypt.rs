//! What arrives: the handshake, then records. Whole ones are opened, the rest is kept.

use rustls::ProtocolVersion;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

use super::{Input, Layer, Opened, TlsError, TlsSession, append};
use crate::config::{SecretTap, TrafficSecrets};
use crate::limits::MAX_PARTIAL_RECORD;
use crate::shard::tls::peer_certificate;
use crate::shard::tls::record_layer::{Progress, RecordLayer};

impl TlsSession {
    /// Opens bytes from the socket and appends their plaintext to `out`.
    ///
    /// # Errors
    /// [`TlsError`], after which only [`TlsSession::seal_close`] is of use.
    pub(crate) fn open(&mut self, input: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, TlsError> {
        if matches!(self.input, Input::Failed | Input::Alerted) {
            return Err(TlsError::Failed);
        }
        let opened = self.open_joined(input, out);
        if opened.is_err() {
            self.input = Input::Failed;
        }
        opened
    }

    fn open_joined(&mut self, input: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, TlsError> {
        let (mut opened, mut used) = (Opened::default(), 0);
        // Unused bytes are kept also after a fault: rustls has offsets into them.
        let processed = if self.partial.is_empty() {
            let processed = self.process(input, &mut used, out, &mut opened);
            self.partial.extend_from_slice(&input[used..]);
            processed
        } else {
            // Many connections hold one for long: reserve no more than its bytes.
            let mut joined = std::mem::take(&mut self.partial);
            joined.reserve_exact(input.len());
            joined.extend_from_slice(input);
            let processed = self.process(&mut joined, &mut used, out, &mut opened);
            self.partial = if used == 0 { joined } else { joined[used..].to_vec() };
            processed
        };
        processed?;
        if self.input == Input::Closed {
            self.partial = Vec::new();
        } else if self.partial.len() > MAX_PARTIAL_RECORD {
            return Err(TlsError::Oversize);
        }
        opened.established = match &self.layer {
            Layer::Rustls(connection) => !connection.is_handshaking(),
            Layer::Own(_) => true,
            Layer::Lost => false,
        };
        Ok(opened)
    }

    /// Moves the keys of an established connection from rustls to the record layer. rustls must
    /// have read nothing since the handshake ended.
    fn switch_to_own(&mut self) -> Result<(), TlsError> {
        let Layer::Rustls(connection) = &self.layer else { return Ok(()) };
        let tls13 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if !self.switches_to_own || !tls13 {
            return Ok(());
        }
        self.certificate = peer_certificate::of(connection.peer_certificates())?;
        self.resumed = self.resumed();
        if let Layer::Rustls(connection) = std::mem::replace(&mut self.layer, Layer::Lost) {
            let secrets = self.secrets.take().map(|secrets| *secrets).unwrap_or_default();
            self.layer = Layer::Own(RecordLayer::take_over(*connection, secrets)?);
        }
        Ok(())
    }

    /// Opens the whole records of `input`, and adds the bytes consumed to `used`. rustls runs until
    /// it needs more bytes or has handed over its keys.
    fn process(
        &mut self,
        input: &mut [u8],
        used: &mut usize,
        out: &mut Vec<u8>,
        opened: &mut Opened,
    ) -> Result<(), TlsError> {
        let mut ended = false;
        loop {
            let connection = match &mut self.layer {
                Layer::Rustls(connection) => connection,
                Layer::Own(records) if self.input == Input::Open => {
                    let Progress { used: more, closed, controls } =
                        records.open(&mut input[*used..], out, &mut self.pending)?;
                    *used += more;
                    opened.controls = controls;
                    if closed {
                        (opened.eof, self.input) = (true, Input::Closed);
                    }
                    return Ok(());
                }
                Layer::Own(_) | Layer::Lost => return Ok(()),
            };
            if ended && !connection.wants_write() {
                self.switch_to_own()?;
                ended = false;
                continue;
            }
            let handshaking = connection.is_handshaking();
            let status = connection.process_tls_records(&mut input[*used..]);
            if handshaking {
                keep(&mut self.secrets);
            }
            let UnbufferedStatus { discard, state } = status;
            *used += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        *used += record.discard;
                        out.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(&mut self.pending, |room| data.encode(room));
                    // The tickets: rustls sends them before it reads on.
                    ended |= handshaking && !connection.is_handshaking();
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => (opened.eof, self.input) = (true, Input::Closed),
                ConnectionState::WriteTraffic(_)
                | ConnectionState::BlockedHandshake
                | ConnectionState::Closed => return Ok(()),
                // Early data is never offered, and no other state exists in this version.
                _ => return Err(rustls::Error::General("unexpected state".into()).into()),
            }
        }
    }
}

/// Keeps the traffic secrets that a step of a handshake has left on this thread.
fn keep(secrets: &mut Option<Box<TrafficSecrets>>) {
    let TrafficSecrets { send, receive } = SecretTap::take();
    if send.is_some() || receive.is_some() {
        let kept = secrets.get_or_insert_default();
        kept.send = send.or(kept.send.take());
        kept.receive = receive.or(kept.receive.take());
    }
}

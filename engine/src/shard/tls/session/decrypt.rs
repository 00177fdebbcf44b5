//! What arrives: the handshake, then records.

use rustls::ProtocolVersion;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

use super::{Layer, Opened, TlsFault, TlsSession, append};
use crate::limits::MAX_PARTIAL_RECORD;
use crate::shard::tls::record_layer::{Progress, Records};

impl TlsSession {
    /// Takes in bytes from the socket and appends the plaintext in them to `out`.
    ///
    /// # Errors
    /// [`TlsFault`], after which only [`TlsSession::seal_close`] is of use.
    pub(crate) fn open(&mut self, input: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, TlsFault> {
        if self.failed {
            return Err(TlsFault::Failed);
        }
        let opened = self.open_joined(input, out);
        self.failed = opened.is_err();
        opened
    }

    fn open_joined(&mut self, input: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, TlsFault> {
        let (mut opened, mut used) = (Opened::default(), 0);
        // What is not used up is kept also after a fault: rustls points into it.
        let processed = if self.partial.is_empty() {
            let processed = self.process(input, &mut used, out, &mut opened);
            self.partial.extend_from_slice(&input[used..]);
            processed
        } else {
            // Many hold one for long: no more than what is there.
            let mut joined = std::mem::take(&mut self.partial);
            joined.reserve_exact(input.len());
            joined.extend_from_slice(input);
            let processed = self.process(&mut joined, &mut used, out, &mut opened);
            self.partial = if used == 0 { joined } else { joined[used..].to_vec() };
            processed
        };
        processed?;
        if self.closed {
            self.partial = Vec::new();
        } else if self.partial.len() > MAX_PARTIAL_RECORD {
            return Err(TlsFault::Oversize);
        }
        opened.established = match &self.layer {
            Layer::Rustls(connection) => !connection.is_handshaking(),
            Layer::Own(_) => true,
            Layer::Lost => false,
        };
        Ok(opened)
    }

    /// Opens what is whole in `input`, and counts the bytes used up.
    fn process(
        &mut self,
        input: &mut [u8],
        used: &mut usize,
        out: &mut Vec<u8>,
        opened: &mut Opened,
    ) -> Result<(), TlsFault> {
        if matches!(self.layer, Layer::Rustls(_)) {
            self.process_by_rustls(input, used, out, opened)?;
        }
        if !self.closed
            && let Layer::Own(records) = &mut self.layer
        {
            let Progress { used: more, closed } =
                records.open(&mut input[*used..], out, &mut self.pending)?;
            *used += more;
            (opened.eof, self.closed) = (closed, closed);
        }
        Ok(())
    }

    /// Takes the keys of a connection whose handshake has just ended, and of which rustls has read
    /// nothing since.
    fn settle(&mut self) -> Result<(), TlsFault> {
        let Layer::Rustls(connection) = &self.layer else { return Ok(()) };
        let tls13 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if !self.settles || !tls13 {
            return Ok(());
        }
        self.resumed = self.resumed();
        if let Layer::Rustls(connection) = std::mem::replace(&mut self.layer, Layer::Lost) {
            self.layer = Layer::Own(Records::take_over(*connection)?);
        }
        Ok(())
    }

    /// Runs rustls over `input` until it wants more or has handed over; counts the bytes used up.
    fn process_by_rustls(
        &mut self,
        input: &mut [u8],
        used: &mut usize,
        out: &mut Vec<u8>,
        opened: &mut Opened,
    ) -> Result<(), TlsFault> {
        let mut ended = false;
        loop {
            let Layer::Rustls(connection) = &mut self.layer else { return Ok(()) };
            if ended && !connection.wants_write() {
                self.settle()?;
                ended = false;
                continue;
            }
            let handshaking = connection.is_handshaking();
            let status = connection.process_tls_records(&mut input[*used..]);
            let UnbufferedStatus { discard, state } = status;
            *used += discard;
            let mut wants_more = false;
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
                    // The tickets: rustls gives them out before it reads on.
                    ended |= handshaking && !connection.is_handshaking();
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => (opened.eof, self.closed) = (true, true),
                ConnectionState::WriteTraffic(_)
                | ConnectionState::BlockedHandshake
                | ConnectionState::Closed => wants_more = true,
                // Early data is never offered; other states are not known today.
                _ => return Err(rustls::Error::General("unexpected state".into()).into()),
            }
            if wants_more {
                return Ok(());
            }
        }
    }
}

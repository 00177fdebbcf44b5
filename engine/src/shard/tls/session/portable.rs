//! A session as bytes, for the process that takes its connection over (docs/HANDOVER.md).

use zeroize::Zeroizing;

use super::{Input, Layer, TlsError, TlsSession};
use crate::handover::SecretBytes;
use crate::shard::tls::record_layer::RecordLayer;

/// Of what follows.
const VERSION: u8 = 1;

/// Where the TLS of a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TlsProgress {
    /// Records sent with the present key.
    pub sent: u64,
    /// Records received with the present key.
    received: u64,
    /// Bytes of an unfinished record.
    unread: usize,
}

impl TlsProgress {
    /// Whether nothing but records sent is between an earlier moment and this. Keys count from 0:
    /// no other one has come this far within a hand-over.
    pub(crate) fn continues(&self, before: &TlsProgress) -> bool {
        self.sent >= before.sent && (self.received, self.unread) == (before.received, before.unread)
    }
}

impl TlsSession {
    /// Whether another process can go on with it: it is established over TLS 1.3, and its records
    /// are made here.
    pub(crate) fn may_travel(&self) -> bool {
        matches!(self.layer, Layer::Own(_)) && matches!(self.input, Input::Open | Input::Closed)
    }

    /// What another process needs to go on: version (1), whether the peer sent close_notify (1),
    /// whether an earlier session was resumed (1), bytes of the unfinished record (4), the record
    /// layer, that record, and what must leave before the next one. `None` unless it may travel.
    pub(crate) fn to_bytes(&self) -> Option<SecretBytes> {
        let Layer::Own(layer) = &self.layer else { return None };
        let layer = self.may_travel().then(|| layer.to_bytes())?;
        let head = [VERSION, (self.input == Input::Closed).into(), self.resumed.into()];
        let partial = (self.partial.len() as u32).to_le_bytes();
        let parts = [&head, &partial[..], &layer, &self.partial, &self.pending];
        // Never grown, so that no copy of a key is left behind.
        let len = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Some(SecretBytes::new(std::mem::take(&mut *bytes)))
    }

    /// Where it stands; `None` where something waits to be sent ahead of the next record.
    pub(crate) fn progress(&self) -> Option<TlsProgress> {
        let Layer::Own(layer) = &self.layer else { return None };
        let (sent, received) = layer.numbers().filter(|_| self.pending.is_empty())?;
        Some(TlsProgress { sent, received, unread: self.partial.len() })
    }

    /// Another process has sent so many records with these keys. Returns whether that can be.
    pub(crate) fn set_sealed(&mut self, records: u64) -> bool {
        match &mut self.layer {
            Layer::Own(layer) => layer.set_sealed(records),
            Layer::Rustls(_) | Layer::Lost => false,
        }
    }

    /// Goes on with what another process has written.
    ///
    /// # Errors
    /// [`TlsError::Suite`] for what no session is.
    pub(crate) fn from_bytes(bytes: &SecretBytes) -> Result<TlsSession, TlsError> {
        let [VERSION, closed, resumed, a, b, c, d, rest @ ..] = bytes.expose() else {
            return Err(TlsError::Suite);
        };
        let (layer, rest) = RecordLayer::from_bytes(rest)?;
        let partial = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let (partial, pending) = rest.split_at_checked(partial).ok_or(TlsError::Suite)?;
        Ok(TlsSession {
            layer: Layer::Own(layer),
            switches_to_own: true,
            resumed: *resumed != 0,
            certificate: None,
            secrets: None,
            partial: partial.to_vec(),
            pending: pending.to_vec(),
            input: if *closed != 0 { Input::Closed } else { Input::Open },
            records_sent: 0,
        })
    }
}

#[cfg(test)]
mod tests;

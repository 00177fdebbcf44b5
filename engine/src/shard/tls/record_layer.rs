//! The TLS 1.3 record layer (RFC 8446, 5), with the keys that rustls has negotiated. Another
//! process can go on with it (`portable_keys`).
//!
//! rustls's record layer copies a payload twice, allocates for each record and runs its whole state
//! machine before it. This one seals straight into the send batch, and keeps two keys and the key
//! schedule of a connection (docs/decisions/0021-own-records.md). The handshake and TLS 1.2 are
//! rustls's. A KeyUpdate that is split over two records, which RFC 8446, 5.1 allows and no known
//! library sends, is refused.

mod key_schedule;
mod portable_keys;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use rustls::server::UnbufferedServerConnection;
use rustls::{ConnectionTrafficSecrets, Error};
use zeroize::Zeroizing;

use self::key_schedule::KeySchedule;

use super::TlsError;
use super::control_records::{
    ALERT, APPLICATION_DATA, Alert, BAD_RECORD_MAC, ControlRecord, HANDSHAKE, KEY_UPDATE,
    RECORD_OVERFLOW, UNEXPECTED_MESSAGE,
};
use crate::config::TrafficSecrets;
use crate::limits::{MAX_CONTROL_RECORDS, MAX_TLS_RECORDS};
use crate::shard::delivery_ring::Sealed;

/// Type, legacy version, length.
const HEADER: usize = 5;
/// Of all three AEADs.
const TAG: usize = 16;
/// What a record adds to its plaintext: header, inner type, tag.
const OVERHEAD: usize = HEADER + 1 + TAG;
/// Bytes of plaintext in one record. RFC 8446, 5.1.
const MAX_FRAGMENT: usize = 1 << 14;
/// Bytes of ciphertext in one record. RFC 8446, 5.2.
const MAX_SEALED: usize = MAX_FRAGMENT + 256;

/// One direction.
struct DirectionKey {
    key: LessSafeKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    /// Of the next record: every nonce is used once.
    seq: u64,
}

/// Both directions of an established connection.
pub(crate) struct RecordLayer {
    send: DirectionKey,
    receive: DirectionKey,
    schedule: KeySchedule,
    /// KeyUpdates, warnings and empty records of the peer since its last data.
    controls: u16,
    /// Such records opened by the present call.
    opened_controls: u16,
    /// A KeyUpdate was answered and no data was sent since.
    update_answered: bool,
}

/// What [`RecordLayer::open`] did.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of input consumed.
    pub used: usize,
    /// The peer sent close_notify.
    pub closed: bool,
    /// KeyUpdates, warnings and empty records opened.
    pub controls: u16,
}

/// What the peer did wrong: the alert to send, if any, and the error.
struct Violation(Option<Alert>, Error);

impl Violation {
    fn new(alert: Alert, what: &str) -> Violation {
        Violation(Some(alert), Error::General(what.into()))
    }
}

impl DirectionKey {
    fn new((seq, secrets): (u64, ConnectionTrafficSecrets)) -> Result<DirectionKey, TlsError> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(TlsError::Suite),
        };
        DirectionKey::of(algorithm, key.as_ref(), iv.as_ref(), seq)
    }

    fn of(
        algorithm: &'static Algorithm,
        key: &[u8],
        iv: &[u8],
        seq: u64,
    ) -> Result<DirectionKey, TlsError> {
        let key = UnboundKey::new(algorithm, key).map_err(|_| TlsError::Suite)?;
        let iv = iv.try_into().map(Zeroizing::new).map_err(|_| TlsError::Suite)?;
        Ok(DirectionKey { key: LessSafeKey::new(key), iv, seq })
    }

    /// The next record's nonce. RFC 8446, 5.3.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = *self.iv;
        for (byte, seq) in nonce[NONCE_LEN - 8..].iter_mut().zip(self.seq.to_be_bytes()) {
            *byte ^= seq;
        }
        self.seq += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals `plain` as one record, which fills `out`.
    fn seal(&mut self, kind: u8, plain: &[u8], out: &mut [u8]) -> Result<(), TlsError> {
        let (header, rest) = out.split_at_mut(HEADER);
        let [high, low] = (rest.len() as u16).to_be_bytes();
        let head = [APPLICATION_DATA, 3, 3, high, low];
        header.copy_from_slice(&head);
        let (text, tail) = rest.split_at_mut(plain.len());
        let (nonce, aad) = (self.nonce(), Aad::from(head));
        let sealed = self.key.seal_out_of_place_scatter(nonce, aad, plain, text, &[kind], tail);
        sealed.map_err(|_| TlsError::Rustls(Error::EncryptError))
    }

    /// Opens a record's ciphertext in its place. Returns its type and plaintext.
    fn open<'a>(
        &mut self,
        head: [u8; HEADER],
        sealed: &'a mut [u8],
    ) -> Result<(u8, &'a [u8]), Violation> {
        let (nonce, aad) = (self.nonce(), Aad::from(head));
        let opened = self.key.open_in_place(nonce, aad, sealed);
        let inner = opened.map_err(|_| Violation(Some(BAD_RECORD_MAC), Error::DecryptError))?;
        if inner.len() > MAX_FRAGMENT + 1 {
            return Err(Violation(Some(RECORD_OVERFLOW), Error::PeerSentOversizedRecord));
        }
        // Padding of zeros follows the type.
        let Some(end) = inner.iter().rposition(|byte| *byte != 0) else {
            return Err(Violation::new(UNEXPECTED_MESSAGE, "a record without a type"));
        };
        Ok((inner[end], &inner[..end]))
    }
}

impl RecordLayer {
    /// Continues an established TLS 1.3 connection, between two records. `secrets` are those that
    /// its handshake has left.
    ///
    /// # Errors
    /// [`TlsError`]: the connection is lost.
    pub(crate) fn take_over(
        connection: UnbufferedServerConnection,
        secrets: TrafficSecrets,
    ) -> Result<RecordLayer, TlsError> {
        let (keys, _) = connection.dangerous_into_kernel_connection()?;
        let schedule = KeySchedule::new(&keys.tx.1, secrets).ok_or(TlsError::Suite)?;
        let (send, receive) = (DirectionKey::new(keys.tx)?, DirectionKey::new(keys.rx)?);
        Ok(RecordLayer {
            send,
            receive,
            schedule,
            controls: 0,
            opened_controls: 0,
            update_answered: false,
        })
    }

    /// Seals `plain` into `out`, as several records if it is large.
    ///
    /// # Errors
    /// When the AEAD fails, which has no known cause.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Sealed, TlsError> {
        let whole = plain.len() + plain.len().div_ceil(MAX_FRAGMENT) * OVERHEAD;
        let Some(mut rest) = out.get_mut(..whole) else { return Ok(Sealed::Needs(whole)) };
        for fragment in plain.chunks(MAX_FRAGMENT) {
            let (record, behind) = rest.split_at_mut(fragment.len() + OVERHEAD);
            self.send.seal(APPLICATION_DATA, fragment, record)?;
            rest = behind;
        }
        self.update_answered = false;
        Ok(Sealed::Whole(whole))
    }

    /// Seals a control record and appends it to `pending`.
    ///
    /// # Errors
    /// As [`RecordLayer::seal`].
    pub(crate) fn seal_control(
        &mut self,
        kind: u8,
        bytes: &[u8],
        pending: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        let start = pending.len();
        pending.resize(start + bytes.len() + OVERHEAD, 0);
        self.send.seal(kind, bytes, &mut pending[start..])
    }

    /// Whether MAX_TLS_RECORDS were sent with the present key: the next ones need another.
    pub(crate) fn needs_rekey(&self) -> bool {
        self.send.seq >= u64::from(MAX_TLS_RECORDS)
    }

    /// Sends a KeyUpdate and replaces the sending key. RFC 8446, 4.6.3.
    ///
    /// # Errors
    /// As [`RecordLayer::seal`].
    pub(crate) fn rekey(&mut self, pending: &mut Vec<u8>) -> Result<(), TlsError> {
        self.seal_control(HANDSHAKE, &KEY_UPDATE, pending)?;
        self.send = self.schedule.update_send()?;
        Ok(())
    }

    /// Opens the whole records of `input` and appends their plaintext to `out`. Answers go to
    /// `pending`: they must leave before the next record.
    ///
    /// # Errors
    /// [`TlsError`] when the peer broke TLS: its alert is in `pending`.
    pub(crate) fn open(
        &mut self,
        input: &mut [u8],
        out: &mut Vec<u8>,
        pending: &mut Vec<u8>,
    ) -> Result<Progress, TlsError> {
        let mut progress = Progress::default();
        self.opened_controls = 0;
        while !progress.closed {
            match self.open_one(&mut input[progress.used..], out, pending) {
                Ok(None) => break,
                Ok(Some((used, closed))) => {
                    progress.used += used;
                    progress.closed = closed;
                }
                Err(Violation(alert, error)) => {
                    if let Some(alert) = alert {
                        self.seal_control(ALERT, &alert, pending)?;
                    }
                    return Err(TlsError::Rustls(error));
                }
            }
        }
        progress.controls = self.opened_controls;
        Ok(progress)
    }

    /// Opens one record. Returns its length, and whether it was close_notify; `None` while its end
    /// is missing.
    fn open_one(
        &mut self,
        input: &mut [u8],
        out: &mut Vec<u8>,
        pending: &mut Vec<u8>,
    ) -> Result<Option<(usize, bool)>, Violation> {
        let Some((&mut head, rest)) = input.split_first_chunk_mut::<HEADER>() else {
            return Ok(None);
        };
        let [kind, _, _, high, low] = head;
        if kind != APPLICATION_DATA {
            return Err(Violation::new(UNEXPECTED_MESSAGE, "a record that is not sealed"));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_SEALED {
            return Err(Violation(Some(RECORD_OVERFLOW), Error::PeerSentOversizedRecord));
        }
        let Some(sealed) = rest.get_mut(..length) else { return Ok(None) };
        let (kind, bytes) = self.receive.open(head, sealed)?;
        let mut closed = false;
        match ControlRecord::parse(kind, bytes, true) {
            ControlRecord::Data if bytes.is_empty() => self.count_control()?,
            ControlRecord::Data => {
                out.extend_from_slice(bytes);
                self.controls = 0;
            }
            ControlRecord::CloseNotify => closed = true,
            ControlRecord::Ignore => self.count_control()?,
            ControlRecord::KeyUpdate { answer } => self.follow_key_update(answer, pending)?,
            ControlRecord::FatalAlert => {
                let what = bytes.get(1).copied().unwrap_or_default();
                return Err(Violation(None, Error::AlertReceived(what.into())));
            }
            ControlRecord::Refuse(alert) => {
                return Err(Violation::new(alert, "a record that is not allowed here"));
            }
        }
        Ok(Some((HEADER + length, closed)))
    }

    /// Bounds the records that cost time and carry no data.
    fn count_control(&mut self) -> Result<(), Violation> {
        self.controls = self.controls.saturating_add(1);
        self.opened_controls = self.opened_controls.saturating_add(1);
        if self.controls.max(self.opened_controls) > MAX_CONTROL_RECORDS {
            return Err(Violation::new(UNEXPECTED_MESSAGE, "too many records without data"));
        }
        Ok(())
    }

    /// Follows the peer's KeyUpdate. Several requests before our next record get one answer.
    fn follow_key_update(&mut self, answer: bool, pending: &mut Vec<u8>) -> Result<(), Violation> {
        self.count_control()?;
        let lost = |fault: TlsError| Violation(None, Error::General(fault.to_string()));
        self.receive = self.schedule.update_receive().map_err(lost)?;
        if answer && !self.update_answered {
            self.rekey(pending).map_err(lost)?;
            self.update_answered = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

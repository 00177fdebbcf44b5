//! TLS 1.3 records (RFC 8446, 5) sealed and opened here, with the keys that rustls has agreed on.
//!
//! rustls's own record layer copies a payload twice, allocates for each record and asks its whole
//! state machine before it; sealing straight into the batch does none of that, and what stays of a
//! connection is its two keys and the key schedule (docs/decisions/0021-own-records.md). Before
//! and during the handshake, and for TLS 1.2, all is rustls's. A KeyUpdate that is cut in two
//! records, which RFC 8446, 5.1 allows and nobody sends, is refused.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::{ConnectionTrafficSecrets, Error};
use uringcast_ring::Sealed;
use zeroize::Zeroizing;

use super::kernel::{
    ALERT, APPLICATION_DATA, Alert, BAD_RECORD_MAC, HANDSHAKE, KEY_UPDATE, RECORD_OVERFLOW,
    UNEXPECTED_MESSAGE, Verdict, judge,
};
use super::tls::TlsFault;
use crate::limits::{MAX_CONTROL_RECORDS, MAX_TLS_RECORDS};

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
struct Half {
    key: LessSafeKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    /// Of the next record: every nonce is used once.
    seq: u64,
}

/// Both directions of an established connection.
pub(super) struct Records {
    send: Half,
    receive: Half,
    schedule: KernelConnection<ServerConnectionData>,
    /// KeyUpdates, warnings and empty records of the peer since it last said something.
    controls: u16,
    /// A KeyUpdate was answered and nothing sent since.
    answered: bool,
}

/// What [`Records::open`] did.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes of input used up.
    pub used: usize,
    /// The peer said close_notify.
    pub closed: bool,
}

/// Why a peer is not listened to any more, and what it is told.
struct Breach(Option<Alert>, Error);

impl Breach {
    fn new(alert: Alert, what: &str) -> Breach {
        Breach(Some(alert), Error::General(what.into()))
    }
}

impl Half {
    fn new((seq, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Half, TlsFault> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(TlsFault::Suite),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| TlsFault::Suite)?;
        let iv = iv.as_ref().try_into().map(Zeroizing::new).map_err(|_| TlsFault::Suite)?;
        Ok(Half { key: LessSafeKey::new(key), iv, seq })
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
    fn seal(&mut self, kind: u8, plain: &[u8], out: &mut [u8]) -> Result<(), TlsFault> {
        let (header, rest) = out.split_at_mut(HEADER);
        let [high, low] = (rest.len() as u16).to_be_bytes();
        let head = [APPLICATION_DATA, 3, 3, high, low];
        header.copy_from_slice(&head);
        let (text, tail) = rest.split_at_mut(plain.len());
        let (nonce, aad) = (self.nonce(), Aad::from(head));
        let sealed = self.key.seal_out_of_place_scatter(nonce, aad, plain, text, &[kind], tail);
        sealed.map_err(|_| TlsFault::Rustls(Error::EncryptError))
    }

    /// Opens a record's ciphertext in its place. Returns its type and plaintext.
    fn open<'a>(
        &mut self,
        head: [u8; HEADER],
        sealed: &'a mut [u8],
    ) -> Result<(u8, &'a [u8]), Breach> {
        let (nonce, aad) = (self.nonce(), Aad::from(head));
        let opened = self.key.open_in_place(nonce, aad, sealed);
        let inner = opened.map_err(|_| Breach(Some(BAD_RECORD_MAC), Error::DecryptError))?;
        if inner.len() > MAX_FRAGMENT + 1 {
            return Err(Breach(Some(RECORD_OVERFLOW), Error::PeerSentOversizedRecord));
        }
        // Padding of zeros follows the type.
        let Some(end) = inner.iter().rposition(|byte| *byte != 0) else {
            return Err(Breach::new(UNEXPECTED_MESSAGE, "a record without a type"));
        };
        Ok((inner[end], &inner[..end]))
    }
}

impl Records {
    /// Takes an established TLS 1.3 connection over, between two records.
    ///
    /// # Errors
    /// [`TlsFault`]: the connection is lost.
    pub(super) fn take_over(connection: UnbufferedServerConnection) -> Result<Records, TlsFault> {
        let (secrets, schedule) = connection.dangerous_into_kernel_connection()?;
        let (send, receive) = (Half::new(secrets.tx)?, Half::new(secrets.rx)?);
        Ok(Records { send, receive, schedule, controls: 0, answered: false })
    }

    /// Seals `plain` into `out`, as several records if it is large.
    ///
    /// # Errors
    /// When the AEAD fails, which it does for no reason we know.
    pub(super) fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Sealed, TlsFault> {
        let whole = plain.len() + plain.len().div_ceil(MAX_FRAGMENT) * OVERHEAD;
        let Some(mut rest) = out.get_mut(..whole) else { return Ok(Sealed::Needs(whole)) };
        for fragment in plain.chunks(MAX_FRAGMENT) {
            let (record, behind) = rest.split_at_mut(fragment.len() + OVERHEAD);
            self.send.seal(APPLICATION_DATA, fragment, record)?;
            rest = behind;
        }
        self.answered = false;
        Ok(Sealed::Whole(whole))
    }

    /// Appends a short record to `pending`.
    ///
    /// # Errors
    /// As [`Records::seal`].
    pub(super) fn say(
        &mut self,
        kind: u8,
        bytes: &[u8],
        pending: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        let start = pending.len();
        pending.resize(start + bytes.len() + OVERHEAD, 0);
        self.send.seal(kind, bytes, &mut pending[start..])
    }

    /// Whether so many records were sent with one key that the next ones need another.
    pub(super) fn is_worn(&self) -> bool {
        self.send.seq >= u64::from(MAX_TLS_RECORDS)
    }

    /// Replaces the key that is sent with, and says so. RFC 8446, 4.6.3.
    ///
    /// # Errors
    /// As [`Records::seal`], or what rustls has against it.
    pub(super) fn renew(&mut self, pending: &mut Vec<u8>) -> Result<(), TlsFault> {
        self.say(HANDSHAKE, &KEY_UPDATE, pending)?;
        self.send = Half::new(self.schedule.update_tx_secret()?)?;
        Ok(())
    }

    /// Opens the whole records of `input` and appends their plaintext to `out`. Answers go to
    /// `pending`: they must leave before the next record.
    ///
    /// # Errors
    /// [`TlsFault`] when the peer broke TLS: the alert that says so is in `pending`.
    pub(super) fn open(
        &mut self,
        input: &mut [u8],
        out: &mut Vec<u8>,
        pending: &mut Vec<u8>,
    ) -> Result<Progress, TlsFault> {
        let mut progress = Progress::default();
        loop {
            match self.open_one(&mut input[progress.used..], out, pending) {
                Ok(None) => return Ok(progress),
                Ok(Some((used, closed))) => {
                    progress.used += used;
                    progress.closed = closed;
                    if closed {
                        return Ok(progress);
                    }
                }
                Err(Breach(alert, error)) => {
                    if let Some(alert) = alert {
                        self.say(ALERT, &alert, pending)?;
                    }
                    return Err(TlsFault::Rustls(error));
                }
            }
        }
    }

    /// Opens one record. Returns its length, and whether it was close_notify; `None` while its end
    /// is missing.
    fn open_one(
        &mut self,
        input: &mut [u8],
        out: &mut Vec<u8>,
        pending: &mut Vec<u8>,
    ) -> Result<Option<(usize, bool)>, Breach> {
        let Some((&mut head, rest)) = input.split_first_chunk_mut::<HEADER>() else {
            return Ok(None);
        };
        let [kind, _, _, high, low] = head;
        if kind != APPLICATION_DATA {
            return Err(Breach::new(UNEXPECTED_MESSAGE, "a record that is not sealed"));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_SEALED {
            return Err(Breach(Some(RECORD_OVERFLOW), Error::PeerSentOversizedRecord));
        }
        let Some(sealed) = rest.get_mut(..length) else { return Ok(None) };
        let (kind, bytes) = self.receive.open(head, sealed)?;
        let verdict = judge(kind, bytes, true);
        let mut closed = false;
        match verdict {
            Verdict::Data if bytes.is_empty() => self.count()?,
            Verdict::Data => {
                out.extend_from_slice(bytes);
                self.controls = 0;
            }
            Verdict::CloseNotify => closed = true,
            Verdict::Ignore => self.count()?,
            Verdict::KeyUpdate { answer } => self.follow(answer, pending)?,
            Verdict::Fatal => {
                let what = bytes.get(1).copied().unwrap_or_default();
                return Err(Breach(None, Error::AlertReceived(what.into())));
            }
            Verdict::Refuse(alert) => {
                return Err(Breach::new(alert, "a record that is not allowed here"));
            }
        }
        Ok(Some((HEADER + length, closed)))
    }

    /// Each of these costs time and tells nothing.
    fn count(&mut self) -> Result<(), Breach> {
        self.controls = self.controls.saturating_add(1);
        if self.controls > MAX_CONTROL_RECORDS {
            return Err(Breach::new(UNEXPECTED_MESSAGE, "too many records without data"));
        }
        Ok(())
    }

    /// Follows the peer's KeyUpdate. Several requests before our next record get one answer.
    fn follow(&mut self, answer: bool, pending: &mut Vec<u8>) -> Result<(), Breach> {
        self.count()?;
        let lost = |fault: TlsFault| Breach(None, Error::General(fault.to_string()));
        let secret = self.schedule.update_rx_secret().map_err(|error| Breach(None, error))?;
        self.receive = Half::new(secret).map_err(lost)?;
        if answer && !self.answered {
            self.renew(pending).map_err(lost)?;
            self.answered = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

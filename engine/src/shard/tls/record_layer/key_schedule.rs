//! The end of TLS 1.3's key schedule (RFC 8446, 7.1 to 7.3): from traffic secrets to keys, and to
//! the next secrets. The beginning is rustls's.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305, NONCE_LEN};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, HKDF_SHA384, Prk};
use rustls::ConnectionTrafficSecrets;
use zeroize::Zeroizing;

use super::{DirectionKey, TlsError};
use crate::config::{TrafficSecret, TrafficSecrets};

/// A cipher suite of TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Suite {
    Aes128 = 1,
    Aes256,
    Chacha20,
}

impl Suite {
    pub(super) fn parse(byte: u8) -> Option<Suite> {
        [Suite::Aes128, Suite::Aes256, Suite::Chacha20].into_iter().find(|s| *s as u8 == byte)
    }

    fn of(secrets: &ConnectionTrafficSecrets) -> Option<Suite> {
        match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { .. } => Some(Suite::Aes128),
            ConnectionTrafficSecrets::Aes256Gcm { .. } => Some(Suite::Aes256),
            ConnectionTrafficSecrets::Chacha20Poly1305 { .. } => Some(Suite::Chacha20),
            _ => None,
        }
    }

    pub(super) fn aead(self) -> &'static Algorithm {
        match self {
            Suite::Aes128 => &AES_128_GCM,
            Suite::Aes256 => &AES_256_GCM,
            Suite::Chacha20 => &CHACHA20_POLY1305,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Suite::Aes128 | Suite::Chacha20 => HKDF_SHA256,
            Suite::Aes256 => HKDF_SHA384,
        }
    }

    /// Bytes of a secret.
    pub(super) fn secret_len(self) -> usize {
        match self {
            Suite::Aes128 | Suite::Chacha20 => 32,
            Suite::Aes256 => 48,
        }
    }
}

/// What the keys of a connection come from.
pub(super) struct KeySchedule {
    pub(super) suite: Suite,
    pub(super) send: TrafficSecret,
    pub(super) receive: TrafficSecret,
}

impl KeySchedule {
    /// The schedule behind the keys of a handshake, which has left these secrets.
    pub(super) fn new(
        keys: &ConnectionTrafficSecrets,
        secrets: TrafficSecrets,
    ) -> Option<KeySchedule> {
        let (suite, TrafficSecrets { send, receive }) = (Suite::of(keys)?, secrets);
        KeySchedule::of(suite, send?, receive?)
    }

    /// `None` if the secrets are not the suite's.
    pub(super) fn of(
        suite: Suite,
        send: TrafficSecret,
        receive: TrafficSecret,
    ) -> Option<KeySchedule> {
        let fits = |secret: &TrafficSecret| secret.expose().len() == suite.secret_len();
        (fits(&send) && fits(&receive)).then_some(KeySchedule { suite, send, receive })
    }

    /// The sending key: its next record has this number.
    pub(super) fn send_key(&self, seq: u64) -> Result<DirectionKey, TlsError> {
        self.key(&self.send, seq)
    }

    /// The receiving key, likewise.
    pub(super) fn receive_key(&self, seq: u64) -> Result<DirectionKey, TlsError> {
        self.key(&self.receive, seq)
    }

    /// Goes on to the next sending key.
    pub(super) fn update_send(&mut self) -> Result<DirectionKey, TlsError> {
        self.send = self.next(&self.send)?;
        self.send_key(0)
    }

    /// Goes on to the next receiving key.
    pub(super) fn update_receive(&mut self) -> Result<DirectionKey, TlsError> {
        self.receive = self.next(&self.receive)?;
        self.receive_key(0)
    }

    fn next(&self, secret: &TrafficSecret) -> Result<TrafficSecret, TlsError> {
        let next = self.expand(secret, b"traffic upd", self.suite.secret_len())?;
        TrafficSecret::new(&next).ok_or(TlsError::Suite)
    }

    fn key(&self, secret: &TrafficSecret, seq: u64) -> Result<DirectionKey, TlsError> {
        let key = self.expand(secret, b"key", self.suite.aead().key_len())?;
        let iv = self.expand(secret, b"iv", NONCE_LEN)?;
        DirectionKey::of(self.suite.aead(), &key, &iv, seq)
    }

    /// HKDF-Expand-Label with an empty context.
    fn expand(
        &self,
        secret: &TrafficSecret,
        label: &[u8],
        len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        const PREFIX: &[u8] = b"tls13 ";
        let lengths =
            [(len as u16).to_be_bytes()[0], len as u8, (PREFIX.len() + label.len()) as u8];
        let info = [&lengths, PREFIX, label, &[0]];
        let mut out = Zeroizing::new(vec![0; len]);
        let secret = Prk::new_less_safe(self.suite.hkdf(), secret.expose());
        let expanded = secret.expand(&info, Length(len)).and_then(|okm| okm.fill(&mut out));
        expanded.map(|()| out).map_err(|_| TlsError::Suite)
    }
}

/// So many bytes.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

//! TLS 1.3 records that no library makes, with the keys of one that made the handshake.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::{ClientConnection, ConnectionTrafficSecrets};

/// Content types of RFC 8446, 5.1.
pub const ALERT: u8 = 21;
/// As [`ALERT`].
pub const APPLICATION_DATA: u8 = 23;
/// Bytes of a record's header.
const HEADER: usize = 5;

/// One direction of a connection.
pub struct RecordForger {
    key: LessSafeKey,
    iv: [u8; 12],
    seq: u64,
}

impl RecordForger {
    /// Both directions, the client's first. Its configuration must allow the extraction of secrets.
    pub fn both(tls: ClientConnection) -> (RecordForger, RecordForger) {
        let secrets = tls.dangerous_extract_secrets().expect("an established connection");
        (RecordForger::new(secrets.tx), RecordForger::new(secrets.rx))
    }

    fn new((seq, secrets): (u64, ConnectionTrafficSecrets)) -> RecordForger {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => unreachable!("TLS 1.3 has no other suites here"),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).expect("a key of this algorithm");
        let iv = iv.as_ref().try_into().expect("all IVs have 12 bytes");
        RecordForger { key: LessSafeKey::new(key), iv, seq }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.seq.to_be_bytes()).for_each(|(byte, seq)| *byte ^= seq);
        self.seq += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// A record of this content type.
    pub fn seal(&mut self, kind: u8, plain: &[u8]) -> Vec<u8> {
        let mut inner = [plain, &[kind]].concat();
        let [high, low] = ((inner.len() + self.key.algorithm().tag_len()) as u16).to_be_bytes();
        let head = [APPLICATION_DATA, 3, 3, high, low];
        let nonce = self.nonce();
        self.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner).expect("sealed");
        [&head[..], &inner].concat()
    }

    /// Content type and bytes of the first of some records.
    pub fn open(&mut self, records: &[u8]) -> (u8, Vec<u8>) {
        let (head, rest) = records.split_at(HEADER);
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let mut sealed = rest[..length].to_vec();
        let nonce = self.nonce();
        let opened = self.key.open_in_place(nonce, Aad::from(head), &mut sealed).expect("opened");
        let kind = opened.len() - 1;
        (opened[kind], opened[..kind].to_vec())
    }
}

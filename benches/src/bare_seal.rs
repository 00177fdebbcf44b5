//! One AEAD key, a nonce and a record header: the least that sealing a TLS 1.3 record takes.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use aws_lc_rs::error::Unspecified;
use rustls::ConnectionTrafficSecrets;

/// Type, legacy version, length.
const HEADER: usize = 5;
/// The inner type and the tag.
const TAIL: usize = 1 + 16;
/// Bytes of plaintext in one record. RFC 8446, 5.1.
const FRAGMENT: usize = 1 << 14;
/// Of application data.
const KIND: u8 = 23;

/// The sending half of a connection.
#[derive(Debug)]
pub struct BareSeal {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    seq: u64,
}

impl BareSeal {
    /// With the keys of an established connection.
    ///
    /// # Errors
    /// When these are no keys.
    pub fn new((seq, keys): (u64, ConnectionTrafficSecrets)) -> Result<BareSeal, Unspecified> {
        let (algorithm, key, iv) = match &keys {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Unspecified),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref())?);
        Ok(BareSeal { key, iv: iv.as_ref().try_into().map_err(|_| Unspecified)?, seq })
    }

    /// Writes `plain` as records to the beginning of `out`. Returns their length.
    ///
    /// # Errors
    /// When the cipher refuses, which has no known cause.
    pub fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, Unspecified> {
        let mut end = 0;
        for fragment in plain.chunks(FRAGMENT) {
            let [high, low] = ((fragment.len() + TAIL) as u16).to_be_bytes();
            let head = [KIND, 3, 3, high, low];
            let record = &mut out[end..][..BareSeal::length(fragment.len())];
            record[..HEADER].copy_from_slice(&head);
            let (text, tail) = record[HEADER..].split_at_mut(fragment.len());
            let mut nonce = self.iv;
            for (byte, seq) in nonce[NONCE_LEN - 8..].iter_mut().zip(self.seq.to_be_bytes()) {
                *byte ^= seq;
            }
            self.seq += 1;
            let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(head));
            self.key.seal_out_of_place_scatter(nonce, aad, fragment, text, &[KIND], tail)?;
            end += BareSeal::length(fragment.len());
        }
        Ok(end)
    }

    /// Bytes of the records that hold so many bytes.
    pub fn length(plain: usize) -> usize {
        plain + plain.div_ceil(FRAGMENT) * (HEADER + TAIL)
    }
}

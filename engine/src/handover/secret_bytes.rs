//! Bytes that must not reach a log, and do not outlive their use.

use std::fmt;

use zeroize::Zeroizing;

/// Keys, tokens and other secrets: zeroed when dropped, and hidden from `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Box<[u8]>>);

impl SecretBytes {
    /// Keeps `bytes`. A `Vec` with spare room leaves a copy behind when it is shortened: pass one
    /// without, or a box.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> SecretBytes {
        SecretBytes(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for their use.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

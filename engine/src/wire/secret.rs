//! Text that must not reach a log.

use std::fmt;

use zeroize::Zeroizing;

/// A credential, zeroed when it is dropped. `Debug` hides it; only [`Secret::expose`] returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<Box<str>>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text, for its verification.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

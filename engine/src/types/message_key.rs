//! What a message is the newest state of.

use smol_str::SmolStr;

use super::{NameError, check_name};
use crate::limits::MAX_MESSAGE_KEY;

/// What a message is the newest state of, among the messages of its channel: a later one with the
/// same key replaces it. 1 to 64 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageKey(SmolStr);

impl MessageKey {
    /// Checks and keeps a key.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or has a control character.
    pub fn parse(text: &str) -> Result<MessageKey, NameError> {
        check_name(text, MAX_MESSAGE_KEY)?;
        Ok(MessageKey(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

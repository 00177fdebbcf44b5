//! Which channels a permission or a key is about.

use std::fmt;

use super::{NameError, check_name};
use crate::limits::MAX_CHANNEL_NAME;

/// A set of channels: `*` is all of them; `workflow:` all whose names begin with that; `global`
/// the channel of that name and those below it, `global:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPattern(Box<str>);

impl ChannelPattern {
    /// Checks and keeps a pattern.
    ///
    /// # Errors
    /// [`NameError`] when no channel could have such a name.
    pub fn parse(text: &str) -> Result<ChannelPattern, NameError> {
        check_name(text, MAX_CHANNEL_NAME)?;
        Ok(ChannelPattern(text.into()))
    }

    /// Whether a channel of this name belongs to the set.
    pub fn matches(&self, channel: &str) -> bool {
        match channel.strip_prefix(&*self.0) {
            Some(rest) => self.0.ends_with(':') || rest.is_empty() || rest.starts_with(':'),
            None => &*self.0 == "*",
        }
    }

    /// How narrow the set is: of two patterns that match a channel, the longer one counts.
    pub fn narrowness(&self) -> usize {
        if &*self.0 == "*" { 0 } else { self.0.len() }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;

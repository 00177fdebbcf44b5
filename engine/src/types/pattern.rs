//! Which channels a permission or a key is about.

use std::fmt;

use super::{NameError, check_name};
use crate::limits::MAX_CHANNEL_NAME;

/// Characters that other notations of patterns give a meaning. Here they would be taken literally
/// and match nothing, so that a rule with one of them would protect nothing.
const FOREIGN: &str = "*?[]{}()<>|\\^$#+!";

/// A set of channels: `*` is all of them; `workflow:*` and `dash-*` all with names that begin with
/// that; `global` the channel of that name and those below it, `global:…`. `workflow:` is short
/// for `workflow:*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPattern {
    name: Box<str>,
    /// Every channel with a name that begins with `name` belongs to the set.
    is_prefix: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No channel could have such a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A character that would not mean what it means elsewhere.
    #[error("has '{0}': of all signs only * has a meaning, and only at the end")]
    Foreign(char),
    /// The text ends like the first part of a name: a `*` is missing.
    #[error("ends with '{0}': add * for all channels that begin so")]
    Unended(char),
}

impl ChannelPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] when it could mean something else than its author thinks.
    pub fn parse(text: &str) -> Result<ChannelPattern, PatternError> {
        let (name, starred) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        if !(starred && name.is_empty()) {
            check_name(name, MAX_CHANNEL_NAME)?;
        }
        let foreign = |c: &char| FOREIGN.contains(*c) || c.is_whitespace();
        if let Some(found) = name.chars().find(foreign) {
            return Err(PatternError::Foreign(found));
        }
        match name.chars().next_back() {
            Some(last @ ('-' | '_' | '.' | '/')) if !starred => Err(PatternError::Unended(last)),
            last => {
                Ok(ChannelPattern { name: name.into(), is_prefix: starred || last == Some(':') })
            }
        }
    }

    /// Whether a channel of this name belongs to the set.
    pub fn matches(&self, channel: &str) -> bool {
        let rest = channel.strip_prefix(&*self.name);
        rest.is_some_and(|rest| self.is_prefix || rest.is_empty() || rest.starts_with(':'))
    }

    /// Whether every channel of another set belongs to this one.
    pub fn covers(&self, other: &ChannelPattern) -> bool {
        // Where the other is all that begins so, channels go on with other signs than `:`, too.
        let is_as_wide = self.is_prefix || !other.is_prefix || self.name.len() < other.name.len();
        is_as_wide && self.matches(&other.name)
    }

    /// Whether every channel belongs to the set.
    pub fn is_all(&self) -> bool {
        self.name.is_empty()
    }

    /// What all names of the set begin with, if every name that does belongs to it.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.is_prefix.then_some(&*self.name)
    }

    /// Whether every channel with a name that begins with `prefix` belongs to the set.
    pub(crate) fn covers_prefix(&self, prefix: &str) -> bool {
        let rest = prefix.strip_prefix(&*self.name);
        rest.is_some_and(|rest| self.is_prefix || rest.starts_with(':'))
    }

    /// Whether some channel with a name that begins with `prefix` belongs to the set.
    pub(crate) fn meets_prefix(&self, prefix: &str) -> bool {
        self.covers_prefix(prefix) || self.name.starts_with(prefix)
    }

    /// How narrow the set is: of several patterns that match a channel, the narrowest counts, which
    /// is the one with the longest name, and of two with one name the one without `*`.
    pub fn narrowness(&self) -> impl Ord + use<> {
        (self.name.len(), !self.is_prefix)
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.is_prefix { "*" } else { "" })
    }
}

#[cfg(test)]
mod tests;

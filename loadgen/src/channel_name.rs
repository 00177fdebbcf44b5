//! The names of channels, by a template.

use std::str::FromStr;

use serde::Deserialize;

use crate::schedule::Channel;

const NUMBER: &str = "{number}";

/// What stands before and behind the channel's number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ChannelName {
    before: String,
    /// `None` of a name without a number, which is that of one channel.
    behind: Option<String>,
}

impl FromStr for ChannelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(['"', '\\']) || text.chars().any(char::is_control) {
            return Err("must be a name without quotes, backslashes and control characters".into());
        }
        let (before, behind) = match text.split_once(NUMBER) {
            Some((before, behind)) => (before, Some(behind)),
            None => (text, None),
        };
        if behind.is_some_and(|behind| behind.contains(NUMBER)) {
            return Err(format!("must have {NUMBER} once"));
        }
        Ok(Self { before: before.to_owned(), behind: behind.map(str::to_owned) })
    }
}

impl TryFrom<String> for ChannelName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Default for ChannelName {
    fn default() -> Self {
        Self { before: "bench:".into(), behind: Some(String::new()) }
    }
}

impl std::fmt::Display for ChannelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.behind {
            Some(behind) => write!(f, "{}{NUMBER}{behind}", self.before),
            None => f.write_str(&self.before),
        }
    }
}

impl ChannelName {
    /// Whether it tells channels apart.
    pub(crate) fn has_number(&self) -> bool {
        self.behind.is_some()
    }

    pub(crate) fn of(&self, channel: Channel) -> String {
        match &self.behind {
            Some(behind) => format!("{}{}{behind}", self.before, channel.0),
            None => self.before.clone(),
        }
    }

    /// The channel of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Channel> {
        let rest = name.strip_prefix(&*self.before)?;
        match &self.behind {
            Some(behind) => rest.strip_suffix(&**behind)?.parse().ok().map(Channel),
            None => rest.is_empty().then_some(Channel(0)),
        }
    }
}

#[cfg(test)]
mod tests;

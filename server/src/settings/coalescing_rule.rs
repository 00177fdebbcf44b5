//! Coalescing windows, as they are written.

use uringcast_engine::ClassRule;
use uringcast_engine::limits::MAX_COALESCING;

use super::access::split_pattern;
use super::value::{Invalid, Span, Value, quoted};

const LONGEST: u64 = MAX_COALESCING.as_millis() as u64;

/// Channels and how long their messages may wait for others: `ticker:*=5ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoalescingRule(pub ClassRule);

impl Value for CoalescingRule {
    const HINT: &'static str = "PATTERN=TIME";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "Write such as ticker:*=5ms; * stands for all channels.";
        let (channels, window) = split_pattern(text, form)?;
        let Span(window) = Span::<1, LONGEST>::parse(window).map_err(|error| Invalid {
            reason: format!("has a time that {}", error.reason),
            ..error
        })?;
        Ok(CoalescingRule(ClassRule { coalesce: Some(window), ..ClassRule::new(channels) }))
    }

    fn show(&self) -> Option<String> {
        let window = self.0.coalesce.unwrap_or_default();
        quoted(&format!("{}={}ms", self.0.channels, window.as_millis()))
    }
}

#[cfg(test)]
mod tests;

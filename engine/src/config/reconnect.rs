//! What clients are advised about reconnecting.

use std::time::Duration;

use crate::limits::{DEFAULT_RECONNECT_BASE, DEFAULT_RECONNECT_MAX};

/// How clients are advised to come back: after a random time of at most `base`, and of at most
/// twice as much after each try that fails, up to `max`. Whole milliseconds are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// Before the first try.
    pub base: Duration,
    /// Between any two.
    pub max: Duration,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect { base: DEFAULT_RECONNECT_BASE, max: DEFAULT_RECONNECT_MAX }
    }
}

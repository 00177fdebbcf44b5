//! What is known of a stream's leader through the server that this node is connected to.

use std::time::Duration;

use crate::limits::{MOVE_INTERVAL, MOVE_PATIENCE};

/// What a question about a stream's leader has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leadership {
    /// It leads, and is in touch with most of its followers.
    There,
    /// A server says that there is none now: one is being elected, or too few servers run.
    None,
    /// No answer.
    Silent,
    /// It answers, and has heard nothing of most of its followers for seconds.
    CutOff,
}

/// Whether this node goes to another server: the one that it has may be cut off from the others,
/// and would be the last to say so. If it is not, going costs an audit.
#[derive(Debug, Default)]
pub(super) struct ServerChoice {
    leaderless_since: Option<Duration>,
    is_cut_off: bool,
    moved: Option<Duration>,
}

impl ServerChoice {
    /// A question about any stream's leader has come to this.
    pub(super) fn handle(&mut self, now: Duration, leadership: Leadership) {
        match leadership {
            Leadership::There => {
                *self = ServerChoice { moved: self.moved, ..ServerChoice::default() };
            }
            // A server that is cut off may say that there is no leader, or nothing.
            Leadership::None | Leadership::Silent => _ = self.leaderless_since.get_or_insert(now),
            Leadership::CutOff => self.is_cut_off = true,
        }
    }

    /// It is time to go to another server. It counts as done.
    pub(super) fn take_move(&mut self, now: Duration) -> bool {
        let is_over = |since| now >= since + MOVE_PATIENCE;
        let is_leaderless = self.leaderless_since.is_some_and(is_over);
        let is_early = self.moved.is_some_and(|moved| now < moved + MOVE_INTERVAL);
        let is_due = (self.is_cut_off || is_leaderless) && !is_early;
        if is_due {
            *self = ServerChoice { moved: Some(now), ..ServerChoice::default() };
        }
        is_due
    }
}

#[cfg(test)]
mod tests;

//! How long each step of a pause takes, for the log.

use std::fmt::Write;
use std::time::Instant;

/// The steps so far.
#[derive(Debug)]
pub(super) struct Steps {
    last: Instant,
    text: String,
}

impl Steps {
    pub(super) fn begin(at: Instant) -> Steps {
        Steps { last: at, text: String::new() }
    }

    /// A step has come to its end.
    pub(super) fn end(&mut self, step: &str) {
        let now = Instant::now();
        let took = now.duration_since(self.last).as_micros();
        self.last = now;
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{step} {took} ");
    }

    /// Logs them.
    pub(super) fn log(&self, side: &str) {
        tracing::debug!(side, steps_us = self.text.trim_end(), "steps of the pause");
    }
}

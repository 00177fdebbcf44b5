//! Limits on the time of steps that nearly always end in time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// One timer for the steps of a connection. A step neither sets nor stops it: it goes off every
/// [`TimeLimit::LEAST`], and looks then whether the step of that moment is late.
#[derive(Debug)]
pub(super) struct TimeLimit {
    timer: Pin<Box<Sleep>>,
    limit: Duration,
    /// From the first time that the step waits.
    end: Option<Instant>,
    /// Whether the timer wakes the task that runs the steps.
    is_set: bool,
}

impl TimeLimit {
    /// The shortest limit: the timer never goes off later than this.
    pub(super) const LEAST: Duration = crate::limits::HTTP_HEADER_TIMEOUT;

    pub(super) fn new() -> TimeLimit {
        let timer = Box::pin(sleep(TimeLimit::LEAST));
        TimeLimit { timer, limit: TimeLimit::LEAST, end: None, is_set: false }
    }

    /// A step begins that may take so long, all its parts together.
    pub(super) fn begin(&mut self, limit: Duration) {
        debug_assert!(limit >= TimeLimit::LEAST, "the timer would go off too late");
        (self.limit, self.end) = (limit, None);
    }

    /// Runs a part of the step. `None` when the limit is reached; the part is dropped then. All
    /// steps run in one task, which the timer wakes.
    pub(super) async fn run<F: Future>(&mut self, part: F) -> Option<F::Output> {
        let mut part = pin!(part);
        poll_fn(|context| {
            if let Poll::Ready(output) = part.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let end = *self.end.get_or_insert_with(|| Instant::now() + self.limit);
            if self.is_set && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            while self.timer.as_mut().poll(context).is_ready() {
                let now = Instant::now();
                if now >= end {
                    return Poll::Ready(None);
                }
                self.timer.as_mut().reset(end.min(now + TimeLimit::LEAST));
            }
            self.is_set = true;
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests;

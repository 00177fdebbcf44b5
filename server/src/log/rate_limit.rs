//! Limits the log lines of each place in the code: so many a second, and a count of the rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::AUDIT;
use crate::limits::LOG_LINES_PER_SECOND;

/// A layer that lets [`LOG_LINES_PER_SECOND`] lines of each place in the code pass, and counts the
/// rest. Lines of level `debug` and `trace` pass without a limit: operators enable them on purpose.
/// So do those of [`AUDIT`].
#[derive(Clone, Debug, Default)]
pub(super) struct RateLimit(Arc<Mutex<HashMap<Identifier, CallSite>>>);

/// The lines of one place in the code. The number of places is fixed by the program.
#[derive(Debug)]
struct CallSite {
    place: &'static Metadata<'static>,
    second: Instant,
    lines: u32,
    suppressed: u64,
}

impl RateLimit {
    fn passes(&self, place: &'static Metadata<'static>, now: Instant) -> bool {
        if *place.level() > Level::INFO || place.target() == AUDIT {
            return true;
        }
        let mut kinds = self.0.lock();
        let new = || CallSite { place, second: now, lines: 0, suppressed: 0 };
        let kind = kinds.entry(place.callsite()).or_insert_with(new);
        if now - kind.second >= Duration::from_secs(1) {
            (kind.second, kind.lines) = (now, 0);
        }
        kind.lines = kind.lines.saturating_add(1);
        let passes = kind.lines <= LOG_LINES_PER_SECOND;
        kind.suppressed += u64::from(!passes);
        passes
    }

    /// The lines suppressed since the last call: their place in the code and their number.
    fn take(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut kinds = self.0.lock();
        let kept = kinds.values_mut().filter(|kind| kind.suppressed > 0);
        kept.map(|kind| (kind.place, std::mem::take(&mut kind.suppressed))).collect()
    }

    /// Logs how many lines were suppressed since the last call.
    pub(super) fn report(&self) {
        for (place, suppressed) in self.take() {
            let (target, line) = (place.target(), place.line().unwrap_or_default());
            tracing::warn!(suppressed, "more lines like those of {target}, line {line}");
        }
    }
}

impl<S: Subscriber> Layer<S> for RateLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.passes(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests;

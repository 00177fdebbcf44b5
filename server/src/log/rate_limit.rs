//! Keeps a hot error from drowning the log: so many lines a second of each kind, then a count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::limits::LOG_LINES_PER_SECOND;

/// A layer that lets [`LOG_LINES_PER_SECOND`] lines of each place in the code pass, and counts the
/// rest. `debug` and `trace` are asked for on purpose and pass whole.
#[derive(Clone, Debug, Default)]
pub(super) struct RateLimit(Arc<Mutex<HashMap<Identifier, CallSite>>>);

/// The lines of one place in the code: bounded by what the program has.
#[derive(Debug)]
struct CallSite {
    place: &'static Metadata<'static>,
    second: Instant,
    lines: u32,
    suppressed: u64,
}

impl RateLimit {
    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, CallSite>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passes(&self, place: &'static Metadata<'static>, now: Instant) -> bool {
        if *place.level() > Level::INFO {
            return true;
        }
        let mut kinds = self.kinds();
        let kind = kinds.entry(place.callsite()).or_insert_with(|| CallSite {
            place,
            second: now,
            lines: 0,
            suppressed: 0,
        });
        if now - kind.second >= Duration::from_secs(1) {
            (kind.second, kind.lines) = (now, 0);
        }
        kind.lines = kind.lines.saturating_add(1);
        let passes = kind.lines <= LOG_LINES_PER_SECOND;
        kind.suppressed += u64::from(!passes);
        passes
    }

    /// What was kept back since the last call: where it stands in the code, and how much.
    fn take(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut kinds = self.kinds();
        let kept = kinds.values_mut().filter(|kind| kind.suppressed > 0);
        kept.map(|kind| (kind.place, std::mem::take(&mut kind.suppressed))).collect()
    }

    /// Logs what was kept back since the last call.
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
mod tests {
    use super::*;
    use std::io::Write;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    /// Where the test's lines go.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;
        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    #[test]
    fn a_hot_error_is_cut_and_counted_and_others_are_not() {
        let (lines, limit) = (Lines::default(), RateLimit::default());
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false);
        let registry = tracing_subscriber::registry().with(limit.clone()).with(layer);
        tracing::subscriber::with_default(registry, || {
            for i in 0..100 {
                tracing::error!(i, "hot");
                tracing::debug!(i, "detail");
            }
            tracing::info!("calm");
            limit.report();
            limit.report();
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |word: &str| text.matches(word).count();
        // A second may end in between, on a machine that has other things to do.
        assert!(count("hot") >= LOG_LINES_PER_SECOND as usize, "{text}");
        assert_eq!((count("calm"), count("detail")), (1, 100), "{text}");
        let kept: usize = text
            .lines()
            .filter_map(|line| line.split("suppressed=").nth(1))
            .map(|number| number.trim().parse::<usize>().unwrap())
            .sum();
        assert_eq!(count("hot") + kept, 100, "none is lost without a count:\n{text}");
    }

    #[test]
    fn another_second_has_room_again() {
        let seen = RateLimit::default();
        let registry = tracing_subscriber::registry().with(seen.clone());
        tracing::subscriber::with_default(registry, || tracing::warn!("once"));
        let place = seen.kinds().values().next().map(|kind| kind.place).unwrap();
        let (limit, start) = (RateLimit::default(), Instant::now());
        let pass = |at: Instant| (0..50).filter(|_| limit.passes(place, at)).count();
        assert_eq!(pass(start), LOG_LINES_PER_SECOND as usize);
        assert_eq!(pass(start + Duration::from_millis(999)), 0);
        assert_eq!(pass(start + Duration::from_secs(1)), LOG_LINES_PER_SECOND as usize);
        assert_eq!(limit.take()[0].1, 150 - 2 * u64::from(LOG_LINES_PER_SECOND));
        assert!(limit.take().is_empty());
    }
}

use super::*;
use std::io::Write;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Where the test's lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
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
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
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
    let place = seen.0.lock().values().next().map(|kind| kind.place).unwrap();
    let (limit, start) = (RateLimit::default(), Instant::now());
    let pass = |at: Instant| (0..50).filter(|_| limit.passes(place, at)).count();
    assert_eq!(pass(start), LOG_LINES_PER_SECOND as usize);
    assert_eq!(pass(start + Duration::from_millis(999)), 0);
    assert_eq!(pass(start + Duration::from_secs(1)), LOG_LINES_PER_SECOND as usize);
    assert_eq!(limit.take()[0].1, 150 - 2 * u64::from(LOG_LINES_PER_SECOND));
    assert!(limit.take().is_empty());
}

//! Log lines on standard error, so many a second of each kind at most. One thread writes them: a
//! standard error that is slow, or that no process reads, delays no other thread. What the queue to
//! that thread has no room for is lost, counted and reported.

mod rate_limit;

use std::io::IsTerminal;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;

use crate::limits::LOG_QUEUE;
use crate::settings::{LogFormat, Settings};
use rate_limit::RateLimit;

/// The target of audit lines. They pass without a limit: each takes a request with a key, and
/// nothing else records it.
pub(crate) const AUDIT: &str = "uringcast_server::audit";

static LIMIT: OnceLock<RateLimit> = OnceLock::new();
/// Lines for which the queue had no room.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();
/// Those of them that a line has reported.
static REPORTED: Mutex<u64> = Mutex::new(0);
/// Ends the thread that writes, once it has written what is queued.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static LEVEL: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// Logs how many lines were suppressed or lost since the last call. To be called once a second.
pub fn report() {
    LIMIT.get().into_iter().for_each(RateLimit::report);
    let (lost, mut reported) = (lost_lines(), REPORTED.lock());
    if lost > *reported {
        tracing::warn!(
            lost = lost - *reported,
            "log lines were lost: standard error takes them too slowly"
        );
        // Without room for this line either, the next one reports them.
        if lost_lines() == lost {
            *reported = lost;
        }
    }
}

/// Lines that were lost since the start, because standard error took too long.
pub fn lost_lines() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}

/// Writes what is queued, for a second at most, and ends the log. To be called before the process
/// exits.
pub fn finish() {
    drop(WRITER.lock().take());
}

/// Starts logging as the settings configure it. Libraries log from `warn` up, and more only at
/// level `trace`. Where logging has been started already, as in a test, nothing changes.
pub fn start(settings: &Settings) {
    let (targets, handle) = reload::Layer::new(targets(settings.log_level));
    let ansi = std::io::stderr().is_terminal();
    let queue = NonBlockingBuilder::default().buffered_lines_limit(LOG_QUEUE).thread_name("log");
    let (queue, writer) = queue.finish(std::io::stderr());
    let lost = queue.error_counter();
    let layer = tracing_subscriber::fmt::layer().with_writer(queue).with_ansi(ansi);
    let limit = LIMIT.get_or_init(RateLimit::default).clone();
    let registry = tracing_subscriber::registry().with(targets).with(limit);
    let started = match settings.log_format {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if started.is_ok() {
        let _ = LOST.set(lost);
        let _ = LEVEL.set(handle);
        *WRITER.lock() = Some(writer);
    }
}

/// The least severity that is logged from now on.
pub fn set_level(level: Level) {
    // Fails only where the logging that was started is gone.
    LEVEL.get().into_iter().for_each(|handle| drop(handle.reload(targets(level))));
}

fn targets(level: Level) -> Targets {
    let others = if level == Level::TRACE { LevelFilter::TRACE } else { LevelFilter::WARN };
    let level = LevelFilter::from_level(level);
    Targets::new()
        .with_default(others.min(level))
        .with_target("uringcast", level)
        .with_target("uringcast_engine", level)
        .with_target("uringcast_server", level)
}

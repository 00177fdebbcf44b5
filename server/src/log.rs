//! Log lines on standard error, so many a second of each kind at most.

mod rate_limit;

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, Settings};
use rate_limit::RateLimit;

/// The target of lines that say who did what. They pass without a limit: who asks holds a key, and
/// the line is what there is to know it by later.
pub(crate) const AUDIT: &str = "uringcast_server::audit";

static LIMIT: OnceLock<RateLimit> = OnceLock::new();

/// Logs how many lines were suppressed since the last call. To be called once a second.
pub fn report_suppressed() {
    LIMIT.get().into_iter().for_each(RateLimit::report);
}

/// Starts logging as the settings configure it. Libraries log from `warn` up, and more only at
/// level `trace`. Where logging has been started already, as in a test, nothing changes.
pub fn start(settings: &Settings) {
    let level = LevelFilter::from_level(settings.log_level);
    let others = if settings.log_level == Level::TRACE { level } else { LevelFilter::WARN };
    let targets = Targets::new()
        .with_default(others.min(level))
        .with_target("uringcast", level)
        .with_target("uringcast_engine", level)
        .with_target("uringcast_server", level);
    let ansi = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let limit = LIMIT.get_or_init(RateLimit::default).clone();
    let registry = tracing_subscriber::registry().with(targets).with(limit);
    let _ = match settings.log_format {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
}

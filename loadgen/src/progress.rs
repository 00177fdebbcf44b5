//! The progress line of a run. On standard error, and only on a terminal.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::collector::Totals;
use crate::config::Config;

pub(crate) struct Progress {
    line: ProgressBar,
    /// When the rate was last taken, and the deliveries then.
    before: Cell<(Instant, u64)>,
    rate: Cell<f64>,
}

impl Progress {
    pub(crate) fn new(config: &Config) -> Self {
        let line = if config.args.output.quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg}") {
            line.set_style(style);
        }
        line.set_prefix(if config.endpoint.tls.is_some() { "wss" } else { "ws" });
        Self { line, before: Cell::new((Instant::now(), 0)), rate: Cell::new(0.0) }
    }

    pub(crate) fn connecting(&self, ready: u32, wanted: u32) {
        self.line.set_message(format!(
            "connected {}/{}",
            HumanCount(ready.into()),
            HumanCount(wanted.into())
        ));
        self.line.tick();
    }

    pub(crate) fn running(&self, left: Duration, published: u64, total: &Totals) {
        let (at, before) = self.before.get();
        let passed = at.elapsed();
        if before == 0 || passed >= Duration::from_secs(1) {
            let more = total.deliveries.saturating_sub(before) as f64;
            self.rate.set(if before == 0 { 0.0 } else { more / passed.as_secs_f64() });
            self.before.set((Instant::now(), total.deliveries));
        }
        let quantile = |quantile| total.latency.value_at_quantile(quantile) as f64 / 1e6;
        // Short enough for 80 columns.
        self.line.set_message(format!(
            "{:.0} s left, {} sent, {} deliveries/s, p50 {:.2} p99 {:.2} ms, {} missing",
            left.as_secs_f64(),
            HumanCount(published),
            HumanCount(self.rate.get() as u64),
            quantile(0.5),
            quantile(0.99),
            total.missing.max(0),
        ));
        self.line.tick();
    }

    pub(crate) fn clear(&self) {
        self.line.finish_and_clear();
    }
}

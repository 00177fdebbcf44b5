//! The view of a run in progress, on standard error: two lines that are kept up to date on a
//! terminal, a line every few seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::moment::Moment;
use crate::summary::Slice;

/// Seconds of the sparkline.
const SPARKS: usize = 24;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How often a line is written where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// Where the view goes.
enum View {
    Silent,
    Plain,
    Terminal(ProgressBar),
}

/// The view, and what it needs to show rates.
pub(crate) struct Progress {
    view: View,
    scheme: &'static str,
    began: Instant,
    /// When the rate was last taken, and the deliveries then.
    before: (Instant, u64),
    rate: f64,
    sparks: String,
    /// When the last plain line was written.
    written: Instant,
}

impl Progress {
    pub(crate) fn new(config: &Config) -> Self {
        let view = match config.args.output.quiet {
            true => View::Silent,
            false if stderr().is_terminal() => View::Terminal(terminal()),
            false => View::Plain,
        };
        let now = Instant::now();
        Self {
            view,
            scheme: if config.endpoint.tls.is_some() { "wss" } else { "ws" },
            began: now,
            before: (now, 0),
            rate: 0.0,
            sparks: String::new(),
            written: now,
        }
    }

    /// While subscribers connect.
    pub(crate) fn connecting(&mut self, ready: u32, wanted: u32) {
        let [ready, wanted] = [ready, wanted].map(|count| HumanCount(count.into()));
        self.show(&format!("connected {ready} of {wanted}"), "");
    }

    /// While the load runs.
    pub(crate) fn running(&mut self, moment: &Moment, slices: &[Slice]) {
        let (at, deliveries) = self.before;
        let passed = at.elapsed();
        if passed >= SECOND {
            let more = moment.deliveries.saturating_sub(deliveries);
            self.rate = more as f64 / passed.as_secs_f64();
            self.before = (Instant::now(), moment.deliveries);
            self.sparks = sparkline(&recent_p99s(slices));
        }
        let [connected, sent] = [moment.connected, moment.published].map(HumanCount);
        let first = format!(
            "{:.0} s left, {connected} connected, {sent} sent, {} deliveries/s, {} missing",
            moment.left.as_secs_f64(),
            HumanCount(self.rate as u64),
            HumanCount(moment.missing),
        );
        let Moment { p50, p99, p999, .. } = moment;
        let second = format!("p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2} ms  {}", self.sparks);
        self.show(&first, second.trim_end());
    }

    fn show(&mut self, first: &str, second: &str) {
        match &self.view {
            View::Silent => {}
            View::Terminal(bar) => {
                bar.set_message(format!("{}: {first}", self.scheme));
                bar.set_prefix(second.to_owned());
                bar.tick();
            }
            View::Plain if self.written.elapsed() < PLAIN_EVERY => {}
            View::Plain => {
                self.written = Instant::now();
                let (at, scheme) = (self.began.elapsed().as_secs(), self.scheme);
                let comma = if second.is_empty() { "" } else { ", " };
                eprintln!("loadgen: {at} s, {scheme}: {first}{comma}{second}");
            }
        }
    }

    /// A line about something that happened, above the view.
    pub(crate) fn tell(&self, line: &str) {
        let line = format!("loadgen: {}: {line}", self.scheme);
        match &self.view {
            View::Silent => {}
            View::Terminal(bar) => bar.println(line),
            View::Plain => eprintln!("{line}"),
        }
    }

    /// Removes the view from a terminal.
    pub(crate) fn clear(&self) {
        if let View::Terminal(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

fn terminal() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}\n  {prefix}") {
        bar.set_style(style);
    }
    bar
}

/// The p99 of the last seconds in which something was delivered, in milliseconds.
fn recent_p99s(slices: &[Slice]) -> Vec<f64> {
    let some = slices.iter().rev().filter(|slice| !slice.latency.is_empty()).take(SPARKS);
    let p99s = some.map(|slice| slice.latency.value_at_quantile(0.99) as f64 / 1e6);
    let mut p99s: Vec<f64> = p99s.collect();
    p99s.reverse();
    p99s
}

/// A bar for each value, up to the largest.
fn sparkline(values: &[f64]) -> String {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let last = (BARS.len() - 1) as f64;
    values.iter().map(|value| BARS[(value / most * last).round() as usize]).collect()
}

#[cfg(test)]
mod tests;

//! One part of a load: how long it is, how much it publishes, and which subscribers move.

use std::time::Duration;

/// A phase of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) length: Duration,
    /// Messages a second at its begin and, reached evenly, at its end.
    pub(crate) rate: (f64, f64),
    /// False of a warm-up: checked and not measured.
    pub(crate) measured: bool,
    /// Subscribers that leave a second; each is replaced at once.
    pub(crate) churn: f64,
    /// Subscribers that drop their connections when the phase begins.
    pub(crate) absence: Option<Absence>,
}

/// Connections that drop and come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Absence {
    /// Of all subscribers, within 0 and 1.
    pub(crate) share: f64,
    /// From the drop to the first that connects again.
    pub(crate) away: Duration,
    /// The time over which they come back, evenly spread.
    pub(crate) spread: Duration,
}

impl Phase {
    /// A measured phase at one rate, in which no subscriber moves.
    pub(crate) fn steady(name: &str, length: Duration, rate: f64) -> Self {
        let rate = (rate, rate);
        Self { name: name.into(), length, rate, measured: true, churn: 0.0, absence: None }
    }

    /// How many messages are due in it.
    pub(crate) fn messages(&self) -> f64 {
        (self.rate.0 + self.rate.1) / 2.0 * self.length.as_secs_f64()
    }

    /// Messages a second on average.
    pub(crate) fn mean_rate(&self) -> f64 {
        (self.rate.0 + self.rate.1) / 2.0
    }

    /// Seconds from its begin until `count` messages are due.
    pub(crate) fn time_of(&self, count: f64) -> f64 {
        let (from, to) = self.rate;
        let slope = (to - from) / self.length.as_secs_f64();
        // The root of `from·t + slope·t²/2 = count`, in the form that stays exact for slope 0.
        let root = (from * from + 2.0 * slope * count).max(0.0).sqrt();
        2.0 * count / (from + root)
    }
}

#[cfg(test)]
mod tests;

//! When each message is due: a seeded schedule, fixed before the first one is sent.
//!
//! Latency is counted from these times and not from the moment of sending, so a sender or a
//! server that falls behind cannot hide the wait it caused (no coordinated omission).

use std::time::Duration;

use crate::value_parsers::{positive, up_to};

/// The `0`-th channel is `bench:0`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel(pub(crate) u32);

impl Channel {
    /// Its place in tables by channel.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bench:{}", self.0)
    }
}

/// The largest number of publishers: a message's stamp has three digits for its publisher.
pub(crate) const MAX_PUBLISHERS: u32 = 999;

/// A publisher, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublisherId(pub(crate) u32);

/// How the intended send times are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Arrivals {
    /// Evenly, one every 1/rate seconds.
    #[default]
    Constant,
    /// Independent arrivals: exponential gaps with the mean 1/rate.
    Poisson,
}

/// The whole load, from which every publisher derives its own part.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Schedule {
    /// Channels (bench:0, bench:1, …) the subscribers and messages are spread over.
    #[arg(long, value_name = "C", default_value_t = 1, help_heading = "Load",
        value_parser = up_to(1_000_000))]
    pub(crate) channels: u32,
    /// Messages published a second, over all publishers and channels.
    #[arg(long, value_name = "R", default_value_t = 100.0, help_heading = "Load",
        value_parser = positive)]
    pub(crate) rate: f64,
    /// How the messages are spaced.
    #[arg(long, value_enum, default_value_t, help_heading = "Load")]
    pub(crate) arrivals: Arrivals,
    /// Seed of the schedule.
    #[arg(long, default_value_t = 1, help_heading = "Load")]
    pub(crate) seed: u64,
    /// Publishers, each with a connection and a thread.
    #[arg(long, value_name = "P", default_value_t = 1, help_heading = "Publishing",
        value_parser = up_to(MAX_PUBLISHERS))]
    pub(crate) publishers: u32,
    /// Warm-up and measured time together.
    #[arg(skip)]
    pub(crate) length: Duration,
}

/// One message to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Send {
    /// Counts from 0 for each publisher.
    pub(crate) sequence: u64,
    /// Intended time in nanoseconds since the start of the load.
    pub(crate) at: u64,
    pub(crate) channel: Channel,
}

impl Schedule {
    /// The channel of a publisher's `sequence`-th message: round-robin, each publisher begins
    /// one further.
    pub(crate) fn channel_of(&self, publisher: PublisherId, sequence: u64) -> Channel {
        Channel(((sequence + u64::from(publisher.0)) % u64::from(self.channels)) as u32)
    }

    /// How many earlier messages of this publisher went to the same channel as `sequence`.
    pub(crate) fn index_in_channel(&self, sequence: u64) -> u64 {
        sequence / u64::from(self.channels)
    }

    /// What `publisher` sends, in order of time.
    pub(crate) fn sends(self, publisher: PublisherId) -> impl Iterator<Item = Send> {
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(publisher.0);
        let mut random = fastrand::Rng::with_seed(seed);
        let (publishers, own) = (f64::from(self.publishers), f64::from(publisher.0));
        let end = self.length.as_nanos() as u64;
        // Seconds, of the last Poisson arrival.
        let mut last = 0.0;
        (0..).map_while(move |sequence: u64| {
            let seconds = match self.arrivals {
                // The publishers interleave: message k of all is due at k / rate.
                Arrivals::Constant => (sequence as f64 * publishers + own) / self.rate,
                Arrivals::Poisson => {
                    // 1 - f64() lies in (0, 1], so the logarithm is finite.
                    last -= (1.0 - random.f64()).ln() * publishers / self.rate;
                    last
                }
            };
            let at = (seconds * 1e9) as u64;
            let channel = self.channel_of(publisher, sequence);
            (at < end).then_some(Send { sequence, at, channel })
        })
    }
}

#[cfg(test)]
mod tests;

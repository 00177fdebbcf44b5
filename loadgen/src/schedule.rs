//! When each message is due: a seeded schedule, fixed before the first one is sent.
//!
//! Latency is counted from these times and not from the moment of sending, so a sender or a
//! server that falls behind cannot hide the wait it caused (no coordinated omission).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::timeline::Timeline;

/// A channel, counted from 0.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub(crate) struct Channel(pub(crate) u32);

impl Channel {
    /// Its place in tables by channel.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The largest number of publishers with a thread each.
pub(crate) const MAX_PUBLISHERS: u32 = 999;

/// A publisher, counted from 0. Behind those with a thread come the subscribers that publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct PublisherId(pub(crate) u32);

/// A message, by its publisher, channel and index there.
pub(crate) type MessageId = (PublisherId, Channel, u64);

/// How the intended send times are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arrivals {
    /// Evenly, one every 1/rate seconds.
    #[default]
    Constant,
    /// Independent arrivals: exponential gaps with the mean 1/rate.
    Poisson,
    /// `--burst` messages at once, as often as keeps the rate.
    Burst,
}

/// The times of all messages, from which every source derives its own part.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) arrivals: Arrivals,
    /// Messages of a burst.
    pub(crate) burst: u32,
    pub(crate) seed: u64,
    pub(crate) channels: u32,
}

/// One message to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Send {
    /// Counts from 0 for each source.
    pub(crate) sequence: u64,
    /// Intended time in nanoseconds since the start of the load.
    pub(crate) at: u64,
}

impl Schedule {
    /// What the `source`-th of so many sources sends, in order of time. The sources interleave.
    pub(crate) fn sends(&self, source: u32, sources: u32) -> impl Iterator<Item = Send> + use<> {
        let Self { timeline, arrivals, burst, seed, .. } = self.clone();
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(source);
        let mut random = fastrand::Rng::with_seed(seed);
        let (sources, burst) = (u64::from(sources), u64::from(burst.max(1)));
        // Counted in messages of all sources.
        let mut last = 0.0;
        (0..).map_while(move |sequence: u64| {
            let number = sequence * sources + u64::from(source);
            let count = match arrivals {
                Arrivals::Constant => number as f64,
                Arrivals::Burst => (number - number % burst) as f64,
                Arrivals::Poisson => {
                    // 1 - f64() lies in (0, 1], so the logarithm is finite.
                    last -= (1.0 - random.f64()).ln() * sources as f64;
                    last
                }
            };
            timeline.time_of(count).map(|at| Send { sequence, at })
        })
    }

    /// The channel of a publisher's `sequence`-th message: round-robin, each publisher begins
    /// one further.
    pub(crate) fn channel_of(&self, publisher: PublisherId, sequence: u64) -> Channel {
        Channel(((sequence + u64::from(publisher.0)) % u64::from(self.channels)) as u32)
    }

    /// How many earlier messages of this publisher went to the same channel as `sequence`.
    pub(crate) fn index_in_channel(&self, sequence: u64) -> u64 {
        sequence / u64::from(self.channels)
    }
}

#[cfg(test)]
mod tests;

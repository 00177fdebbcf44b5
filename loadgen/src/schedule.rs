//! When each message is due: a seeded schedule, fixed before the first one is sent.
//!
//! Latency is counted from these times and not from the moment of sending, so a sender or a
//! server that falls behind cannot hide the wait it caused (no coordinated omission).

use std::time::Duration;

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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Messages a second, over all publishers.
    pub(crate) rate: f64,
    /// Warm-up and measured time together.
    pub(crate) length: Duration,
    pub(crate) publishers: u32,
    pub(crate) channels: u32,
    pub(crate) arrivals: Arrivals,
    pub(crate) seed: u64,
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
        let mut times = Times::new(self, publisher);
        let end = self.length.as_nanos() as u64;
        (0..).map_while(move |sequence| {
            let at = times.next(sequence);
            let channel = self.channel_of(publisher, sequence);
            (at < end).then_some(Send { sequence, at, channel })
        })
    }
}

/// The intended times of one publisher.
struct Times {
    schedule: Schedule,
    publisher: PublisherId,
    random: fastrand::Rng,
    /// Seconds, of the last Poisson arrival.
    now: f64,
}

impl Times {
    fn new(schedule: Schedule, publisher: PublisherId) -> Self {
        let seed = schedule.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(publisher.0);
        Self { schedule, publisher, random: fastrand::Rng::with_seed(seed), now: 0.0 }
    }

    fn next(&mut self, sequence: u64) -> u64 {
        let publishers = f64::from(self.schedule.publishers);
        let seconds = match self.schedule.arrivals {
            // The publishers interleave: message k of all is due at k / rate.
            Arrivals::Constant => {
                (sequence as f64 * publishers + f64::from(self.publisher.0)) / self.schedule.rate
            }
            Arrivals::Poisson => {
                // 1 - f64() lies in (0, 1], so the logarithm is finite.
                self.now -= (1.0 - self.random.f64()).ln() * publishers / self.schedule.rate;
                self.now
            }
        };
        (seconds * 1e9) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(arrivals: Arrivals) -> Schedule {
        let length = Duration::from_secs(10);
        Schedule { rate: 100.0, length, publishers: 1, channels: 4, arrivals, seed: 7 }
    }

    #[test]
    fn a_constant_schedule_is_evenly_spaced_and_complete() {
        let sends: Vec<Send> = schedule(Arrivals::Constant).sends(PublisherId(0)).collect();
        assert_eq!(sends.len(), 1_000);
        assert_eq!(sends[1].at, 10_000_000);
        assert_eq!(sends[5].channel, Channel(1));
    }

    #[test]
    fn a_poisson_schedule_keeps_the_rate_on_average() {
        let count = schedule(Arrivals::Poisson).sends(PublisherId(0)).count();
        assert!((850..1_150).contains(&count), "{count} messages instead of about 1,000");
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_schedule_in_order_of_time(
            seed: u64, rate in 1.0..5_000.0f64, publishers in 1..8u32, channels in 1..9u32,
            poisson: bool,
        ) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let length = Duration::from_millis(500);
            let schedule = Schedule { rate, length, publishers, channels, arrivals, seed };
            let mut per_channel = vec![0u64; channels as usize];
            for publisher in (0..publishers).map(PublisherId) {
                let sends: Vec<Send> = schedule.sends(publisher).collect();
                prop_assert_eq!(&sends, &schedule.sends(publisher).collect::<Vec<_>>());
                prop_assert!(sends.is_sorted_by_key(|send| send.at));
                per_channel.fill(0);
                for send in sends {
                    prop_assert!(u128::from(send.at) < length.as_nanos());
                    let count = &mut per_channel[send.channel.index()];
                    // Dense per channel: what the order check relies on.
                    prop_assert_eq!(schedule.index_in_channel(send.sequence), *count);
                    *count += 1;
                }
            }
        }

        #[test]
        fn constant_publishers_together_keep_the_rate(publishers in 1..16u32) {
            let schedule = Schedule { publishers, ..schedule(Arrivals::Constant) };
            let counts = (0..publishers).map(|p| schedule.sends(PublisherId(p)).count());
            let total: usize = counts.sum();
            prop_assert_eq!(total, 1_000);
        }
    }
}

//! Which channels a subscriber is in.

use std::sync::Arc;

use crate::schedule::Channel;

/// The choice of every subscriber, the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct RoomChoice {
    pub(crate) channels: u32,
    pub(crate) per_client: u32,
    seed: u64,
    /// By channel, the share of those up to it; empty where all are alike.
    shares: Arc<[f64]>,
}

impl RoomChoice {
    /// `per_client` of so many channels; their popularity falls as the `zipf`-th power of their
    /// rank.
    pub(crate) fn new(channels: u32, per_client: u32, zipf: f64, seed: u64) -> Self {
        let mut sum = 0.0;
        let shares = (1..=channels).filter(|_| zipf > 0.0).map(|rank| {
            sum += f64::from(rank).powf(-zipf);
            sum
        });
        Self { channels, per_client, seed, shares: shares.collect() }
    }

    /// The channels of a subscriber, each one once.
    pub(crate) fn of(&self, client: u32) -> Vec<Channel> {
        let Some(sum) = self.shares.last() else {
            let first = u64::from(client) * u64::from(self.per_client);
            let at = |place| Channel(((first + place) % u64::from(self.channels)) as u32);
            return (0..u64::from(self.per_client)).map(at).collect();
        };
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(client) << 32);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut chosen: Vec<Channel> = Vec::with_capacity(self.per_client as usize);
        while chosen.len() < self.per_client as usize {
            let at = random.f64() * sum;
            let channel = self.shares.partition_point(|share| *share <= at) as u32;
            let mut channel = Channel(channel.min(self.channels - 1));
            // One that is taken already gives way to the next, so that the choice ends.
            while chosen.contains(&channel) {
                channel = Channel((channel.0 + 1) % self.channels);
            }
            chosen.push(channel);
        }
        chosen
    }
}

#[cfg(test)]
mod tests;

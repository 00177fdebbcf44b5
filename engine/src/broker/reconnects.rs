//! Clients that are told to reconnect, each with a slot that ends with the close of its connection:
//! evenly over a time, so that they come back at the same pace
//! (docs/decisions/0041-slots-of-a-drain.md).

use std::time::Duration;

use super::connection::CloseReason;
use super::core::Core;
use super::session::Sessions;
use super::timers::Timer;
use crate::types::{ConnectionKey, DrainReason, ShardId};

/// 2^64 divided by the golden ratio. Its multiples, modulo 2^64, are spread evenly however many
/// there are: no slot depends on how many clients follow.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Which clients a drain means, and when the connection of each is closed.
#[derive(Debug)]
pub(super) struct Reconnects {
    /// The next slot as a part of the time, in units of 2^-64.
    next_slot: u64,
    /// Hundredths of a client that earlier shares left over.
    share: u8,
}

impl Reconnects {
    /// Those of one shard. They begin at different places, so that shards do not close in step.
    pub(super) fn new(shard: ShardId, shards: usize) -> Reconnects {
        let shards = shards.max(1) as u64;
        Reconnects { next_slot: u64::MAX / shards * u64::from(shard.0), share: 50 }
    }

    /// Whether one more client is among so many of a hundred.
    pub(super) fn takes_share(&mut self, percent: u8) -> bool {
        let share = self.share + percent.min(100);
        self.share = share % 100;
        share >= 100
    }

    fn next_slot(&mut self, spread: Duration) -> Duration {
        let part = self.next_slot;
        self.next_slot = part.wrapping_add(GOLDEN);
        let ns = (spread.as_nanos().min(u64::MAX.into()) * u128::from(part)) >> 64;
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Tells an open connection's client to reconnect, and when. Returns whether it was not told
    /// before; of a shutdown it is told in any case.
    pub(super) fn tell(
        &mut self,
        core: &mut Core,
        sessions: &Sessions,
        key: ConnectionKey,
        (spread, why): (Duration, DrainReason),
    ) -> bool {
        let told = core.connections[key].leaves();
        if told == Some(DrainReason::Shutdown) || told == Some(why) {
            return false;
        }
        let after = self.next_slot(spread);
        core.connections.mark_leaving(key, why);
        sessions.tell_to_reconnect(core, key, after, why);
        core.cx.timers.set(core.cx.now.mono + after, key, Timer::Reconnect);
        true
    }
}

/// The slot of a client that was told to reconnect is over.
pub(super) fn close(core: &mut Core, sessions: &mut Sessions, key: ConnectionKey) {
    let reason = match core.connections[key].leaves() {
        Some(DrainReason::Drain) => CloseReason::Drain,
        Some(DrainReason::Shutdown) | None => CloseReason::Shutdown,
    };
    sessions.close(core, key, reason);
}

#[cfg(test)]
mod tests;

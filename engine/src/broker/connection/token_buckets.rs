//! Token buckets of a connection: inbound messages, and inbound bytes.

use std::time::Duration;

use crate::limits::MIN_BYTE_BURST;
use crate::types::Time;

/// Thousandths of a message left, as of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    tokens: u32,
    at_ms: u32,
}

/// Thousandths of a token in one message.
const MESSAGE: u32 = 1_000;

impl Bucket {
    /// A full bucket: one and a half seconds' worth of `rate` messages a second.
    pub(crate) fn full(rate: u32, now: Time) -> Bucket {
        Bucket { tokens: burst(rate), at_ms: millis(now) }
    }

    /// Takes one message out, or says after how many milliseconds there will be one.
    pub(crate) fn take(&mut self, rate: u32, now: Time) -> Result<(), u32> {
        if rate == 0 {
            return Ok(());
        }
        let now = millis(now);
        let passed = now.wrapping_sub(self.at_ms);
        // `rate` messages a second are `rate` thousandths a millisecond.
        let gained = u64::from(passed) * u64::from(rate) + u64::from(self.tokens);
        self.tokens = gained.min(u64::from(burst(rate))) as u32;
        self.at_ms = now;
        match self.tokens.checked_sub(MESSAGE) {
            Some(rest) => {
                self.tokens = rest;
                Ok(())
            }
            None => Err((MESSAGE - self.tokens).div_ceil(rate)),
        }
    }
}

fn burst(rate: u32) -> u32 {
    rate.saturating_mul(MESSAGE + MESSAGE / 2).max(MESSAGE)
}

/// Bytes left, as of a moment; negative when more has come than was allowed, which is paid for by
/// waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteBucket {
    left: i32,
    at_ms: u32,
}

impl ByteBucket {
    /// A full bucket: one and a half seconds' worth of `rate` bytes a second.
    pub(crate) fn full(rate: u32, now: Time) -> ByteBucket {
        ByteBucket { left: byte_burst(rate), at_ms: millis(now) }
    }

    /// Takes `bytes` out, and says how long nothing more should be, if so.
    pub(crate) fn take(&mut self, rate: u32, bytes: usize, now: Time) -> Option<Duration> {
        if rate == 0 {
            return None;
        }
        let now = millis(now);
        let passed = i64::from(now.wrapping_sub(self.at_ms));
        // Whole milliseconds are counted once: the bytes of a started one are not lost, as long as
        // the rate is a byte a millisecond or more.
        let gained = i64::from(self.left) + passed * i64::from(rate) / 1_000;
        let left = gained.min(byte_burst(rate).into()) - bytes.min(i32::MAX as usize) as i64;
        self.left = left.max(i32::MIN.into()) as i32;
        self.at_ms = now;
        let owed = u64::try_from(-left).ok().filter(|owed| *owed > 0)?;
        Some(Duration::from_millis((owed * 1_000).div_ceil(rate.into())))
    }
}

fn byte_burst(rate: u32) -> i32 {
    let burst = u64::from(rate) * 3 / 2;
    burst.clamp(MIN_BYTE_BURST.into(), i32::MAX as u64) as i32
}

fn millis(time: Time) -> u32 {
    // Wraps after 49 days; only differences are used.
    (time.0 / 1_000_000) as u32
}

#[cfg(test)]
mod tests;

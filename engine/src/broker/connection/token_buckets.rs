//! Token buckets of a connection: inbound messages, and inbound bytes.

use std::time::Duration;

use crate::handover::Allowance;
use crate::limits::{CLOSING_BYTES, MIN_BYTE_BURST};
use crate::types::Time;

/// Thousandths of a message left, as of a moment; negative when more has come than was allowed,
/// which is paid for by waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    tokens: i32,
    at_ms: u32,
}

/// Thousandths of a token in one message.
const MESSAGE: i32 = 1_000;
/// Seconds within which any debt is paid off.
const LONGEST_DEBT: u32 = 10;

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
        self.fill(rate, now);
        if self.tokens < MESSAGE {
            return Err((MESSAGE - self.tokens).unsigned_abs().div_ceil(rate));
        }
        self.tokens -= MESSAGE;
        Ok(())
    }

    /// Takes out `frames` that cannot be refused any more, and says for how many milliseconds there
    /// should be no more, if so. `rate` is not 0.
    pub(crate) fn charge(&mut self, rate: u32, frames: u32, now: Time) -> Option<u32> {
        self.fill(rate, now);
        let left = i64::from(self.tokens) - i64::from(frames) * i64::from(MESSAGE);
        let least = -(i64::from(rate) * i64::from(LONGEST_DEBT * 1_000)).min(i32::MAX.into());
        self.tokens = left.max(least) as i32;
        (self.tokens < 0).then(|| self.tokens.unsigned_abs().div_ceil(rate))
    }

    /// Whole messages that may come at once now.
    pub(crate) fn left(mut self, rate: u32, now: Time) -> u32 {
        self.fill(rate, now);
        self.tokens.max(0).unsigned_abs() / MESSAGE.unsigned_abs()
    }

    /// As another process takes it over.
    pub(crate) fn export(self) -> Allowance {
        Allowance { left: self.tokens, at_ms: self.at_ms }
    }

    pub(crate) fn import(Allowance { left, at_ms }: Allowance) -> Bucket {
        // No debt is as large.
        Bucket { tokens: left.max(i32::MIN / 2), at_ms }
    }

    fn fill(&mut self, rate: u32, now: Time) {
        let now = millis(now);
        let passed = now.wrapping_sub(self.at_ms);
        // `rate` messages a second are `rate` thousandths a millisecond.
        let gained = i64::from(passed) * i64::from(rate) + i64::from(self.tokens);
        self.tokens = gained.min(burst(rate).into()) as i32;
        self.at_ms = now;
    }
}

fn burst(rate: u32) -> i32 {
    let burst = u64::from(rate) * (MESSAGE as u64) * 3 / 2;
    burst.clamp(MESSAGE as u64, i32::MAX as u64) as i32
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

    /// What a connection that is being closed may still send.
    pub(crate) fn for_close() -> ByteBucket {
        ByteBucket { left: CLOSING_BYTES, at_ms: 0 }
    }

    /// Takes `bytes` out of what a connection that is being closed may send. Returns whether it was
    /// within that.
    pub(crate) fn drain(&mut self, bytes: usize) -> bool {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.left = self.left.saturating_sub(bytes);
        self.left >= 0
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

    /// As another process takes it over.
    pub(crate) fn export(self) -> Allowance {
        Allowance { left: self.left, at_ms: self.at_ms }
    }

    pub(crate) fn import(Allowance { left, at_ms }: Allowance) -> ByteBucket {
        ByteBucket { left, at_ms }
    }

    /// Bytes that may come at once now.
    pub(crate) fn left(mut self, rate: u32, now: Time) -> u32 {
        self.take(rate, 0, now);
        self.left.max(0).unsigned_abs()
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

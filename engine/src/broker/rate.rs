//! Token bucket of a connection's inbound messages.

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

fn millis(time: Time) -> u32 {
    // Wraps after 49 days; only differences are used.
    (time.0 / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time(ms * 1_000_000)
    }

    #[test]
    fn a_burst_of_one_and_a_half_passes_and_then_the_rate() {
        let mut bucket = Bucket::full(100, at(5_000));
        let passed = (0..1_000).filter(|_| bucket.take(100, at(5_000)).is_ok()).count();
        assert_eq!(passed, 150);
        assert_eq!(bucket.take(100, at(5_000)), Err(10));
        assert_eq!(bucket.take(100, at(5_010)), Ok(()));
        let passed = (0..1_000).filter(|i| bucket.take(100, at(5_010 + i)).is_ok()).count();
        assert!((99..=100).contains(&passed), "{passed}");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::full(0, at(0));
        assert!((0..10_000).all(|_| bucket.take(0, at(0)).is_ok()));
    }
}

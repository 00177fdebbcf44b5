//! How far another process's clock is from ours, from questions and answers as NTP asks them
//! (RFC 5905, section 8): of several the one with the least round trip counts. Pure.

/// One question: when it left and when its answer came on our clock, and what theirs showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) sent: u64,
    pub(super) theirs: u64,
    pub(super) received: u64,
}

/// An estimate, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockOffset {
    /// What is added to their clock to have ours.
    pub(super) offset: i64,
    /// The estimate is wrong by no more, however the round trip's two ways differ.
    pub(super) bound: u64,
}

impl ClockOffset {
    /// The best estimate of these. `None` without any.
    pub(super) fn of(exchanges: &[Exchange]) -> Option<Self> {
        let round_trip = |one: &Exchange| one.received.saturating_sub(one.sent);
        let best = exchanges.iter().min_by_key(|one| round_trip(one))?;
        let middle = best.sent + round_trip(best) / 2;
        let offset = middle.wrapping_sub(best.theirs).cast_signed();
        Some(Self { offset, bound: round_trip(best).div_ceil(2) })
    }
}

#[cfg(test)]
mod tests;

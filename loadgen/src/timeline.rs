//! The phases of a run one after the other, with a place in time for each message.

use std::time::Duration;

use crate::phase::Phase;

const SECOND: u64 = 1_000_000_000;
/// The most slices of time that a run is reported in.
const MAX_SLICES: u64 = 3_600;

/// Phases from the start of the load to its end.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    phases: Vec<Phase>,
    /// Of each phase: when it begins, in nanoseconds, and how many messages are due before.
    begins: Vec<(u64, f64)>,
    length: u64,
    slice_length: u64,
}

impl Timeline {
    pub(crate) fn new(phases: Vec<Phase>) -> Self {
        let (mut at, mut due) = (Duration::ZERO, 0.0);
        let begins = phases.iter().map(|phase| {
            let begin = (at.as_nanos() as u64, due);
            at += phase.length;
            due += phase.messages();
            begin
        });
        let begins = begins.collect();
        let length = at.as_nanos() as u64;
        // A second, or more for a long run.
        let slice_length = SECOND * length.div_ceil(SECOND * MAX_SLICES).max(1);
        Self { phases, begins, length, slice_length }
    }

    pub(crate) fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// When the `phase`-th begins, in nanoseconds from the start.
    pub(crate) fn begin(&self, phase: usize) -> u64 {
        self.begins[phase].0
    }

    /// Nanoseconds from the start to the end.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The phase of what was intended `at` nanoseconds from the start; the last one afterwards.
    pub(crate) fn phase_at(&self, at: u64) -> usize {
        // Few phases: a search from behind is short, and ends at the first.
        self.begins.iter().rposition(|(begin, _)| *begin <= at).unwrap_or(0)
    }

    /// When `count` messages are due, in nanoseconds from the start; `None` after the end.
    pub(crate) fn time_of(&self, count: f64) -> Option<u64> {
        // A phase with a rate of 0 owns no count: the search passes it.
        let mut places = self.phases.iter().zip(&self.begins).rev();
        let (phase, (begin, before)) =
            places.find(|(phase, (_, before))| *before <= count && phase.messages() > 0.0)?;
        let at = begin + (phase.time_of(count - before) * 1e9).round() as u64;
        (at < begin + phase.length.as_nanos() as u64).then_some(at)
    }

    /// The length of a slice, in nanoseconds.
    pub(crate) fn slice_length(&self) -> u64 {
        self.slice_length
    }

    /// The slice of what was intended `at` nanoseconds from the start.
    pub(crate) fn slice_at(&self, at: u64) -> usize {
        (at / self.slice_length) as usize
    }

    pub(crate) fn slices(&self) -> usize {
        self.length.div_ceil(self.slice_length) as usize
    }
}

#[cfg(test)]
mod tests;

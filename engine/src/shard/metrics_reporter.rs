//! Sends what was measured to the collector.

use crossbeam::channel::{Receiver, Sender, TrySendError};

use super::clock;
use super::delivery_ring::Ring;
use crate::limits::SNAPSHOT_INTERVAL;
use crate::telemetry::{Count, Recorder, Snapshot};
use crate::types::Time;

/// The shard's end of the channels to the collector.
pub(crate) struct MetricsReporter {
    full: Sender<Box<Snapshot>>,
    spares: Receiver<Box<Snapshot>>,
    /// A snapshot that the collector had no room for.
    unsent: Option<Box<Snapshot>>,
    next: Time,
    /// CPU time of the thread recorded so far, in nanoseconds.
    recorded_cpu: u64,
}

impl MetricsReporter {
    pub(crate) fn new(
        full: Sender<Box<Snapshot>>,
        spares: Receiver<Box<Snapshot>>,
    ) -> MetricsReporter {
        MetricsReporter { full, spares, unsent: None, next: Time(0), recorded_cpu: 0 }
    }

    /// Once per [`SNAPSHOT_INTERVAL`], sends what was recorded. While the collector has no room,
    /// recording continues in the same snapshot, so nothing is lost.
    pub(super) fn report(&mut self, now: Time, recorder: &mut Recorder) {
        if now >= self.next {
            self.next = now + SNAPSHOT_INTERVAL;
            self.send(recorder);
        }
    }

    /// Records the CPU time that this thread has used since the last call.
    pub(super) fn record_work(&mut self, recorder: &mut Recorder) {
        if recorder.is_enabled() {
            let recorded_cpu = clock::cpu_time();
            recorder.used_cpu(recorded_cpu.saturating_sub(self.recorded_cpu));
            self.recorded_cpu = recorded_cpu;
        }
    }

    /// As `report`, at any time.
    pub(crate) fn send(&mut self, recorder: &mut Recorder) {
        if !recorder.is_enabled() {
            return;
        }
        if self.unsent.is_none() && !self.full.is_full() {
            self.unsent = Some(recorder.swap(self.spares.try_recv().ok()));
        }
        if let Some(snapshot) = self.unsent.take()
            && let Err(TrySendError::Full(snapshot)) = self.full.try_send(snapshot)
        {
            self.unsent = Some(snapshot);
        }
    }
}

/// Adds what the ring counted to the shard's recorder.
pub(super) fn record_ring(ring: &mut Ring, recorder: &mut Recorder) {
    let stats = ring.take_stats();
    recorder.count(Count::RingEnters, stats.enters);
    recorder.count(Count::RingEntries, stats.entries);
    recorder.count(Count::SendCompletions, stats.send_completions);
    recorder.count(Count::RingCompletions, stats.completions);
    recorder.count(Count::RingOverflows, stats.overflows);
    recorder.count(Count::RingStalls, stats.stalls);
}

#[cfg(test)]
mod tests;

//! Handing what was measured to the collector.

use crossbeam::channel::{Receiver, Sender, TrySendError};

use super::clock;
use super::deliver::Ring;
use crate::limits::SNAPSHOT_INTERVAL;
use crate::telemetry::{Count, Recorder, Snapshot};
use crate::types::Time;

/// The shard's end of the channels to the collector.
pub(super) struct Reporter {
    full: Sender<Box<Snapshot>>,
    twins: Receiver<Box<Snapshot>>,
    /// A snapshot the collector had no room for.
    held: Option<Box<Snapshot>>,
    next: Time,
    /// CPU time of the thread that has been recorded.
    worked: u64,
}

impl Reporter {
    pub(super) fn new(full: Sender<Box<Snapshot>>, twins: Receiver<Box<Snapshot>>) -> Reporter {
        Reporter { full, twins, held: None, next: Time(0), worked: 0 }
    }

    /// Once per [`SNAPSHOT_INTERVAL`]: hands over what was recorded. While the collector has no
    /// room, recording goes on in the snapshot at hand, so nothing is lost.
    pub(super) fn report(&mut self, now: Time, recorder: &mut Recorder) {
        if now >= self.next {
            self.next = now + SNAPSHOT_INTERVAL;
            self.hand_over(recorder);
        }
    }

    /// Records the CPU time that this thread has used since the last call.
    pub(super) fn record_work(&mut self, recorder: &mut Recorder) {
        if recorder.is_enabled() {
            let worked = clock::cpu_time();
            recorder.worked(worked.saturating_sub(self.worked));
            self.worked = worked;
        }
    }

    /// As `report`, whatever the time.
    pub(super) fn hand_over(&mut self, recorder: &mut Recorder) {
        if !recorder.is_enabled() {
            return;
        }
        if self.held.is_none() && !self.full.is_full() {
            self.held = Some(recorder.swap(self.twins.try_recv().ok()));
        }
        if let Some(snapshot) = self.held.take()
            && let Err(TrySendError::Full(snapshot)) = self.full.try_send(snapshot)
        {
            self.held = Some(snapshot);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ShardId;
    use crossbeam::channel::bounded;

    #[test]
    fn nothing_is_lost_while_the_collector_has_no_room() {
        let ((full, collector), (_twins, twins)) = (bounded(1), bounded(1));
        let mut reporter = Reporter::new(full, twins);
        let mut recorder = Recorder::new(ShardId(0), 1, true);
        for _ in 0..5 {
            recorder.count(Count::Accepts, 1);
            reporter.hand_over(&mut recorder);
        }
        let mut accepts = 0;
        for _ in 0..3 {
            while let Ok(snapshot) = collector.try_recv() {
                accepts += snapshot.counters.counts[Count::Accepts as usize];
            }
            reporter.hand_over(&mut recorder);
        }
        assert_eq!(accepts, 5);
    }
}

use super::*;
use crate::types::ShardId;
use crossbeam::channel::bounded;

#[test]
fn nothing_is_lost_while_the_collector_has_no_room() {
    let ((full, collector), (_returned, spares)) = (bounded(1), bounded(1));
    let mut metrics = MetricsReporter::new(full, spares);
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    for _ in 0..5 {
        recorder.count(Count::Accepts, 1);
        metrics.send(&mut recorder);
    }
    let mut accepts = 0;
    for _ in 0..3 {
        while let Ok(snapshot) = collector.try_recv() {
            accepts += snapshot.counters.counts[Count::Accepts as usize];
        }
        metrics.send(&mut recorder);
    }
    assert_eq!(accepts, 5);
}

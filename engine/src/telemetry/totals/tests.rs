use super::*;
use crate::telemetry::Recorder;
use crate::types::{ChannelName, ShardId, Transport};

const WS: Transport = Transport::WebSocket;

/// Publishes once to each of these classes and to `shared`, and hands over.
fn publish(recorder: &mut Recorder, classes: std::ops::Range<usize>) -> Box<Snapshot> {
    let names = classes.map(|i| format!("class{i}:x")).chain(["shared:x".into()]);
    for name in names {
        let class = recorder.class_of(&ChannelName::parse(&name).unwrap());
        recorder.broadcast_accepted(class);
        recorder.delivered(class, WS, 5_000, 1, 10);
    }
    recorder.swap(None)
}

#[test]
fn classes_of_all_shards_together_are_bounded_and_no_sum_is_lost() {
    let mut recorders = [0, 1].map(|shard| Recorder::new(ShardId(shard), 1, true));
    let mut totals = Totals::new(2, 1);
    let mut before = BTreeMap::new();
    for round in 1..=3 {
        for (recorder, first) in recorders.iter_mut().zip([0, 75]) {
            totals.absorb(&publish(recorder, first..first + 75));
        }
        assert_eq!(totals.classes.len(), MAX_CLASSES + 1, "and `other`");
        let sums = |of: fn(&ClassStats) -> u64| totals.classes.values().map(of).sum::<u64>();
        assert_eq!(sums(|class| class.broadcasts), 152 * round);
        assert_eq!(sums(|class| class.delivery.len()), 152 * round);
        let of = |name: &str| totals.classes[&(ServiceId(0), name.into())].broadcasts;
        assert_eq!((of("other"), of("shared")), (51 * round, 2 * round));
        let now: BTreeMap<_, _> =
            totals.classes.iter().map(|(key, class)| (key.clone(), class.broadcasts)).collect();
        let fell = |(key, then): (&(ServiceId, String), &u64)| now.get(key) < Some(then);
        assert!(!before.iter().any(fell), "counters only rise");
        before = now;
    }
}

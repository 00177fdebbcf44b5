use super::super::classes::IDLE_SNAPSHOTS;
use super::*;
use crate::telemetry::Totals;

const WS: Transport = Transport::WebSocket;

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

#[test]
fn classes_are_bounded_and_the_rest_is_other() {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    for i in 0..MAX_CLASSES + 50 {
        let class = recorder.class_of(&name(&format!("class{i}:x")));
        recorder.broadcast_accepted(class);
    }
    let snapshot = recorder.swap(None);
    assert_eq!(snapshot.classes.len(), MAX_CLASSES + 1);
    assert_eq!(snapshot.classes.last().unwrap().name, "other");
    assert_eq!(snapshot.classes.last().unwrap().broadcasts, 50);
}

#[test]
fn a_long_name_of_a_class_is_cut_between_characters() {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    let long = "\u{e4}".repeat(40);
    for text in [format!("{long}:x"), format!("{long}y:x"), format!("{}:x", &long[..64])] {
        let class = recorder.class_of(&name(&text));
        recorder.broadcast_accepted(class);
    }
    let snapshot = recorder.swap(None);
    let class = &snapshot.classes[0];
    assert_eq!((snapshot.classes.len(), class.broadcasts), (1, 3));
    assert_eq!(class.name, "\u{e4}".repeat(32));
}

#[test]
fn services_have_classes_and_counts_of_their_own() {
    let mut recorder = Recorder::new(ShardId(0), 2, true);
    let one = recorder.class_of(&name("global"));
    let other = recorder.class_of(&name("global").at(ServiceId(1)));
    assert_ne!(one, other);
    recorder.delivered(other, WS, 5_000, 3, 100);
    let snapshot = recorder.swap(None);
    let sent: Vec<u64> =
        snapshot.services.iter().map(|s| s.sent[MessageType::Event as usize]).collect();
    assert_eq!(sent, [0, 3]);
}

#[test]
fn a_spare_starts_empty_and_keeps_gauges_and_classes() {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    let first = recorder.swap(None);
    let class = recorder.class_of(&name("a:1"));
    recorder.set(Gauge::Connections, 7);
    recorder.delivered(class, WS, 5_000, 10, 128);
    let second = recorder.swap(Some(first));
    assert_eq!(second.classes[0].delivery.len(), 10);
    recorder.delivered(class, WS, 5_000, 1, 128);
    let third = recorder.swap(Some(second));
    assert_eq!(third.classes[0].delivery.len(), 1);
    assert_eq!(third.counters.gauges[Gauge::Connections as usize], 7);
    assert_eq!(third.counters.counts[Count::DeliveryBytes as usize], 128);
}

#[test]
fn deliveries_by_events_are_counted_among_all_and_by_themselves() {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    let class = recorder.class_of(&name("a:1"));
    recorder.delivered(class, WS, 5_000, 2, 100);
    recorder.delivered(class, Transport::EventStream, 5_000, 3, 150);
    let counts = recorder.swap(None).counters.counts;
    let of = |what: Count| counts[what as usize];
    assert_eq!((of(Count::Deliveries), of(Count::DeliveryBytes)), (5, 650));
    assert_eq!((of(Count::EventDeliveries), of(Count::EventDeliveryBytes)), (3, 450));
}

#[test]
fn a_class_that_was_idle_for_long_gives_its_place_back() {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    let mut totals = Totals::new(1, 1);
    let mut spare = None;
    let mut hand_over = |recorder: &mut Recorder, totals: &mut Totals| {
        let snapshot = recorder.swap(spare.take());
        totals.absorb(&snapshot);
        spare = Some(snapshot);
    };
    let words: Vec<_> =
        (0..=MAX_CLASSES).map(|i| recorder.class_of(&name(&format!("word{i}:x")))).collect();
    let busy = words[0];
    words.iter().for_each(|class| recorder.delivered(*class, WS, 5_000, 1, 10));
    hand_over(&mut recorder, &mut totals);
    assert_eq!(totals.classes.len(), MAX_CLASSES + 1);
    for _ in 0..IDLE_SNAPSHOTS {
        recorder.delivered(busy, WS, 5_000, 1, 10);
        hand_over(&mut recorder, &mut totals);
    }
    hand_over(&mut recorder, &mut totals);
    let names: Vec<_> = totals.classes.keys().map(|key| &*key.1).collect();
    assert_eq!(names, ["word0"]);
    assert_eq!(totals.retired.len(), MAX_CLASSES as u64, "no delivery is lost from the sums");
    assert!(recorder.is_current(busy) && !recorder.is_current(words[1]));
    // Others have places of their own again, and a former user's id measures nothing.
    let news: Vec<_> = (0..9).map(|i| recorder.class_of(&name(&format!("new{i}:x")))).collect();
    words[1..].iter().for_each(|class| recorder.broadcast_accepted(*class));
    news.iter().for_each(|class| recorder.broadcast_accepted(*class));
    hand_over(&mut recorder, &mut totals);
    assert_eq!(totals.classes.len(), 10);
    let new = |name: &str| totals.classes[&(ServiceId(0), name.into())].broadcasts;
    assert!((0..9).all(|i| new(&format!("new{i}")) == 1));
}

use super::*;
use crate::cluster::stream_view::Kept;
use crate::cluster::subjects::Subjects;

fn partition() -> Partition {
    let kept = Kept { age: Duration::from_secs(600), messages: 100 };
    Partition::new(Subjects::new("u", 0), "node".into(), 1, kept)
}

const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_connection_that_comes_back_soon_is_no_matter_of_clients() {
    let (mut health, all) = (Health::default(), [partition()]);
    health.handle_link(at(0), LinkEvent::Disconnected);
    assert_eq!(health.change(at(1_999), &all), None);
    health.handle_link(at(1_999), LinkEvent::Connected);
    assert_eq!(health.change(at(5_000), &all), None);
    assert_eq!(health.reconnects, 1);
}

#[test]
fn a_lost_connection_degrades_until_it_is_back() {
    let (mut health, all) = (Health::default(), [partition()]);
    health.handle_link(at(0), LinkEvent::Disconnected);
    assert_eq!(health.change(at(2_000), &all), Some(Change::Degraded(DISCONNECTED)));
    assert_eq!(health.change(at(3_000), &all), None);
    health.handle_link(at(4_000), LinkEvent::Connected);
    assert_eq!(health.change(at(4_000), &all), Some(Change::Restored));
}

#[test]
fn a_stream_without_a_leader_degrades_after_the_longest_election() {
    let (mut health, mut all) = (Health::default(), [partition(), partition()]);
    all[1].failing_since = Some(at(1_000));
    assert_eq!(health.probes(at(1_500), &all), [1]);
    assert!(health.probes(at(1_600), &all).is_empty(), "one a second");
    assert_eq!(health.change(at(10_999), &all), None);
    assert_eq!(health.change(at(11_000), &all), Some(Change::Degraded(NO_LEADER)));
    all[1].failing_since = None;
    assert_eq!(health.change(at(12_000), &all), Some(Change::Restored));
}

#[test]
fn a_connection_without_a_leader_behind_it_restores_nothing() {
    let (mut health, mut all) = (Health::default(), [partition()]);
    health.handle_link(at(0), LinkEvent::Disconnected);
    assert_eq!(health.change(at(2_000), &all), Some(Change::Degraded(DISCONNECTED)));
    all[0].failing_since = Some(at(2_500));
    health.handle_link(at(3_000), LinkEvent::Connected);
    assert_eq!(health.change(at(3_000), &all), None, "it stays degraded");
}

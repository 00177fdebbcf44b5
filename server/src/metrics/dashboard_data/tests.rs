use super::super::accumulator::Accumulator;
use super::*;
use uringcast_engine::telemetry::{MessageType, Recorder};
use uringcast_engine::{ServiceId, ServiceLoad, ShardId, Transport};

#[test]
fn a_point_sums_the_latest_second_of_every_shard() {
    let now = Timestamp::now();
    let mut state = Accumulator::new(2, vec!["a".into(), "b".into()], now);
    let class = |recorder: &mut Recorder, service| {
        recorder.class_of(&ChannelName::parse("room:1").unwrap().at(ServiceId(service)))
    };
    for shard in 0..2 {
        let mut recorder = Recorder::new(ShardId(shard), 2, true);
        let (a, b) = (class(&mut recorder, 0), class(&mut recorder, 1));
        recorder.broadcast_accepted(a);
        recorder.delivered(a, Transport::WebSocket, 5_000_000, 10, 100);
        recorder.delivered(b, Transport::WebSocket, 1_000, 1, 100);
        recorder.set_load(
            ServiceId(1),
            ServiceLoad { connections: 7, subscriptions: 9, ..ServiceLoad::default() },
        );
        // One of them is a canary's.
        recorder.set(Gauge::Subscriptions, 10);
        recorder.sent(ServiceId(0), MessageType::Event);
        state.absorb(&recorder.swap(None));
    }
    state.dashboard.make_point(&state.totals, now);
    let history = state.dashboard.history();
    let all = &history[0][0];
    assert_eq!((&all[0], &all[1], &all[2]), (&14.into(), &22.into(), &2.into()), "{history}");
    assert!((5_000..5_100).contains(&all[4].as_u64().unwrap()), "{history}");
    let b = &history[2][0];
    assert_eq!((&b[0], &b[1], &b[2], &b[5]), (&14.into(), &2.into(), &0.into(), &2.into()));
    for _ in 0..STALE {
        state.dashboard.make_point(&state.totals, now);
    }
    let live = state.dashboard_now(now);
    assert_eq!((&live["rows"][0][1], &live["shards"][0]["silent"]), (&0.into(), &true.into()));
    let engine = &live["engine"];
    let told = (&engine["subscriptions"], &engine["probe_subscriptions"]);
    assert_eq!(told, (&18.into(), &2.into()));
}

#[test]
fn the_history_is_bounded() {
    let now = Timestamp::now();
    let mut state = Accumulator::new(1, vec!["a".into()], now);
    (0..LIVE_HISTORY + 5).for_each(|_| state.dashboard.make_point(&state.totals, now));
    assert_eq!(state.dashboard.history()[0].as_array().unwrap().len(), LIVE_HISTORY);
}

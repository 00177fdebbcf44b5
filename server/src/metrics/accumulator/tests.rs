use super::*;
use uringcast_engine::ShardId;
use uringcast_engine::telemetry::{Latency, Recorder};

fn turns(totals: &Totals) -> u64 {
    let of = |(kind, _, _, times): (_, _, _, &Histogram<u64>)| {
        if kind == Latency::Turn { times.len() } else { 0 }
    };
    totals.latencies().map(of).sum()
}

#[test]
fn the_window_is_the_last_whole_one_and_the_totals_are_all() {
    let start = Timestamp::now();
    let after = |windows: u32| Timestamp { mono: start.mono + LATENCY_WINDOW * windows, ..start };
    let mut state = Accumulator::new(1, vec!["s".into()], start);
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    for window in 1..=3 {
        (0..window).for_each(|_| recorder.turned(5_000));
        state.absorb(&recorder.swap(None));
        if window == 1 {
            assert_eq!(turns(state.window(start).0), 1, "the first one, as far as it is");
        }
        state.rotate_window(after(window));
        assert_eq!(turns(state.window(after(window)).0), u64::from(window));
        assert_eq!(state.window(after(window)).2, LATENCY_WINDOW);
    }
    assert_eq!(turns(&state.totals), 6);
}

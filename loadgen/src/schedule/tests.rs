use super::*;
use crate::phase::Phase;
use proptest::prelude::*;
use std::time::Duration;

fn schedule(arrivals: Arrivals) -> Schedule {
    over(arrivals, vec![Phase::steady("steady", Duration::from_secs(10), 100.0)])
}

fn over(arrivals: Arrivals, phases: Vec<Phase>) -> Schedule {
    let timeline = Arc::new(Timeline::new(phases));
    Schedule { timeline, arrivals, burst: 10, seed: 7, channels: 4 }
}

fn times(schedule: &Schedule) -> Vec<u64> {
    schedule.sends(0, 1).map(|send| send.at).collect()
}

#[test]
fn a_constant_schedule_is_evenly_spaced_and_complete() {
    let expected: Vec<u64> = (0..1_000).map(|message| message * 10_000_000).collect();
    assert_eq!(times(&schedule(Arrivals::Constant)), expected);
}

#[test]
fn a_burst_is_due_at_once_and_keeps_the_rate() {
    let expected: Vec<u64> = (0..1_000).map(|message| message / 10 * 100_000_000).collect();
    assert_eq!(times(&schedule(Arrivals::Burst)), expected);
}

#[test]
fn a_change_of_rate_takes_effect_when_its_phase_begins() {
    let second = Duration::from_secs(1);
    let phases = vec![
        Phase::steady("slow", second, 2.0),
        Phase { rate: (0.0, 8.0), ..Phase::steady("ramp", second, 0.0) },
    ];
    let found = times(&over(Arrivals::Constant, phases));
    // From the second second on, count = 4 t²: t = √(count / 4).
    let ramp = [0.0, 0.5, 0.5f64.sqrt(), 0.75f64.sqrt()].map(|t| (t * 1e9).round() as u64);
    let expected: Vec<u64> =
        [0, 500_000_000].into_iter().chain(ramp.map(|t| 1_000_000_000 + t)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_poisson_schedule_keeps_the_rate_and_has_exponential_gaps() {
    let times = times(&over(
        Arrivals::Poisson,
        vec![Phase::steady("steady", Duration::from_secs(1_000), 100.0)],
    ));
    let count = times.len() as f64;
    // Five standard deviations, of the number and of the share of gaps over the mean (1/e).
    assert!((count - 100_000.0).abs() < 5.0 * 100_000f64.sqrt(), "{count}");
    let long = times.windows(2).filter(|pair| pair[1] - pair[0] > 10_000_000).count() as f64;
    assert!((long / count - (-1f64).exp()).abs() < 5.0 * (0.2325 / count).sqrt(), "{long}");
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_schedule_in_order_of_time(
        seed: u64, rate in 1.0..5_000.0f64, sources in 1..8u32, channels in 1..9u32,
        kind in 0..3usize,
    ) {
        let arrivals = [Arrivals::Constant, Arrivals::Poisson, Arrivals::Burst][kind];
        let length = Duration::from_millis(500);
        let phases = vec![Phase::steady("steady", length, rate)];
        let schedule = Schedule { seed, channels, ..over(arrivals, phases) };
        let mut per_channel = vec![0u64; channels as usize];
        for source in 0..sources {
            let sends: Vec<Send> = schedule.sends(source, sources).collect();
            prop_assert_eq!(&sends, &schedule.sends(source, sources).collect::<Vec<_>>());
            prop_assert!(sends.is_sorted_by_key(|send| send.at));
            per_channel.fill(0);
            for send in sends {
                prop_assert!(u128::from(send.at) < length.as_nanos());
                let channel = schedule.channel_of(PublisherId(source), send.sequence);
                let count = &mut per_channel[channel.index()];
                // Dense per channel: what the order check relies on.
                prop_assert_eq!(schedule.index_in_channel(send.sequence), *count);
                *count += 1;
            }
        }
    }

    #[test]
    fn constant_sources_together_keep_the_rate(sources in 1..16u32) {
        let schedule = schedule(Arrivals::Constant);
        let total: usize = (0..sources).map(|source| schedule.sends(source, sources).count()).sum();
        prop_assert_eq!(total, 1_000);
    }
}

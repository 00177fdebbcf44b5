use super::*;
use proptest::prelude::*;

fn schedule(arrivals: Arrivals) -> Schedule {
    let length = Duration::from_secs(10);
    Schedule { rate: 100.0, length, publishers: 1, channels: 4, arrivals, seed: 7 }
}

#[test]
fn a_constant_schedule_is_evenly_spaced_and_complete() {
    let sends: Vec<Send> = schedule(Arrivals::Constant).sends(PublisherId(0)).collect();
    assert_eq!(sends.len(), 1_000);
    assert_eq!(sends[1].at, 10_000_000);
    assert_eq!(sends[5].channel, Channel(1));
}

#[test]
fn a_poisson_schedule_keeps_the_rate_on_average() {
    let count = schedule(Arrivals::Poisson).sends(PublisherId(0)).count();
    assert!((850..1_150).contains(&count), "{count} messages instead of about 1,000");
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_schedule_in_order_of_time(
        seed: u64, rate in 1.0..5_000.0f64, publishers in 1..8u32, channels in 1..9u32,
        poisson: bool,
    ) {
        let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
        let length = Duration::from_millis(500);
        let schedule = Schedule { rate, length, publishers, channels, arrivals, seed };
        let mut per_channel = vec![0u64; channels as usize];
        for publisher in (0..publishers).map(PublisherId) {
            let sends: Vec<Send> = schedule.sends(publisher).collect();
            prop_assert_eq!(&sends, &schedule.sends(publisher).collect::<Vec<_>>());
            prop_assert!(sends.is_sorted_by_key(|send| send.at));
            per_channel.fill(0);
            for send in sends {
                prop_assert!(u128::from(send.at) < length.as_nanos());
                let count = &mut per_channel[send.channel.index()];
                // Dense per channel: what the order check relies on.
                prop_assert_eq!(schedule.index_in_channel(send.sequence), *count);
                *count += 1;
            }
        }
    }

    #[test]
    fn constant_publishers_together_keep_the_rate(publishers in 1..16u32) {
        let schedule = Schedule { publishers, ..schedule(Arrivals::Constant) };
        let counts = (0..publishers).map(|p| schedule.sends(PublisherId(p)).count());
        let total: usize = counts.sum();
        prop_assert_eq!(total, 1_000);
    }
}

use super::*;
use proptest::prelude::*;

#[test]
fn a_constant_rate_spaces_messages_evenly() {
    let phase = Phase::steady("steady", Duration::from_secs(10), 100.0);
    assert_eq!((phase.messages(), phase.time_of(1.0), phase.time_of(250.0)), (1_000.0, 0.01, 2.5));
}

#[test]
fn a_ramp_from_nothing_reaches_half_its_messages_late() {
    let phase = Phase { rate: (0.0, 100.0), ..Phase::steady("", Duration::from_secs(10), 0.0) };
    assert_eq!(phase.messages(), 500.0);
    // 5 t² = 250
    assert!((phase.time_of(250.0) - 50f64.sqrt()).abs() < 1e-9);
}

proptest! {
    #[test]
    fn the_time_of_a_count_is_where_the_rate_adds_up_to_it(
        from in 0.0..1e4f64, to in 0.0..1e4f64, seconds in 1..100u64, part in 0.001..1.0f64,
    ) {
        let length = Duration::from_secs(seconds);
        let phase = Phase { rate: (from, to), ..Phase::steady("", length, 0.0) };
        let count = phase.messages() * part;
        let at = phase.time_of(count);
        let slope = (to - from) / seconds as f64;
        let due = from * at + slope * at * at / 2.0;
        prop_assert!((due - count).abs() <= 1e-6 * (1.0 + count), "{due} instead of {count}");
        prop_assert!(at <= seconds as f64 * (1.0 + 1e-9));
    }
}

use proptest::prelude::*;

use super::*;

proptest! {
    /// However long each way takes, the truth is within the bound, and none has a better one.
    #[test]
    fn the_truth_is_within_the_bound(
        ahead in -1_000_000_000..1_000_000_000i64,
        ways in prop::collection::vec((0..500_000u64, 0..500_000u64), 1..20),
    ) {
        let exchanges: Vec<Exchange> = ways.iter().enumerate().map(|(place, (there, back))| {
            let sent = 5_000_000_000 + place as u64 * 1_000_000;
            let arrived = sent + there;
            Exchange {
                sent,
                theirs: arrived.checked_add_signed(-ahead).unwrap(),
                received: arrived + back,
            }
        }).collect();
        let found = ClockOffset::of(&exchanges).unwrap();
        prop_assert!((found.offset - ahead).unsigned_abs() <= found.bound, "{found:?}");
        let least = ways.iter().map(|(there, back)| there + back).min().unwrap();
        prop_assert_eq!(found.bound, least.div_ceil(2));
    }
}

#[test]
fn without_an_exchange_there_is_no_estimate() {
    assert_eq!(ClockOffset::of(&[]), None);
}

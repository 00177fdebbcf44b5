use super::*;

#[test]
fn a_reason_has_a_row_for_each_of_its_codes_and_no_two_are_the_same() {
    let mut counts = CloseCounts::default();
    counts.count(Close::AuthFailed, CloseCodes::Own);
    counts.count(Close::AuthFailed, CloseCodes::Family);
    counts.count(Close::AuthRequired, CloseCodes::Family);
    counts.count(Close::Shutdown, CloseCodes::Own);
    counts.count(Close::Shutdown, CloseCodes::Family);
    let before = counts.clone();
    counts.add(&before);
    let of = |counts: &CloseCounts, code: &str, reason: &str| -> Vec<u64> {
        let rows = counts.rows().into_iter();
        rows.filter(|r| r.code == code && r.reason == reason).map(|r| r.count).collect()
    };
    assert_eq!(of(&counts, "4001", "unauthenticated"), [2]);
    assert_eq!(of(&counts, "1008", "unauthenticated"), [4], "of all that have this code");
    assert_eq!(of(&counts, "1001", "shutdown"), [4]);
    assert_eq!(of(&counts.since(&before), "1001", "shutdown"), [2]);
    assert_eq!(of(&counts, "other", "peer_other"), [0]);
}

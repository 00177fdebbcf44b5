use std::collections::HashSet;

use super::*;

#[test]
fn every_name_has_two_tokens_of_its_own() {
    let names = [("a.b", "*"), ("a", "b.*"), ("x", ">"), ("x", "%3E"), ("x", "a b\u{7f}.ä%")];
    let all: HashSet<_> = names.iter().map(|(service, channel)| tokens(service, channel)).collect();
    assert_eq!(all.len(), names.len());
    for tokens in all {
        assert_eq!(tokens.matches('.').count(), 1, "{tokens}");
        assert!(!tokens.contains(['*', '>', ' ']), "{tokens}");
    }
}

#[test]
fn what_is_common_in_names_stays_readable() {
    assert_eq!(tokens("live", "a_b:c@d/e~f=g+h-1"), "live.a_b:c@d/e~f=g+h-1");
}

#[test]
fn the_tokens_of_both_kinds_of_subjects_are_found() {
    let subjects = Subjects::new("u", 3);
    assert_eq!(subjects.tokens(&subjects.stored("s.a")), Some("s.a"));
    assert_eq!(subjects.tokens("u.live.3.s.a"), Some("s.a"));
    assert_eq!(subjects.tokens("u.live.4.s.a"), None);
}

#[test]
fn channels_are_spread_over_partitions() {
    let mut counts = [0; 4];
    (0..4_000).for_each(|n| counts[partition(&format!("s.room:{n}"), 4)] += 1);
    assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
}

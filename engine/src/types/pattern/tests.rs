use super::*;

#[test]
fn a_pattern_is_everything_a_prefix_or_a_name_with_what_is_below_it() {
    for (pattern, yes, no) in [
        ("*", &["a", "a:b", "*"][..], &[][..]),
        ("workflow:", &["workflow:1", "workflow:"][..], &["workflow", "workflows:1"][..]),
        ("workflow:*", &["workflow:1", "workflow:"][..], &["workflow", "workflows:1"][..]),
        ("dash-*", &["dash-", "dash-7", "dash-7:x"][..], &["dash", "dashboard"][..]),
        ("goal*", &["goal", "goals:1", "goal:1"][..], &["goa"][..]),
        ("goal-teams", &["goal-teams", "goal-teams:u"][..], &["goal-teamsx", "goal"][..]),
        ("a:b", &["a:b", "a:b:c"][..], &["a:bc", "a"][..]),
    ] {
        let parsed = ChannelPattern::parse(pattern).unwrap();
        yes.iter().for_each(|name| assert!(parsed.matches(name), "{pattern} {name}"));
        no.iter().for_each(|name| assert!(!parsed.matches(name), "{pattern} {name}"));
    }
}

#[test]
fn two_ways_to_write_a_pattern_are_one_pattern() {
    let [short, long] = ["a:", "a:*"].map(|text| ChannelPattern::parse(text).unwrap());
    assert_eq!(short, long);
    assert_eq!(short.to_string(), "a:*");
    assert_eq!(ChannelPattern::parse("*").unwrap().to_string(), "*");
}

#[test]
fn the_narrowest_has_the_longest_name_and_no_star() {
    let narrowness = |text: &str| ChannelPattern::parse(text).unwrap().narrowness();
    let patterns = ["*", "a*", "a", "a:*", "a:b*", "a:b"];
    assert!(patterns.windows(2).all(|two| narrowness(two[0]) < narrowness(two[1])));
}

#[test]
fn a_set_covers_those_whose_channels_are_all_its_own() {
    let covers = |one: &str, other: &str| {
        let [one, other] = [one, other].map(|text| ChannelPattern::parse(text).unwrap());
        one.covers(&other)
    };
    for (one, other) in
        [("*", "*"), ("*", "a"), ("a*", "a"), ("a*", "ab*"), ("a", "a"), ("a", "a:*"), ("a", "a:b")]
    {
        assert!(covers(one, other), "{one} {other}");
    }
    for (one, other) in [("a", "*"), ("a", "a*"), ("ab*", "a*"), ("a", "ab"), ("a:*", "a")] {
        assert!(!covers(one, other), "{one} {other}");
    }
}

#[test]
fn what_means_something_in_another_notation_is_refused() {
    for text in [
        "**",
        "*:read",
        "a*b",
        "a:**",
        "orders:?",
        "orders:[ab]",
        "job:{id}",
        "^a",
        "a$",
        "(a|b)",
        "a\\:b",
        "a:#",
        "a:+",
        "a:>",
        "!a",
        "a b",
        "a *",
    ] {
        let error = ChannelPattern::parse(text).unwrap_err();
        assert!(matches!(error, PatternError::Foreign(_)), "{text}: {error}");
    }
    for text in ["dash-", "a.", "a/", "a_"] {
        let error = ChannelPattern::parse(text).unwrap_err();
        assert!(matches!(error, PatternError::Unended(_)), "{text}: {error}");
    }
    assert_eq!(ChannelPattern::parse(""), Err(PatternError::Name(NameError::Empty)));
}

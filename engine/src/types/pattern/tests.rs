use super::*;

#[test]
fn a_pattern_is_everything_a_prefix_or_a_name_with_what_is_below_it() {
    for (pattern, yes, no) in [
        ("*", &["a", "a:b", "*"][..], &[][..]),
        ("workflow:", &["workflow:1", "workflow:"][..], &["workflow", "workflows:1"][..]),
        ("goal-teams", &["goal-teams", "goal-teams:u"][..], &["goal-teamsx", "goal"][..]),
        ("a:b", &["a:b", "a:b:c"][..], &["a:bc", "a"][..]),
    ] {
        let parsed = ChannelPattern::parse(pattern).unwrap();
        yes.iter().for_each(|name| assert!(parsed.matches(name), "{pattern} {name}"));
        no.iter().for_each(|name| assert!(!parsed.matches(name), "{pattern} {name}"));
    }
}

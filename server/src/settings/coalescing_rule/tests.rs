use std::time::Duration;

use super::*;

#[test]
fn a_rule_is_channels_and_a_time_within_bounds() {
    let CoalescingRule(rule) = CoalescingRule::parse("ticker:=5ms").unwrap();
    assert_eq!(
        (rule.channels.to_string(), rule.coalesce),
        ("ticker:*".to_owned(), Some(Duration::from_millis(5)))
    );
    assert_eq!(CoalescingRule(rule).show().as_deref(), Some("\"ticker:*=5ms\""));
    for text in ["ticker:", "=5ms", "a=", "a=0ms", "a=101ms", "a=1s", "a=fast"] {
        assert!(CoalescingRule::parse(text).is_err(), "{text:?}");
    }
}

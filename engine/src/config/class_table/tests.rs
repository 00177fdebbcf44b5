use std::time::Duration;

use super::*;
use crate::config::{Compression, SlowPolicy};
use crate::limits;

fn rule(pattern: &str, set: impl FnOnce(&mut ClassRule)) -> ClassRule {
    let mut rule = ClassRule::new(ChannelPattern::parse(pattern).unwrap());
    set(&mut rule);
    rule
}

fn table(classes: Vec<ClassRule>) -> ClassTable {
    ClassTable::new(&Service { classes, ..Service::default() }, Retention::default())
}

#[test]
fn without_a_rule_all_is_as_it_was() {
    let table = table(Vec::new());
    let class = table.of("room:1");
    assert_eq!(&*class.name, "default");
    assert_eq!(class.retention, Retention::default().into());
    assert_eq!(
        (class.slow, class.compression, class.coalesce),
        (SlowPolicy::Disconnect, Compression::Off, Duration::ZERO)
    );
    assert!(class.history && !class.presence);
}

#[test]
fn of_each_field_the_narrowest_rule_counts_that_has_it() {
    let table = table(vec![
        rule("*", |rule| (rule.frames, rule.slow) = (Some(7), Some(SlowPolicy::Skip))),
        rule("orders:live", |rule| rule.compression = Some(Compression::Shared)),
        rule("orders:*", |rule| (rule.frames, rule.presence) = (Some(9), Some(true))),
    ]);
    let of = |name| {
        let class = table.of(name);
        let is_compressed = class.compression != Compression::Off;
        (&*class.name, class.retention.frames, class.slow, class.presence, is_compressed)
    };
    assert_eq!(of("rooms"), ("*", 7, SlowPolicy::Skip, false, false));
    assert_eq!(of("orders:1"), ("orders:*", 9, SlowPolicy::Skip, true, false));
    assert_eq!(of("orders:live"), ("orders:live", 9, SlowPolicy::Skip, true, true));
    assert_eq!(of("orders:live:2"), ("orders:live", 9, SlowPolicy::Skip, true, true));
    assert_eq!(of("orders:lively"), ("orders:*", 9, SlowPolicy::Skip, true, false));
}

#[test]
fn one_class_serves_all_its_channels() {
    let table = table(vec![rule("a*", |rule| rule.frames = Some(1))]);
    assert!(Rc::ptr_eq(table.of("a1"), table.of("abc")));
    assert!(Rc::ptr_eq(table.of("b"), table.of("c")));
}

/// The table's shortcut against the plain meaning, for all names of a small alphabet.
#[test]
fn the_compiled_class_is_what_the_matching_rules_say() {
    let patterns = ["*", "a*", "a", "a:*", "a:b", "a:b*", "ab*", "ab", "b:a:*"];
    let mut rules = Vec::new();
    for (n, pattern) in patterns.into_iter().enumerate() {
        rules.push(rule(pattern, |rule| {
            rule.frames = (n % 2 == 0).then_some(n + 1);
            rule.bytes = (n % 3 == 0).then_some(n + 1);
            rule.age = (n % 3 == 1).then(|| Duration::from_secs(n as u64 + 1));
        }));
    }
    let service = Service { classes: rules, ..Service::default() };
    let table = ClassTable::new(&service, Retention::default());
    let mut names = vec![String::new()];
    for _ in 0..4 {
        let longer = names.iter().flat_map(|n| ["a", "b", ":"].map(|c| format!("{n}{c}")));
        names = longer.chain(names.iter().cloned()).collect();
    }
    for name in names {
        let rules = service.class_rules(|channels| channels.matches(&name));
        let plain = ChannelClass::of(&rules, Retention::default());
        assert_eq!(**table.of(&name), plain, "{name:?}");
    }
}

#[test]
fn no_window_is_longer_than_the_longest() {
    let table = table(vec![rule("a*", |rule| rule.coalesce = Some(Duration::from_secs(9)))]);
    assert_eq!(table.of("a").coalesce, limits::MAX_COALESCING);
}

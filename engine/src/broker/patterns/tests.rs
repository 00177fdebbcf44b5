use super::*;
use crate::types::ServiceId;

fn key(service: u8, prefix: &str) -> PatternKey {
    PatternKey { service: ServiceId(service), prefix: prefix.into() }
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

#[test]
fn the_patterns_of_a_shard_are_shared_between_services() {
    let mut patterns = Patterns::new(1, 2);
    for service in [0, 1] {
        let mut taken = 0;
        for n in 0..PATTERNS_PER_SHARD {
            let connection = (n / PATTERNS_PER_CONNECTION) as u32 + 1_000 * u32::from(service);
            let added = patterns.add(connection, &key(service, &format!("p{n}:")));
            taken += usize::from(added.is_ok());
        }
        assert_eq!(taken, PATTERNS_PER_SHARD / 2, "a service has its share");
    }
    assert_eq!(patterns.add(9_000, &key(1, "more:")), Err(PatternRefusal::Shard));
    // One that others have takes no room, and one that is left makes some.
    assert!(patterns.add(9_000, &key(0, "p0:")).is_ok());
    patterns.remove(9_000, &key(0, "p0:"));
    assert_eq!(patterns.add(9_000, &key(0, "more:")), Err(PatternRefusal::Shard));
    patterns.forget(0);
    assert!(patterns.add(9_000, &key(0, "more:")).is_ok());
    patterns.check();
}

#[test]
fn members_are_those_whose_patterns_are_confirmed_each_once() {
    let mut patterns = Patterns::new(1, 1);
    for (connection, prefix) in [(1, "a:"), (1, "a"), (2, "a:"), (3, "b:"), (4, "a:")] {
        patterns.add(connection, &key(0, prefix)).unwrap();
    }
    let before = patterns.generation();
    assert!(patterns.members_of(&name("a:1")).is_empty());
    for (connection, prefix) in [(1, "a:"), (1, "a"), (2, "a:"), (3, "b:")] {
        patterns.confirm(connection, &key(0, prefix));
    }
    assert_ne!(patterns.generation(), before, "channels are matched anew");
    let members = |patterns: &Patterns, text: &str| -> Vec<u32> {
        patterns.members_of(&name(text)).into_iter().map(|(connection, _)| connection).collect()
    };
    assert_eq!(members(&patterns, "a:1"), [1, 2]);
    assert_eq!(members(&patterns, "ab"), [1]);
    patterns.remove(1, &key(0, "a"));
    assert!(members(&patterns, "ab").is_empty());
    patterns.forget(2);
    assert_eq!(members(&patterns, "a:1"), [1]);
    patterns.check();
}

use super::*;
use crate::config::{Access, ClassRule};

fn rules(pairs: &[(&str, &str)]) -> Vec<Rule> {
    let rule = |(pattern, permission): &(&str, &str)| Rule {
        channels: ChannelPattern::parse(pattern).unwrap(),
        permission: (*permission).into(),
    };
    pairs.iter().map(rule).collect()
}

fn permissions(subscribe: &[(&str, &str)], publish: &[(&str, &str)]) -> Permissions {
    let (subscribe, publish) = (rules(subscribe), rules(publish));
    let access = Access { subscribe, publish, ..Access::default() };
    Permissions::new(&Service { access, ..Service::default() })
}

fn grants(permissions: &Permissions, names: &[&str]) -> Grants {
    permissions.grants(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_channel_needs_the_permission_of_its_narrowest_pattern_or_admin() {
    let permissions =
        permissions(&[("a:", "a:read"), ("a:b:", "b"), ("a:b:", "c"), ("d", "d")], &[]);
    for (have, channel, may) in [
        (&["a:read"][..], "a:1", true),
        (&["a:read"], "a:b:1", false),
        (&["c"], "a:b:1", true),
        (&["b"], "a:b:1", true),
        (&["b"], "a:1", false),
        (&[], "d:x", false),
        (&[], "open", true),
        (&["admin"], "a:b:1", true),
        (&["Admin", "a", ""], "a:1", false),
    ] {
        let have = grants(&permissions, have);
        assert_eq!(permissions.may_subscribe(have, channel), may, "{have:?} {channel}");
    }
}

#[test]
fn publishing_needs_publish_unless_a_rule_says_otherwise() {
    let permissions = permissions(&[("*", "read")], &[("a:", "a:write")]);
    for (have, channel, may) in [
        (&["publish"][..], "b", true),
        (&["publish"], "a:1", false),
        (&["a:write"], "a:1", true),
        (&["a:write", "read"], "b", false),
        (&["admin"], "a:1", true),
        (&[], "b", false),
    ] {
        let have = grants(&permissions, have);
        assert_eq!(permissions.may_publish(have, channel), may, "{have:?} {channel}");
    }
}

#[test]
fn held_permissions_are_the_same_under_other_rules() {
    let before = permissions(&[("a", "a"), ("b", "b")], &[]);
    let after = permissions(&[("c", "c"), ("b", "aa"), ("a", "a")], &[]);
    let held = before.translate(grants(&before, &["a", "b", "admin"]), &after);
    assert_eq!(held, grants(&after, &["a", "admin"]));
    let held = before.translate(grants(&before, &["b"]), &after);
    assert!(!after.may_subscribe(held, "b") && !after.may_subscribe(held, "c"));
}

#[test]
fn the_last_of_the_most_permissions_still_counts() {
    let names: Vec<String> = (0..MAX_PERMISSIONS - 2).map(|n| format!("p{n:02}")).collect();
    let pairs: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let permissions = permissions(&pairs, &[]);
    for name in &names {
        let have = grants(&permissions, &[name]);
        let open = names.iter().filter(|name| permissions.may_subscribe(have, name)).count();
        assert_eq!(open, 1);
    }
}

/// A client that may have all channels of a pattern may have each of them.
#[test]
fn a_pattern_needs_what_any_of_its_channels_needs() {
    let rules: &[(&str, &str)] =
        &[("*", "any"), ("a:", "a"), ("a:b:", "b"), ("a:c", "c"), ("d", "d")];
    let guarded = permissions(rules, &[]);
    let bare = permissions(&rules[1..], &[]);
    for (permissions, have, prefix, may) in [
        (&guarded, &["any"][..], "", false),
        (&guarded, &["any"], "e", true),
        (&guarded, &["any", "a", "b", "c", "d"], "", true),
        (&guarded, &["admin"], "", true),
        (&guarded, &["a", "b", "c"], "a:", true),
        (&guarded, &["a", "b"], "a:", false),
        (&guarded, &["a", "c"], "a:", false),
        (&guarded, &["b", "c"], "a:", false),
        (&guarded, &["b"], "a:b:", true),
        (&guarded, &["b"], "a:b:x", true),
        (&guarded, &["a"], "a:b:", false),
        // `a:b` itself is of `a:` only.
        (&guarded, &["b"], "a:b", false),
        (&guarded, &["a", "b"], "a:b", true),
        // `a:c` is a channel and those below it, `a:cc` is not.
        (&guarded, &["a"], "a:cc", true),
        (&guarded, &["a"], "a:c", false),
        (&guarded, &["c"], "a:c:", true),
        (&guarded, &["any"], "d", false),
        (&guarded, &["d"], "d:", true),
        (&bare, &[], "e", true),
        (&bare, &[], "d", false),
        // All channels need a rule for all channels.
        (&bare, &["a", "b", "c", "d"], "", false),
        (&bare, &["admin"], "", true),
    ] {
        let grants = grants(permissions, have);
        assert_eq!(permissions.may_subscribe_to_all(grants, prefix), may, "{have:?} {prefix}*");
        if may {
            for channel in ["e", "a:1", "a:b", "a:b:1", "a:b:x1", "a:c", "a:c:1", "d", "d:1"] {
                let is_of = channel.starts_with(prefix);
                assert!(!is_of || permissions.may_subscribe(grants, channel), "{have:?} {channel}");
            }
        }
    }
}

fn class(pattern: &str, set: impl FnOnce(&mut ClassRule)) -> ClassRule {
    let mut rule = ClassRule::new(ChannelPattern::parse(pattern).unwrap());
    set(&mut rule);
    rule
}

#[test]
fn a_class_s_permissions_are_rules_among_the_others() {
    let access = Access { subscribe: rules(&[("a:b", "narrow")]), ..Access::default() };
    let classes = vec![
        class("a:*", |rule| rule.subscribe = Some("read".into())),
        class("b", |rule| rule.publish = Some("write".into())),
    ];
    let permissions = Permissions::new(&Service { access, classes, ..Service::default() });
    let may =
        |name: &str, channel| permissions.may_subscribe(grants(&permissions, &[name]), channel);
    assert!(may("read", "a:1") && !may("narrow", "a:1"));
    assert!(may("narrow", "a:b") && !may("read", "a:b"), "the narrower one counts");
    let may = |name: &str, channel| permissions.may_publish(grants(&permissions, &[name]), channel);
    assert!(may("write", "b") && !may("publish", "b"));
    assert!(may("publish", "a:1") && !may("write", "a:1"));
}

#[test]
fn the_narrowest_class_says_who_reads_the_log() {
    let history = |said: HistoryAccess| |rule: &mut ClassRule| rule.history = Some(said);
    let classes = vec![
        class("*", history(HistoryAccess::Permission("audit".into()))),
        class("open:*", history(HistoryAccess::On)),
        class("open:not", history(HistoryAccess::Off)),
        class("other:*", |rule| rule.frames = Some(1)),
    ];
    let permissions = Permissions::new(&Service { classes, ..Service::default() });
    let may = |names: &[&str], channel| {
        permissions.may_read_history(grants(&permissions, names), channel)
    };
    assert!(may(&[], "open:1") && !may(&["audit"], "open:not"));
    assert!(may(&["audit"], "a") && !may(&[], "a"));
    assert!(may(&["audit"], "other:1") && !may(&[], "other:1"));
    assert!(may(&["admin"], "a"));
}

use std::time::Duration;

use super::*;

fn one(text: &str) -> Result<ClassRule, String> {
    let parsed = ClassSetting::parse(text);
    parsed.map(|class| class.0).map_err(|error| format!("{}. {}", error.reason, error.remedy))
}

#[test]
fn a_class_is_channels_and_what_is_promised_for_them() {
    let text = "orders:* slow=skip, compression=shared,log_age=10m ,log-bytes=2MiB,\
                log-frames=5000, coalesce=5ms, presence=on, history=orders:audit, subscribe=a, \
                publish=b, slow-bytes=64KiB, slow-age=2s";
    let rule = one(text).unwrap();
    assert_eq!(rule.channels.to_string(), "orders:*");
    assert_eq!((rule.slow, rule.compression), (Some(SlowPolicy::Skip), Some(Compression::Shared)));
    assert_eq!(rule.age, Some(Duration::from_secs(600)));
    assert_eq!((rule.slow_bytes, rule.slow_age), (Some(64 << 10), Some(Duration::from_secs(2))));
    assert_eq!(rule.coalesce, Some(Duration::from_millis(5)));
    assert_eq!(rule.presence, Some(true));
    assert_eq!((rule.frames, rule.bytes), (Some(5_000), Some(2 << 20)));
    assert_eq!(rule.history, Some(HistoryAccess::Permission("orders:audit".into())));
    assert_eq!((rule.subscribe.as_deref(), rule.publish.as_deref()), (Some("a"), Some("b")));
    let shown = ClassSetting(rule.clone()).to_string();
    assert_eq!(
        shown,
        "orders:* log-frames=5000, log-bytes=2MiB, log-age=10m, slow=skip, slow-bytes=64KiB, \
         slow-age=2s, compression=shared, coalesce=5ms, presence=on, history=orders:audit, \
         subscribe=a, publish=b"
    );
    assert_eq!(one(&shown), Ok(rule), "what is shown is the same class");
    assert_eq!(one("a history=off").unwrap().history, Some(HistoryAccess::Off));
    assert_eq!(one("a history=on").unwrap().history, Some(HistoryAccess::On));
}

#[test]
fn what_is_not_understood_is_named_with_a_remedy() {
    for (text, says) in [
        ("orders:*", "says nothing of orders:*"),
        ("*:read slow=skip", "has a pattern that"),
        ("a slow", "has \"slow\" for a, which is no KEY=VALUE"),
        ("a slowness=skip", "has slowness for a, which no class has. Did you mean slow?"),
        ("a slow=fast", "has a slow for a that is not one of the choices. Choose one of disconn"),
        ("a compression=on", "has a compression for a that is not one of the choices"),
        ("a log-age=25h", "has a log-age for a that is out of range. Give a time from 1s to"),
        ("a log-bytes=1KiB", "has a log-bytes for a that is out of range. Give a size from 64KiB"),
        ("a log-frames=0", "has a log-frames for a that is out of range. Give 1 to 1000000."),
        ("a coalesce=1s", "has a coalesce for a that is out of range"),
        ("a presence=some", "has a presence for a that is neither on nor off. Write on or off."),
        ("a absence=on", "has absence for a, which no class has. Did you mean presence?"),
        ("a history=x y", "has a history for a that is no permission"),
        ("a subscribe=", "has a subscribe for a that is no permission"),
        ("a slow=skip, slow=latest", "has slow for a twice"),
    ] {
        let error = one(text).unwrap_err();
        assert!(error.starts_with(says), "{text:?}: {error}");
    }
}

#[test]
fn several_stand_in_a_list_or_between_semicolons_each_pattern_once() {
    let list = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        ClassSettings::parse_all(&texts).map_err(|error| error.reason)
    };
    let two = list(&["a slow=skip, coalesce=5ms", "b slow=latest"]).unwrap();
    assert_eq!(list(&["a slow=skip,coalesce=5ms; b slow=latest;"]), Ok(two.clone()));
    assert_eq!(two.show().unwrap(), "[\"a slow=skip, coalesce=5ms\", \"b slow=latest\"]");
    assert_eq!(list(&["a: slow=skip", "a:* slow=skip"]), Err("has the pattern a:* twice".into()));
    assert_eq!(list(&[" ; "]), Err("is empty".into()));
}

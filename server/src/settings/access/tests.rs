use super::*;

#[test]
fn origins_are_taken_as_browsers_write_them() {
    for (text, is) in [
        ("https://App.example.com/", Some("https://app.example.com")),
        ("http://localhost:3000", Some("http://localhost:3000")),
        ("http://[::1]:80/x", None),
        ("*", Some("*")),
        ("*.example.com", None),
        ("https://*.example.com", None),
        ("https://example.com:443", None),
        ("example.com", None),
        ("null", None),
        ("https://", None),
    ] {
        let parsed = Origin::parse(text).ok().map(|origin| origin.0);
        assert_eq!(parsed.as_deref(), is, "{text}");
    }
}

#[test]
fn a_permission_is_split_at_the_first_equals_sign() {
    let Permission(rule) = Permission::parse("workflow:=workflow:read").unwrap();
    assert_eq!(
        (rule.channels.to_string().as_str(), &*rule.permission),
        ("workflow:*", "workflow:read")
    );
    // The last is about channels whose names have an equals sign: the split would cut the name.
    for text in ["workflow:", "=read", "a=", "a=\u{1}", "a=b c", "k=v:*=read"] {
        assert!(Permission::parse(text).is_err(), "{text:?}");
    }
}

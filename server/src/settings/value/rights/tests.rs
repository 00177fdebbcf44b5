use super::*;

#[test]
fn rights_are_a_list_in_brackets() {
    let read = Rights::parse("[read]").unwrap().unwrap();
    assert!(read.has(Right::Read) && !read.has(Right::Publish) && !read.has(Right::Manage));
    let all = Rights::parse("[publish,read,manage]").unwrap().unwrap();
    assert_eq!(all, Rights::ALL);
    assert!(Rights::parse("read").is_none());
    for text in ["[", "[]", "[read", "[write]", "[read,]", "[Read]"] {
        assert!(Rights::parse(text).unwrap().is_err(), "{text}");
    }
}

#[test]
fn what_is_not_known_needs_the_strongest_right() {
    let needed = |method: &str, path| Right::needed(&method.parse().unwrap(), path);
    for (method, path, right) in [
        ("GET", "/v1/channels", Right::Read),
        ("HEAD", "/debug/live", Right::Read),
        ("POST", "/v1/publish", Right::Publish),
        ("POST", "/v1/services/a/publish/raw", Right::Publish),
        ("PUT", "/v1/channels/c/status", Right::Publish),
        ("DELETE", "/v1/services/a/channels/c/status", Right::Publish),
        ("POST", "/v1/disconnect", Right::Manage),
        ("POST", "/v1/tokens/revoke", Right::Manage),
        ("POST", "/v1/raw", Right::Manage),
        ("PATCH", "/v1/channels/c", Right::Manage),
    ] {
        assert_eq!(needed(method, path), right, "{method} {path}");
    }
}

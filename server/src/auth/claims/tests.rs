use serde_json::json;

use super::*;

fn claims(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_first_usual_claim_counts() {
    for (token, expected) in [
        (json!({}), Some(vec![])),
        (json!({"scope": "openid news:read"}), Some(vec!["openid", "news:read"])),
        (json!({"scp": ["a", "b"]}), Some(vec!["a", "b"])),
        (json!({"scp": "a b"}), Some(vec!["a", "b"])),
        (json!({"permissions": ["a"], "scope": "b"}), Some(vec!["a"])),
        (json!({"permissions": [], "scope": "b"}), Some(vec![])),
        (json!({"permissions": null, "scopes": null, "scope": "b"}), Some(vec!["b"])),
        (json!({"scope": 7}), None),
        (json!({"scope": ["a", 7]}), None),
    ] {
        let expected: Option<Vec<String>> =
            expected.map(|names| names.into_iter().map(Into::into).collect());
        assert_eq!(usual(&claims(token.clone())), expected, "{token}");
    }
}

#[test]
fn all_named_claims_count_also_within_objects() {
    let token = claims(json!({
        "permissions": ["not named"],
        "scope": "openid",
        "realm_access": {"roles": ["user", "editor"]},
        "resource_access": {"my.app": {"roles": ["publish"]}},
        "https://example.com/roles": ["namespaced"],
        "a": {"b": {"c": "deep"}},
        "none": null,
        "number": 7,
    }));
    let all = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).into()).collect();
        all(&token, &paths).map(|names| names.join(" "))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(all(&["realm_access.roles", "scope"]), some("user editor openid"));
    assert_eq!(all(&["resource_access.my.app.roles"]), some("publish"));
    assert_eq!(all(&["https://example.com/roles"]), some("namespaced"));
    assert_eq!(all(&["a.b.c"]), some("deep"));
    let absent = ["none", "a.x", "x.y", "scope.x", ".", "", "realm_access.roles.x"];
    assert_eq!(all(&absent), some(""));
    assert_eq!(all(&["number"]), None);
    assert_eq!(all(&["realm_access"]), None, "an object names none");
}

use super::*;
use crate::settings::value::Value as _;

fn key(line: &str) -> ApiKey {
    ApiKey::parse(line).unwrap()
}

#[test]
fn each_key_opens_its_own_channels() {
    let keys = ApiKeys::new(vec![key("ci 0123456789 a: b"), key("all 98765432 *")]);
    let keys = keys.unwrap();
    let ci = keys.find(b"0123456789").expect("known");
    assert_eq!(&*ci.name, "ci");
    assert!(ci.covers("a:1") && ci.covers("b:2") && !ci.covers("c") && !ci.covers_all());
    assert!(keys.find(b"98765432").is_some_and(|all| all.covers("c")));
    assert!(keys.find(b"").is_none() && keys.find(b"012345678").is_none());
    assert!(!format!("{keys:?}").contains("0123456789"));
}

#[test]
fn a_name_or_a_key_given_twice_is_refused() {
    let twice = vec![key("a 0123456789"), key("a 9876543210")];
    assert_eq!(ApiKeys::new(twice).unwrap_err(), "two keys named a");
    let twice = vec![key("a@x 0123456789 c"), key("a@y 0123456789")];
    assert_eq!(ApiKeys::new(twice).unwrap_err(), "one key with two names, a@x and a@y");
}

#[test]
fn a_key_may_be_for_one_service_only() {
    let keys = ApiKeys::new(vec![key("ci@a.b 0123456789 c:"), key("ops 98765432")]).unwrap();
    let ci = keys.find(b"0123456789").expect("known");
    assert_eq!((&*ci.name, ci.service.as_deref()), ("ci@a.b", Some("a.b")));
    assert_eq!(keys.for_unknown_service(&["x", "a.b"]), None);
    assert_eq!(keys.for_unknown_service(&["x"]), Some(("ci@a.b".into(), "a.b".into())));
}

#[test]
fn other_keys_take_the_place_of_all_there_were() {
    let keys = ApiKeys::new(vec![key("one 0123456789")]).unwrap();
    let (shared, new) = (keys.clone(), ApiKeys::new(vec![key("one 98765432")]).unwrap());
    assert_eq!(keys.difference(&new).as_deref(), Some("others, as many"));
    keys.replace(&new);
    assert!(shared.find(b"0123456789").is_none() && shared.find(b"98765432").is_some());
    assert_eq!(keys.difference(&new), None);
}

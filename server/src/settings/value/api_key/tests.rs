use super::*;

#[test]
fn a_hash_stands_for_its_key() {
    let key = |line: &str| ApiKey::parse(line).unwrap();
    let digits: String = ApiKey::hash(b"0123456789").iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(key(&format!("x sha256:{digits}")), key("x 0123456789"));
}

#[test]
fn what_is_no_key_is_refused_without_repeating_it() {
    for line in [
        "",
        "name",
        "na=me 0123456789",
        "n@ 0123456789",
        "@s 0123456789",
        "n@s@t 0123456789",
        "n short",
        "n sha256:12",
        "n 12345678 \u{7}",
    ] {
        let Invalid { reason, remedy } = ApiKey::parse(line).unwrap_err();
        assert!(!reason.contains("0123456789") && !remedy.is_empty(), "{line:?}");
    }
}

use super::{is_null, is_object, members, string};

fn get<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    members(json, &[name]).unwrap()[0].map(|raw| raw.get())
}

#[test]
fn the_last_of_several_members_with_one_name_counts() {
    assert_eq!(get(r#"{"a":1,"a":[2],"b":3,"a":{"c":4}}"#, "a"), Some(r#"{"c":4}"#));
}

#[test]
fn escaped_keys_are_the_same_keys() {
    assert_eq!(get(r#"{"\u0061":1}"#, "a"), Some("1"));
}

#[test]
fn members_are_found_only_at_the_top() {
    assert_eq!(get(r#"{"x":{"a":1}}"#, "a"), None);
    assert_eq!(get("{}", "a"), None);
}

#[test]
fn anything_but_one_object_is_refused() {
    for json in ["", "[]", "1", "null", "\"a\"", "{", "{}x", "{} {}", "\u{feff}{}", "{a:1}"] {
        assert!(members(json, &["a"]).is_err(), "{json}");
    }
    assert!(members(" \n{}\t ", &["a"]).is_ok());
}

#[test]
fn strings_lose_their_escapes() {
    let json = r#"{"plain":"ä","escaped":"a\"\u00e4\n","half":"\ud800","no":5}"#;
    let [plain, escaped, half, no] =
        members(json, &["plain", "escaped", "half", "no"]).unwrap().map(Option::unwrap);
    assert_eq!(string(plain).as_deref(), Some("ä"));
    assert_eq!(string(escaped).as_deref(), Some("a\"ä\n"));
    assert_eq!(string(half), None, "half a surrogate pair is no text");
    assert_eq!(string(no), None);
}

#[test]
fn kinds_are_told_by_the_first_character() {
    let [null, object] =
        members(r#"{"n": null ,"o": { } }"#, &["n", "o"]).unwrap().map(Option::unwrap);
    assert!(is_null(null) && !is_object(null));
    assert!(is_object(object) && !is_null(object));
}

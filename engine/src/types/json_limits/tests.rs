use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::limits::DEFAULT_JSON_DEPTH;
use crate::types::{JsonObject, JsonObjectError};

fn nested(depth: usize, open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn so_many_levels_pass_and_one_more_does_not() {
    for depth in [1, 2, 7, 128] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[ ", "\n]")] {
            assert_eq!(check(&nested(depth, open, close), depth), Ok(()));
            let deeper = nested(depth + 1, open, close);
            assert_eq!(check(&deeper, depth), Err(JsonLimitError::Depth(depth)), "{deeper}");
        }
    }
    let wide = format!("[{}]", ["[[1],{}]"; 1_000].join(","));
    assert_eq!(check(&wide, 3), Ok(()));
}

#[test]
fn brackets_and_digits_in_texts_count_for_nothing() {
    let text = format!(r#"{{"a[":"{}","b\"{}\\":{{}}}}"#, "[{\\\"9".repeat(500), "1".repeat(2_000));
    serde_json::from_str::<Value>(&text).unwrap();
    assert_eq!(check(&text, 2), Ok(()));
    assert_eq!(check(&text, 1), Err(JsonLimitError::Depth(1)));
}

#[test]
fn a_number_is_bounded_wherever_it_stands() {
    for (digits, good) in [(MAX_JSON_NUMBER, true), (MAX_JSON_NUMBER + 1, false)] {
        for number in ["1".repeat(digits), format!("-1.5e+{}", "1".repeat(digits - 6))] {
            for text in [number.clone(), format!("[0,{number}]"), format!("{{\"a\": {number} }}")] {
                assert_eq!(check(&text, 9).is_ok(), good, "{digits} {text:.20}");
            }
        }
    }
}

/// The quick answers never hide what the scan would find.
#[test]
fn a_number_is_found_at_every_place() {
    let number = "7".repeat(MAX_JSON_NUMBER + 1);
    for before in 0..2 * MAX_JSON_NUMBER {
        let text = format!("[{}{number}]", " ".repeat(before));
        assert_eq!(check(&text, 9), Err(JsonLimitError::Number), "{before}");
        let text = format!("[{}{}]", " ".repeat(before), &number[1..]);
        assert_eq!(check(&text, 9), Ok(()), "{before}");
    }
}

#[test]
fn embedders_documents_have_the_default_limits() {
    let document = |depth: usize| format!("{{\"a\":{}}}", nested(depth - 1, "[", "]"));
    JsonObject::parse(document(DEFAULT_JSON_DEPTH).as_bytes()).unwrap();
    let deep = document(DEFAULT_JSON_DEPTH + 1);
    let error = JsonObject::parse(deep.as_bytes()).unwrap_err();
    assert!(matches!(error, JsonObjectError::Limit(JsonLimitError::Depth(_))), "{error}");
    assert!(error.to_string().contains("more than 128 levels"), "{error}");
    JsonObject::parse_within(deep.as_bytes(), DEFAULT_JSON_DEPTH + 1).unwrap();
}

fn document() -> impl Strategy<Value = Value> {
    let text = "[\\[\\]{}\"\\\\,a1-]{0,40}";
    let leaf = prop_oneof![text.prop_map(Value::from), any::<i32>().prop_map(Value::from)];
    leaf.prop_recursive(9, 60, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn levels(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(items) => items.iter().map(levels).max(),
        Value::Object(items) => items.values().map(levels).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

proptest! {
    #[test]
    fn levels_are_counted_as_a_parser_counts_them(document in document()) {
        let levels = levels(&document);
        for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
            for most in 0..10 {
                prop_assert_eq!(check(&text, most).is_ok(), levels <= most, "{}", text);
            }
        }
    }
}

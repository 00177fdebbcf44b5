use super::*;

#[test]
fn retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    for (ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (20_000, 20)] {
        assert_eq!(whole_seconds(Duration::from_millis(ms)), seconds, "{ms} ms");
    }
}

#[test]
fn what_is_wrong_with_json_is_said_without_types_of_the_program() {
    fn told<T: serde::de::DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).expect_err("it is wrong");
        ApiError::json(&"line 7: ", &error).message
    }
    assert_eq!(told::<u64>(""), "line 7: there is no JSON");
    assert_eq!(told::<u64>("no"), "line 7: expected ident at column 2");
    for (text, wanted) in [
        (told::<f64>("\"1h\""), "expected a number"),
        (told::<i64>("\"1h\""), "expected a whole number"),
        (told::<u64>("-1"), "expected a whole number that is not negative"),
    ] {
        assert!(text.contains(wanted), "{text}");
    }
}

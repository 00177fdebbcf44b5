use super::*;

const NOW: &str = "2026-01-01T00:00:00.000000+00:00";

fn read(text: &str) -> Option<ClientRequest> {
    SessionBuddy.request(text, NOW)
}

/// The filter of a subscription.
fn filter(text: &str) -> Option<String> {
    match read(text) {
        Some(ClientRequest::Subscribe { filter, .. }) => filter,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn requests_are_read_and_others_are_unknown() {
    assert_eq!(filter(r#"{"type":"subscribe","skill":"pytest"}"#).as_deref(), Some("pytest"));
    assert_eq!(filter(r#"{"type":"subscribe","skill":null}"#), None);
    assert_eq!(filter(r#"{"type":"subscribe"}"#), None);
    assert_eq!(read(r#"{"type":"unsubscribe"}"#), Some(ClientRequest::Unsubscribe));
    let pong = ClientRequest::Ping { reply: r#"{"type":"pong"}"#.into() };
    assert_eq!(read(r#"{"type":"ping"}"#), Some(pong.clone()));
    assert_eq!(read(r#"{"type":"subscribe","skill":7}"#), Some(ClientRequest::Unknown));
    let long = |len| format!(r#"{{"type":"subscribe","skill":"{}"}}"#, "s".repeat(len));
    assert_eq!(filter(&long(MAX_CHANNEL_NAME)).map(|skill| skill.len()), Some(MAX_CHANNEL_NAME));
    let unknown = Some(ClientRequest::Unknown);
    assert_eq!(read(&long(MAX_CHANNEL_NAME + 1)), unknown, "never taken for all");
    let token = ClientRequest::Token(Some("t".into()));
    assert_eq!(read(r#"{"token":"t"}"#), Some(token));
    assert_eq!(read(r#"{"token":""}"#), Some(ClientRequest::Token(None)));
    assert_eq!(read(r#"{"token":7}"#), Some(ClientRequest::Token(None)));
    assert_eq!(read(r#"{"type":"ping","token":"t"}"#), Some(pong));
    assert_eq!((read("[]"), read("{}")), (None, None));
}

fn value(message: &str) -> Value {
    serde_json::from_str(message).unwrap()
}

#[test]
fn an_update_has_ten_entries_at_most_and_one_skill_where_one_was_asked_for() {
    let entries: Vec<Value> = (0..12).map(|i| json!({"skill_name": format!("s{i}")})).collect();
    let published = json!({"data": {"top_skills": entries, "other": 1}}).to_string();
    let text = SessionBuddy.update(Some(&published), NOW);
    let update = value(&text);
    assert_eq!((&update["type"], &update["timestamp"]), (&json!("metrics_update"), &json!(NOW)));
    assert_eq!(update["data"]["top_skills"].as_array().unwrap().len(), MAX_ENTRIES);
    assert_eq!(update["data"]["anomalies"], json!([]));
    let none = value(&SessionBuddy.update(None, NOW));
    assert_eq!(none["data"], json!({"top_skills": [], "anomalies": []}));
    let one = value(&SessionBuddy.part(&text, "s3", NOW).unwrap());
    assert_eq!(one["data"], json!({"top_skills": [{"skill_name": "s3"}], "anomalies": []}));
    assert!(SessionBuddy.part(&text, "s11", NOW).is_none());
}

#[test]
fn an_entry_that_cannot_be_a_value_of_ours_hides_no_other() {
    let odd = r#"{"skill_name":"\ud800","n":1e999}"#;
    let data = format!(r#"{{"top_skills":[{odd},{{"skill_name":"a"}}],"anomalies":[{odd}]}}"#);
    let published = format!(r#"{{"data":{data}}}"#);
    let text = SessionBuddy.update(Some(&published), NOW);
    assert!(text.ends_with(&format!(r#""data":{data}}}"#)), "{text}");
    let part = SessionBuddy.part(&published, "a", NOW).unwrap();
    let own = r#"{"top_skills":[{"skill_name":"a"}],"anomalies":[]}"#;
    assert!(part.ends_with(&format!(r#""data":{own}}}"#)), "{part}");
}

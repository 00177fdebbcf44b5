use serde_json::json;

use super::*;

const ENVELOPE: &str = r#"{"id":"x","event":"order.\"paid\"","data":{"n":1e999,"event":"no"},
    "timestamp":"2026-11-30T02:00:00.000001+00:00","room":"a","seq":7,"key":"k"}"#;

#[test]
fn a_message_is_told_as_it_was_published() {
    let message = HistoryMessage::read(Seq(7), ENVELOPE).unwrap();
    let text = serde_json::to_string(&message).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"seq":7,"timestamp":"2026-11-30T02:00:00.000001+00:00","event":"order.\"paid\"","#,
            r#""key":"k","data":{"n":1e999,"event":"no"}}"#
        )
    );
    let told = serde_json::to_value(message.without_data()).unwrap();
    assert_eq!((told["bytes"].as_u64(), told.get("data")), (Some(24), None));
}

#[test]
fn what_is_no_broadcast_is_no_message() {
    for text in ["{}", "", r#"{"type":"metrics_update","timestamp":"t","data":{}}"#] {
        assert!(HistoryMessage::read(Seq(1), text).is_none(), "{text}");
    }
}

#[test]
fn an_answer_says_why_it_is_not_all() {
    let channel = ChannelName::parse("a").unwrap();
    let answer = HistoryAnswer {
        channel: &channel,
        epoch: Epoch(1),
        oldest: None,
        newest: Seq(4),
        messages: Vec::new(),
        more: false,
        partial: true,
        reason: Some(NotRecovered::Retention),
    };
    let told = json!({"channel": "a", "epoch": "0000000000000001", "oldest": null, "newest": 4,
        "messages": [], "more": false, "partial": true, "reason": "retention"});
    assert_eq!(serde_json::to_value(answer).unwrap(), told);
}

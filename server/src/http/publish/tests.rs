use super::fuzz_publish::parse_body;
use super::*;
use crate::http::selected_service::MaxData;
use crate::limits::{MAX_ERROR_TEXT, MAX_PUBLISH_BATCH};
use axum::http::StatusCode;
use serde_json::Value;
use uringcast_engine::Seq;

const MAX: MaxData = MaxData { bytes: 64, depth: 3 };

fn refusal(body: &[u8]) -> (StatusCode, String) {
    let response = parse_body(body, MAX).expect_err("this body is bad").into_response();
    let status = response.status();
    let body = futures(axum::body::to_bytes(response.into_body(), 1 << 20));
    let body: Value = serde_json::from_slice(&body).unwrap();
    (status, body["error"]["message"].as_str().unwrap().to_owned())
}

/// Bodies are in memory here: they are ready at the first poll.
fn futures<T, E: std::fmt::Debug>(body: impl Future<Output = Result<T, E>>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body).unwrap()
}

#[test]
fn one_object_and_a_list_of_objects_are_publications() {
    let one = parse_body(br#" {"event":"e","channel":"a:1","data":{ "x" : 1.50 }}"#, MAX).unwrap();
    let first = &one[0].publication;
    assert_eq!((one.len(), first.channel.as_str(), first.event.as_str()), (1, "a:1", "e"));
    assert_eq!(first.data.as_str(), r#"{ "x" : 1.50 }"#, "data is passed on as it was written");
    let body = concat!(
        r#"[{"channel":"a","event":"e"},"#,
        r#"{"channel":"\u00e9","event":"f","data":{},"id":"7","key":"k\u00e9"}]"#,
    )
    .as_bytes();
    let two = parse_body(body, MAX).unwrap();
    let [first, second] = [&two[0].publication, &two[1].publication];
    assert_eq!((first.data.as_str(), second.channel.as_str()), ("{}", "é"));
    assert_eq!((two[0].id.as_deref(), two[1].id.as_deref()), (None, Some("7")));
    let key = |message: &Publication| message.key.as_ref().map(|key| key.as_str().to_owned());
    assert_eq!((key(first), key(second)), (None, Some("ké".into())));
}

#[test]
fn bad_bodies_are_told_by_index_field_and_reason() {
    let number = format!(r#"{{"channel":"a","event":"e","data":{{"x":{}}}}}"#, "1".repeat(1_001));
    let long = format!(r#"{{"channel":"{}","event":"e"}}"#, "c".repeat(201));
    for (body, words) in [
        (&b""[..], "there is no JSON"),
        (b"7", "invalid type: integer `7`, expected an object with channel and event at column 1"),
        (b"[]", "the list is empty"),
        (b"[{\"channel\":\"a\"", "the body is no list: EOF"),
        (br#"{"channel":"a","event":"e"} x"#, "trailing characters"),
        (br#"[{"channel":"a","event":"e"},7]"#, "message 1: invalid type"),
        (br#"[{"channel":"a","event":"e"},{"event":"e"}]"#, "message 1: missing field `channel`"),
        (br#"{"chanel":"a","event":"e"}"#, "unknown field `chanel`, expected one of `channel`"),
        (br#"{"channel":"a","channel":"b","event":"e"}"#, "duplicate field `channel`"),
        (br#"{"channel":"","event":"e"}"#, "channel is empty"),
        (br#"[{"channel":"a\u0000","event":"e"}]"#, "message 0: channel contains a control char"),
        (br#"{"channel":"a","event":""}"#, "event is empty"),
        (br#"{"channel":"a","event":"e","id":""}"#, "id is empty"),
        (br#"{"channel":"a","event":"e","id":null}"#, "invalid type: null"),
        (br#"{"channel":"a","event":"e","key":""}"#, "key is empty"),
        (br#"{"channel":"a","event":"e","key":7}"#, "invalid type: integer `7`"),
        (br#"{"channel":"a","event":"e","data":[1]}"#, "data is not a JSON object"),
        (br#"{"channel":"a","event":"e","data":{"x":}}"#, "expected value"),
        (
            br#"[{"channel":"a","event":"e","data":{"x":[[{}]]}}]"#,
            "message 0: data is nested more than 3 levels deep (max_json_depth)",
        ),
        (number.as_bytes(), "data has a number of more than 1000 characters"),
        (b"{\"channel\":\"\xff\",\"event\":\"e\"}", "invalid unicode"),
        (long.as_bytes(), "channel is longer than 200 bytes"),
    ] {
        let (status, said) = refusal(body);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{said}");
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
    let (_, null) = refusal(br#"{"channel":"a","event":"e","data":null}"#);
    assert_eq!(null, "data is not a JSON object");
}

#[test]
fn a_long_unknown_name_is_not_repeated_in_full() {
    let (_, said) = refusal(format!("{{\"{}\":1}}", "é".repeat(4_000)).as_bytes());
    assert!(said.len() <= MAX_ERROR_TEXT + "…".len() && said.ends_with('…'), "{}", said.len());
}

#[test]
fn too_much_is_413() {
    let data = format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX.bytes));
    let body = format!(r#"[{{"channel":"a","event":"e","data":{data}}}]"#);
    let (status, said) = refusal(body.as_bytes());
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(said, "message 0: data has 72 bytes, more than max_message_size = 64");
    // Not parsed: it would not be JSON.
    let (status, said) = refusal("x".repeat(9_000).as_bytes());
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(said, "9000 bytes are more than max_message_size = 64 allows");
    let item = r#"{"channel":"a","event":"e"}"#;
    let exact = format!("[{}]", vec![item; MAX_PUBLISH_BATCH].join(","));
    assert_eq!(parse_body(exact.as_bytes(), MAX).unwrap().len(), MAX_PUBLISH_BATCH);
    let over = format!("[{}]", vec![item; MAX_PUBLISH_BATCH + 1].join(","));
    assert_eq!(refusal(over.as_bytes()).0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn the_answer_is_202_only_when_every_message_has_its_position() {
    let channels = ["a", "b"].map(|name| ChannelName::parse(name).unwrap());
    let full = PublishError::Saturated;
    let taken = |seq| Ok(Accepted { seq: Seq(seq), duplicate: false });
    let outcome = |seqs: [Result<Accepted, PublishError>; 2]| {
        let response = answer(&channels, &seqs, Epoch(0xab)).into_response();
        let status = response.status().as_u16();
        let retry = response.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
        let body = futures(axum::body::to_bytes(response.into_body(), 1 << 20));
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, retry, body["results"].clone())
    };
    let epoch = "00000000000000ab";
    let at = |channel: &str, seq: u64| json!({"channel": channel, "seq": seq, "epoch": epoch});
    assert_eq!(outcome([taken(7), taken(9)]), (202, None, json!([at("a", 7), at("b", 9)])));
    let again = Ok(Accepted { seq: Seq(9), duplicate: true });
    let mut known = at("b", 9);
    known["duplicate"] = true.into();
    assert_eq!(outcome([taken(7), again]), (202, None, json!([at("a", 7), known])));
    let half = json!([at("a", 7), {"channel": "b", "error": "saturated"}]);
    assert_eq!(outcome([taken(7), Err(full)]), (503, Some("1".into()), half));
    let ending = json!([
        {"channel": "a", "error": "saturated"},
        {"channel": "b", "error": "draining"},
    ]);
    assert_eq!(outcome([Err(full), Err(PublishError::Closed)]), (503, None, ending));
}

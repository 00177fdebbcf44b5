use serde_json::{Value, json};

use super::*;
use crate::types::{EventName, JsonObject};

const STAMP: Stamp = Stamp { id: [0xff; 16], unix_us: 1_735_689_600_000_042 };

fn publication(channel: &str, event: &str, data: &str) -> Publication {
    Publication {
        channel: ChannelName::parse(channel).unwrap(),
        event: EventName::parse(event).unwrap(),
        data: JsonObject::parse(data.as_bytes()).unwrap(),
        key: None,
    }
}

/// The text of the only frame in `bytes`.
fn payload(bytes: &[u8]) -> &str {
    let header = match bytes[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = &bytes[header..];
    let mut expected = Vec::new();
    frame::header(Opcode::Text, payload.len(), &mut expected);
    assert_eq!(bytes[..header], expected, "one whole text frame");
    std::str::from_utf8(payload).unwrap()
}

fn timestamp(cache: &mut TimestampCache, unix_us: i64) -> String {
    let mut out = Vec::new();
    cache.write(unix_us, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_broadcast_has_ten_keys_in_order() {
    let publication = publication("workflow:abc123", "workflow.started", r#"{"a":[1]}"#);
    let bytes = Encoder::default().broadcast(STAMP, &publication, Seq(42), None);
    assert_eq!(
        payload(&bytes),
        r#"{"id":"ffffffff-ffff-4fff-bfff-ffffffffffff","correlation_id":null,"type":"event","#
            .to_owned()
            + r#""event":"workflow.started","data":{"a":[1]},"#
            + r#""timestamp":"2025-01-01T00:00:00.000042+00:00","room":"workflow:abc123","#
            + r#""error_code":null,"error_message":null,"seq":42}"#
    );
}

#[test]
fn a_key_is_the_last_member_of_a_broadcast() {
    let key = Some(MessageKey::parse("pump \"7\"").unwrap());
    let publication = Publication { key, ..publication("c", "e", "{}") };
    let bytes = Encoder::default().broadcast(STAMP, &publication, Seq(42), None);
    assert!(payload(&bytes).ends_with(r#","error_message":null,"seq":42,"key":"pump \"7\""}"#));
}

#[test]
fn a_response_has_nine_keys_in_order() {
    let mut out = b"before".to_vec();
    let data = json!({"status": "ok"});
    Encoder::default().write(STAMP, Some("a-1"), &Outbound::response("subscribe", &data), &mut out);
    assert_eq!(
        payload(&out[6..]),
        r#"{"id":"ffffffff-ffff-4fff-bfff-ffffffffffff","correlation_id":"a-1","type":"response","#
            .to_owned()
            + r#""event":"subscribe","data":{"status":"ok"},"#
            + r#""timestamp":"2025-01-01T00:00:00.000042+00:00","room":null,"#
            + r#""error_code":null,"error_message":null}"#
    );
}

#[test]
fn an_error_names_its_code_and_message() {
    let mut out = Vec::new();
    let code = ErrorCode::InvalidChannel;
    let refusal = Outbound::error(code, "no \"name\"", Empty {});
    Encoder::default().write(STAMP, None, &refusal, &mut out);
    let value: Value = serde_json::from_str(payload(&out)).unwrap();
    assert_eq!(value["type"], "error");
    assert_eq!(value["error_code"], "INVALID_CHANNEL");
    assert_eq!(value["error_message"], "no \"name\"");
    assert_eq!((&value["event"], &value["data"]), (&Value::Null, &json!({})));
}

#[test]
fn only_what_json_demands_is_escaped() {
    let publication = publication("ü\"\\/\u{2028}😀", "é", r#"{"raw":"\u00fc ü"}"#);
    let bytes = Encoder::default().broadcast(STAMP, &publication, Seq(1), None);
    let text = payload(&bytes);
    assert!(text.contains("\"room\":\"ü\\\"\\\\/\u{2028}😀\""), "{text}");
    assert!(text.contains(r#""data":{"raw":"\u00fc ü"}"#), "data goes on as it was written");
}

#[test]
fn large_broadcasts_carry_long_headers() {
    for size in [10, 65_000, 65_300, 70_000] {
        let data = format!("{{\"x\":\"{}\"}}", "y".repeat(size));
        let bytes =
            Encoder::default().broadcast(STAMP, &publication("c", "e", &data), Seq(1), None);
        assert!(payload(&bytes).contains(&data));
    }
}

#[test]
fn a_pong_repeats_the_correlation() {
    let mut out = Vec::new();
    let pong = Outbound::new(MessageType::Pong, Empty {});
    Encoder::default().write(STAMP, Some("7"), &pong, &mut out);
    let value: Value = serde_json::from_str(payload(&out)).unwrap();
    assert_eq!((&value["type"], &value["correlation_id"]), (&json!("pong"), &json!("7")));
}

#[test]
fn an_event_for_one_client_has_no_seq() {
    let mut out = Vec::new();
    let room = ChannelName::parse("c:1").unwrap();
    let gap = Outbound::event("gap", Some(&room), json!({}));
    Encoder::default().write(STAMP, None, &gap, &mut out);
    let value: Value = serde_json::from_str(payload(&out)).unwrap();
    assert_eq!((&value["event"], &value["room"]), (&json!("gap"), &json!("c:1")));
    assert_eq!(value.get("seq"), None);
}

#[test]
fn ids_are_version_4_uuids_that_keep_their_free_bits() {
    let id = uuid_of([0; 16]);
    assert_eq!(id.to_string(), "00000000-0000-4000-8000-000000000000");
    assert_eq!(id.get_version_num(), 4);
    assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
}

#[test]
fn timestamps_are_utc_with_microseconds() {
    let mut cache = TimestampCache::default();
    for (unix_us, text) in [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (1, "1970-01-01T00:00:00.000001+00:00"),
        (951_827_696_999_999, "2000-02-29T12:34:56.999999+00:00"),
        (951_827_697_000_000, "2000-02-29T12:34:57.000000+00:00"),
        (951_827_696_123_456, "2000-02-29T12:34:56.123456+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (4_102_444_799_000_000, "2099-12-31T23:59:59.000000+00:00"),
    ] {
        assert_eq!(timestamp(&mut cache, unix_us), text);
    }
}

#[test]
fn an_impossible_clock_does_not_stop_the_encoder() {
    let mut cache = TimestampCache::default();
    for unix_us in [i64::MAX, i64::MIN] {
        assert!(timestamp(&mut cache, unix_us).starts_with("1970-01-01T00:00:00."));
    }
}

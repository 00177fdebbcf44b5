use super::*;

fn error(text: &str) -> DecodeError {
    Inbound::parse(text).expect_err(text)
}

fn wrong_key(text: &str) -> &'static str {
    match error(text) {
        DecodeError::WrongType { key, .. } => key,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn type_alone_is_an_envelope() {
    let message = Inbound::parse(r#"{"type":"ping"}"#).unwrap();
    assert_eq!(message.kind, MessageType::Ping);
    assert!(message.id.is_none() && message.correlation_id.is_none() && message.event.is_none());
    assert!(message.data.is_none() && message.room.is_none());
}

#[test]
fn every_type_of_the_protocol_is_known() {
    for kind in MessageType::ALL {
        let text = format!("{{\"type\":\"{}\"}}", kind.label());
        let parsed = Inbound::parse(&text).map(|message| message.kind);
        match kind {
            MessageType::Invalid => assert_eq!(parsed, Err(DecodeError::UnknownType)),
            kind => assert_eq!(parsed, Ok(*kind)),
        }
    }
    assert_eq!(error(r#"{"type":"Ping"}"#), DecodeError::UnknownType, "case counts");
}

#[test]
fn all_fields_are_read() {
    let text = r#" {"room":"r\u0031","data": {"x":[1, 2]} ,"event":"e","type":"request",
        "correlation_id":"c","id":"i","timestamp":5,"what":null} "#;
    let message = Inbound::parse(text).unwrap();
    assert_eq!(message.id.as_deref(), Some("i"));
    assert_eq!(message.correlation_id.as_deref(), Some("c"));
    assert_eq!(message.event.as_deref(), Some("e"));
    assert_eq!(message.room.as_deref(), Some("r1"));
    assert_eq!(message.data.map(RawValue::get), Some(r#"{"x":[1, 2]}"#));
}

#[test]
fn null_is_allowed_where_the_protocol_says() {
    let text = r#"{"type":"ping","correlation_id":null,"event":null,"room":null,
        "error_code":null,"error_message":null,"timestamp":null}"#;
    let message = Inbound::parse(text).unwrap();
    assert!(message.correlation_id.is_none() && message.event.is_none() && message.room.is_none());
    for key in ["id", "type", "data"] {
        assert_eq!(wrong_key(&format!("{{\"type\":\"ping\",\"{key}\":null}}")), key);
    }
}

#[test]
fn wrong_types_are_refused_with_the_key_that_has_them() {
    for key in ["id", "correlation_id", "type", "event", "room", "error_code", "error_message"] {
        for value in ["5", "true", "[]", "{}", r#""\ud800""#] {
            assert_eq!(wrong_key(&format!("{{\"type\":\"ping\",\"{key}\":{value}}}")), key);
        }
    }
    for value in ["5", "true", "[]", "\"{}\""] {
        assert_eq!(wrong_key(&format!("{{\"type\":\"ping\",\"data\":{value}}}")), "data");
    }
}

#[test]
fn what_is_not_one_object_is_refused() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "\"ping\"",
        "{",
        r#"{"type":"ping"} x"#,
        r#"{"type":"ping"}{}"#,
        "\u{feff}{\"type\":\"ping\"}",
        r#"{"type":"ping",}"#,
        r#"{'type':'ping'}"#,
        r#"{"type":"ping","x":NaN}"#,
    ] {
        assert_eq!(error(text), DecodeError::NotObject, "{text}");
    }
    assert_eq!(error("{}"), DecodeError::NoType);
}

#[test]
fn the_last_of_repeated_keys_counts() {
    let message = Inbound::parse(r#"{"type":5,"id":null,"type":"ack","id":"b"}"#).unwrap();
    assert_eq!((message.kind, message.id.as_deref()), (MessageType::Ack, Some("b")));
}

#[test]
fn binary_messages_must_be_text() {
    assert!(Inbound::parse_message(Message::Binary(br#"{"type":"ping"}"#)).is_ok());
    let bad = b"{\"type\":\"ping\",\"x\":\"\xff\"}";
    assert_eq!(Inbound::parse_message(Message::Binary(bad)).unwrap_err(), DecodeError::NotText);
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let depth = 200_000;
    let text = format!(
        "{{\"type\":\"ping\",\"data\":{{\"x\":{}{}}},\"y\":{}{}}}",
        "[".repeat(depth),
        "]".repeat(depth),
        "[".repeat(depth),
        "]".repeat(depth)
    );
    assert!(Inbound::parse(&text).is_ok());
}

#[test]
fn errors_never_repeat_the_input() {
    for text in [
        "SECRET",
        r#"{"type":"SECRET"}"#,
        r#"{"type":"ping","id":["SECRET"]}"#,
        r#"{"SECRET":1}"#,
        r#"{"type":"ping","data":"SECRET"}"#,
    ] {
        assert!(!error(text).to_string().contains("SECRET"));
    }
    let token = Inbound::parse(r#"{"type":"request","event":"auth","data":{"token":"SECRET"}}"#);
    assert!(!format!("{token:?}").contains("SECRET"));
}

#[test]
fn replies_repeat_the_id_first() {
    let both = Inbound::parse(r#"{"type":"ping","id":"i","correlation_id":"c"}"#).unwrap();
    assert_eq!(both.correlation(Correlation::Id), Some("i"));
    assert_eq!(both.correlation(Correlation::Echo), Some("c"));
    let other = Inbound::parse(r#"{"type":"ping","correlation_id":"c"}"#).unwrap();
    assert_eq!(other.correlation(Correlation::Id), Some("c"));
    let id_only = Inbound::parse(r#"{"type":"ping","id":"i"}"#).unwrap();
    assert_eq!(id_only.correlation(Correlation::Echo), None);
    let none = Inbound::parse(r#"{"type":"ping"}"#).unwrap();
    assert_eq!(none.correlation(Correlation::Id), None);
}

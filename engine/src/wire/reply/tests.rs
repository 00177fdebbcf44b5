use serde_json::{Value, json};

use super::*;
use crate::types::JsonObject;
use crate::wire::encoder::{Encoder, Stamp};

const STAMP: Stamp = Stamp { id: [0; 16], unix_us: 0 };

/// A message as the encoder writes it, as a document.
fn written(correlation: Option<&str>, message: &Outbound<'_, impl Serialize>) -> Value {
    let mut out = Vec::new();
    Encoder::default().write(STAMP, correlation, message, &mut out);
    assert_eq!(out[..2], [0x81, 126], "a text frame of middle length");
    serde_json::from_slice(&out[4..]).unwrap()
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

#[test]
fn the_welcome_tells_how_secure_the_connection_is() {
    for (secure, mode) in [(false, "WS"), (true, "WSS")] {
        let welcome = Welcome {
            connection_id: "c",
            server: "s",
            message: "m",
            authenticated: false,
            secure,
            client_certificate: None,
            reconnect: ReconnectAdvice { base_ms: 1_000, max_ms: 30_000 },
            extra: &serde_json::Map::from_iter([("rate_limit".to_owned(), json!(100))]),
        };
        let value = written(None, &super::welcome(&welcome));
        assert_eq!((&value["type"], &value["event"]), (&json!("event"), &json!("session.created")));
        assert_eq!(
            value["data"],
            json!({"connection_id": "c", "server": "s", "message": "m", "authenticated": false,
                   "tls_mode": mode, "secure": secure,
                   "reconnect": {"base_ms": 1_000, "max_ms": 30_000}, "rate_limit": 100})
        );
    }
}

#[test]
fn who_is_to_reconnect_is_told_when_and_why() {
    let value = written(None, &reconnect(Duration::from_millis(1_500), DrainReason::Drain));
    assert_eq!(value["event"], "session.reconnect");
    assert_eq!(value["data"], json!({"after_ms": 1_500, "reason": "drain"}));
    let value = written(None, &reconnect(Duration::ZERO, DrainReason::Shutdown));
    assert_eq!(value["data"], json!({"after_ms": 0, "reason": "shutdown"}));
}

#[test]
fn an_accepted_token_is_answered_with_its_user() {
    let value = written(Some("1"), &authenticated("ann", None));
    assert_eq!((&value["event"], &value["correlation_id"]), (&json!("auth"), &json!("1")));
    assert_eq!(value["data"], json!({"status": "authenticated", "user_id": "ann"}));
    let value = written(None, &authenticated("ann", Some(60)));
    let data = json!({"status": "authenticated", "user_id": "ann", "expires_in": 60});
    assert_eq!(value["data"], data);
}

fn standing(recovery: Option<Recovery>) -> Standing {
    Standing { seq: Seq(7), epoch: Epoch(0xab), oldest: Seq(3), recovery }
}

/// What a confirmation says of a channel beside its name.
fn position(more: &Value) -> Value {
    let mut document = json!({"seq": 7, "epoch": "00000000000000ab", "oldest": 3});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

#[test]
fn a_confirmation_may_carry_the_channels_state() {
    let channel = name("c");
    let document = StateDocument {
        state: JsonObject::parse(br#"{"n":1e999}"#).unwrap(),
        epoch: Epoch(0xab),
        seq: Seq(5),
    };
    let write = |state| {
        let mut out = Vec::new();
        let standing = standing(Some(Recovery::Whole));
        let message = subscribed(&channel, standing, Some(state));
        Encoder::default().write(STAMP, None, &message, &mut out);
        String::from_utf8(out[4..].to_vec()).unwrap()
    };
    let given = r#""state":{"n":1e999},"as_of":{"epoch":"00000000000000ab","seq":5}}"#;
    assert!(write(Some(&document)).contains(given), "as it was written");
    assert!(write(None).contains(r#""state":null}"#));
}

#[test]
fn a_confirmation_carries_the_channels_position() {
    let channel = name("c");
    let confirm = |recovery| {
        let value = written(None, &subscribed(&channel, standing(recovery), None));
        assert_eq!((&value["type"], &value["event"]), (&json!("response"), &json!("subscribe")));
        value["data"].clone()
    };
    let with = |more: Value| {
        let mut document = position(&more);
        document["status"] = "subscribed".into();
        document["channel"] = "c".into();
        document
    };
    assert_eq!(confirm(None), with(json!({})));
    assert_eq!(confirm(Some(Recovery::Whole)), with(json!({"recovered": true})));
    for (reason, text) in [
        (NotRecovered::Restart, "restart"),
        (NotRecovered::Retention, "retention"),
        (NotRecovered::Ahead, "ahead"),
    ] {
        let expected = with(json!({"recovered": false, "reason": text}));
        assert_eq!(confirm(Some(Recovery::None(reason))), expected);
        let expected = with(json!({"recovered": false, "partial": true, "reason": text}));
        assert_eq!(confirm(Some(Recovery::Partial(reason))), expected);
    }
}

#[test]
fn a_pattern_is_confirmed_with_the_epoch_of_its_channels() {
    let value = written(None, &pattern("a:", Some((2, Epoch(0xab)))));
    let has = json!({"status": "subscribed", "pattern": "a:*", "channels": 2,
                     "epoch": "00000000000000ab"});
    assert_eq!((&value["event"], &value["data"]), (&json!("subscribe"), &has));
    let value = written(None, &pattern("a:", None));
    let has_not = json!({"status": "unsubscribed", "pattern": "a:*"});
    assert_eq!((&value["event"], &value["data"]), (&json!("unsubscribe"), &has_not));
}

#[test]
fn the_end_of_a_subscription_is_confirmed() {
    let value = written(None, &unsubscribed(&name("c")));
    assert_eq!(value["event"], "unsubscribe");
    assert_eq!(value["data"], json!({"status": "unsubscribed", "channel": "c"}));
}

#[test]
fn lists_are_confirmed_with_what_failed() {
    let channels = [name("a"), name("b")];
    let failed =
        [("x\"".to_owned(), ErrorCode::Forbidden), (String::new(), ErrorCode::InvalidChannel)];
    let data = |status| {
        json!({"status": status, "channels": ["a", "b"],
               "failed": {"x\"": "FORBIDDEN", "": "INVALID_CHANNEL"}})
    };
    let begin = [standing(None), standing(Some(Recovery::Whole))];
    let value = written(None, &listed(&channels, &failed, Some(&begin)));
    let mut subscribed = data("subscribed");
    subscribed["positions"] =
        json!({"a": position(&json!({})), "b": position(&json!({"recovered": true}))});
    assert_eq!((&value["event"], &value["data"]), (&json!("subscribe"), &subscribed));
    let value = written(None, &listed(&channels, &failed, None));
    assert_eq!((&value["event"], &value["data"]), (&json!("unsubscribe"), &data("unsubscribed")));
}

#[test]
fn a_publish_is_answered_with_its_position() {
    let value = written(None, &published(&name("c"), (Epoch(0xab), Seq(3)), false));
    assert_eq!(value["event"], "publish");
    let data =
        json!({"status": "published", "channel": "c", "seq": 3, "epoch": "00000000000000ab"});
    assert_eq!(value["data"], data);
}

#[test]
fn a_refused_publish_says_when_to_try_again() {
    let value = written(Some("9"), &busy(0.25));
    assert_eq!((&value["type"], &value["error_code"]), (&json!("error"), &json!("BUSY")));
    assert_eq!(value["data"], json!({"retry_after": 0.25}));
}

#[test]
fn a_gap_says_what_is_missing() {
    let gap = Gap { from: Seq(5), to: Seq(9), reason: GapReason::Retention, epoch: Epoch(1) };
    let value = written(None, &super::gap(&name("c"), &gap));
    assert_eq!((&value["event"], &value["room"]), (&json!("gap"), &json!("c")));
    assert_eq!(
        value["data"],
        json!({"from_seq": 5, "to_seq": 9, "missed": 5, "reason": "retention",
               "epoch": "0000000000000001"})
    );
}

#[test]
fn every_error_code_is_written_in_capitals() {
    let codes = [
        (ErrorCode::DecodeError, "DECODE_ERROR"),
        (ErrorCode::UnknownRequest, "UNKNOWN_REQUEST"),
        (ErrorCode::InvalidRequest, "INVALID_REQUEST"),
        (ErrorCode::InvalidChannel, "INVALID_CHANNEL"),
        (ErrorCode::Forbidden, "FORBIDDEN"),
        (ErrorCode::RateLimitExceeded, "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::LimitExceeded, "LIMIT_EXCEEDED"),
        (ErrorCode::Busy, "BUSY"),
        (ErrorCode::AuthFailed, "AUTH_FAILED"),
        (ErrorCode::AuthRequired, "AUTH_REQUIRED"),
    ];
    for (code, text) in codes {
        let value = written(None, &refusal(code, "no"));
        assert_eq!((&value["error_code"], &value["error_message"]), (&json!(text), &json!("no")));
    }
}

//! The same in a protocol of the embedder, which has no errors and a close code of its own.

use super::*;
use crate::config::ClassRule;
use crate::tests::ticker::Ticker;

fn rig(mode: AuthMode) -> Rig {
    rig_with(mode, Vec::new())
}

fn rig_with(mode: AuthMode, classes: Vec<ClassRule>) -> Rig {
    let access = Access { mode, ..Access::default() };
    let protocol = Protocol::Custom(Arc::new(Ticker("ticks")));
    let config = Config::from(Service { access, protocol, classes, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 8, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    Rig { hub: Box::new(hub), key, now }
}

/// Messages that are sent beside updates.
fn answers(rig: &mut Rig) -> Vec<Value> {
    let mut heard = rig.hear();
    heard.retain(|message| message["type"] != "update");
    heard
}

fn closed_unauthenticated() -> [Value; 1] {
    [closed(4001, "Authentication failed")]
}

#[test]
fn the_first_frame_is_a_token_and_then_comes_the_greeting() {
    let mut rig = rig(AuthMode::Required);
    assert!(rig.hear().is_empty(), "silent until the token");
    rig.say(&json!({"token": "token"}));
    assert_eq!(rig.asked(), ["token"]);
    rig.say(&json!({"type": "ping"}));
    assert!(rig.hear().is_empty(), "what follows waits");
    rig.answer(Ok(user(&[], Some(60))));
    let heard = answers(&mut rig);
    assert_eq!(
        (&heard[0]["type"], &heard[0]["authenticated"]),
        (&json!("connected"), &json!(true))
    );
    assert_eq!(heard[1], json!({"type": "pong"}));

    // A second token renews the session without a reply; a bad one changes nothing.
    rig.say(&json!({"token": "next"}));
    rig.answer(Ok(user(&[], Some(90))));
    rig.say(&json!({"token": "bad"}));
    rig.answer(Err(AuthError::invalid()));
    rig.pass(Duration::from_secs(61));
    assert_eq!(answers(&mut rig), [] as [Value; 0]);
    rig.pass(Duration::from_secs(30));
    assert_eq!(answers(&mut rig), [closed(4201, "Token expired")]);
}

#[test]
fn who_shows_no_good_token_is_closed_with_4001() {
    use crate::telemetry::ConnectionError::{AuthFailed, AuthMissing, AuthRequired};
    for (frame, counted) in [
        (json!({"type": "ping"}), AuthRequired),
        (json!({"type": "subscribe", "skill": "x"}), AuthRequired),
        (json!({"token": 7}), AuthMissing),
        (json!({"token": ""}), AuthMissing),
        (json!({}), ConnectionError::AuthError),
        (json!([]), ConnectionError::AuthError),
    ] {
        let mut rig = rig(AuthMode::Required);
        rig.say(&frame);
        assert_eq!(rig.hear(), closed_unauthenticated(), "{frame}");
        assert_eq!(rig.errors(counted), 1, "{frame}");
    }
    let mut refused = rig(AuthMode::Required);
    refused.say(&json!({"token": "bad"}));
    refused.answer(Err(AuthError::invalid()));
    assert_eq!(refused.hear(), closed_unauthenticated());
    assert_eq!(refused.errors(AuthFailed), 1);
    let mut silent = rig(AuthMode::Required);
    silent.pass(AUTH_TIMEOUT - Duration::from_millis(1));
    assert!(silent.hear().is_empty());
    silent.pass(Duration::from_millis(1));
    assert_eq!(silent.hear(), closed_unauthenticated());
    assert_eq!(silent.errors(AuthMissing), 1);
}

#[test]
fn where_tokens_are_not_asked_for_one_is_taken_or_passed_over() {
    let mut open = rig(AuthMode::Off);
    assert_eq!(answers(&mut open)[0]["authenticated"], false);
    open.say(&json!({"token": "token"}));
    assert!(open.asked().is_empty() && answers(&mut open).is_empty());
    let mut either = rig(AuthMode::Optional);
    assert_eq!(answers(&mut either)[0]["authenticated"], false);
    either.say(&json!({"token": "token"}));
    assert_eq!(either.asked(), ["token"]);
    either.answer(Ok(user(&[], None)));
    assert_eq!(answers(&mut either), [] as [Value; 0], "it was greeted already");
}

#[test]
fn updates_come_once_a_second_whole_or_in_the_part_asked_for() {
    let mut rig = rig(AuthMode::Off);
    answers(&mut rig);
    let other = connect(&mut rig.hub, rig.now, None);
    let say = |rig: &mut Rig, message: Value| {
        let mut bytes = client_frame(message.to_string().as_bytes());
        rig.hub.handle_received(other, &mut bytes);
    };
    say(&mut rig, json!({"type": "subscribe", "only": "a"}));
    answers(&mut rig);
    let publication = crate::types::Publication {
        channel: ChannelName::parse("ticks").unwrap(),
        event: crate::types::EventName::parse("e").unwrap(),
        data: crate::types::JsonObject::parse(br#"{"a":1,"b":2}"#).unwrap(),
        key: None,
    };
    for _ in 0..3 {
        rig.hub.publish(&publication).unwrap();
    }
    assert!(rig.hear().is_empty(), "nothing before the second is over");
    let heard: Vec<Value> = (0..41)
        .flat_map(|_| {
            rig.pass(Duration::from_millis(50));
            rig.hear()
        })
        .collect();
    let whole = json!({"type": "update", "data": {"a": 1, "b": 2}});
    let part = json!({"type": "update", "part": 1});
    assert_eq!(heard.iter().filter(|m| **m == whole).count(), 2);
    assert!(heard.contains(&part) && heard.iter().all(|m| [&whole, &part].contains(&m)));
}

#[test]
fn presence_does_not_concern_the_protocol_s_channel() {
    let channels = ChannelPattern::parse("*").unwrap();
    let rule = ClassRule { presence: Some(true), ..ClassRule::new(channels) };
    let mut rig = rig_with(AuthMode::Off, vec![rule]);
    (0..40).for_each(|_| rig.pass(Duration::from_millis(50)));
    let heard = rig.hear();
    let kinds: Vec<_> = heard.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["connected", "update", "update"], "{heard:?}");
}

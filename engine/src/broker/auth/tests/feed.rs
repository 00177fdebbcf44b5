//! The same in session-buddy's protocol, which has no errors and a close code of its own.

use super::*;

fn rig(mode: AuthMode) -> Rig {
    let access = Access { mode, ..Access::default() };
    let protocol = Protocol::Metrics;
    let config = Config::from(Service { access, protocol, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 8, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    Rig { hub, key, now }
}

/// What is heard beside updates.
fn answers(rig: &mut Rig) -> Vec<Value> {
    let mut heard = rig.hear();
    heard.retain(|message| message["type"] != "metrics_update");
    heard
}

fn turned_away() -> [Value; 1] {
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

    // Once more renews it, without a word; a bad one changes nothing.
    rig.say(&json!({"token": "next"}));
    rig.answer(Ok(user(&[], Some(90))));
    rig.say(&json!({"token": "bad"}));
    rig.answer(Err(AuthError::Invalid));
    rig.pass(Duration::from_secs(61));
    assert_eq!(answers(&mut rig), [] as [Value; 0]);
    rig.pass(Duration::from_secs(30));
    assert_eq!(answers(&mut rig), [closed(1008, "Token expired")]);
}

#[test]
fn who_shows_no_good_token_is_closed_with_4001() {
    use ConnectionError::{AuthFailed, AuthMissing, AuthRequired};
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
        assert_eq!(rig.hear(), turned_away(), "{frame}");
        assert_eq!(rig.errors(counted), 1, "{frame}");
    }
    let mut refused = rig(AuthMode::Required);
    refused.say(&json!({"token": "bad"}));
    refused.answer(Err(AuthError::Invalid));
    assert_eq!(refused.hear(), turned_away());
    assert_eq!(refused.errors(AuthFailed), 1);
    let mut silent = rig(AuthMode::Required);
    silent.pass(AUTH_TIMEOUT - Duration::from_millis(1));
    assert!(silent.hear().is_empty());
    silent.pass(Duration::from_millis(1));
    assert_eq!(silent.hear(), turned_away());
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

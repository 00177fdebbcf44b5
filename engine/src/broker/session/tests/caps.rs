//! What one client, or all together, may have at most.

use super::*;
use crate::broker::shard_messages::{Accepted, Notice};
use crate::broker::turn_limits::TurnLimits;
use crate::limits::{DUE_PER_CONNECTION, MIN_BYTE_BURST};
use crate::types::{ChannelName, RequestId, Seq};
use crate::wire::deflate::{Deflater, negotiate};

#[test]
fn a_storm_of_tokens_is_turned_away_and_not_queued() {
    let config = Config::from(Service { access: access(AuthMode::Required), ..Service::default() });
    let capacity = VERIFICATIONS_PER_SHARD + 2;
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, capacity, 1);
    let now = Now::default();
    let keys: Vec<_> =
        (0..=VERIFICATIONS_PER_SHARD).map(|_| connect(&mut hub, now, Some("token"))).collect();
    let mut rig = Rig { hub: Box::new(hub), key: keys[VERIFICATIONS_PER_SHARD], now };
    assert_eq!(rig.asked().len(), VERIFICATIONS_PER_SHARD);
    assert_eq!(rig.hear(), [closed(1013, "Too many authentications")]);
    assert_eq!(rig.errors(ConnectionError::AuthOverload), 1);
    // One answer makes room for one more.
    rig.key = keys[0];
    rig.answer(Err(AuthError::invalid()));
    rig.key = connect(&mut rig.hub, now, Some("token"));
    assert_eq!(rig.asked().len(), 1);
}

#[test]
fn what_comes_behind_an_unverified_token_is_bounded() {
    let mut rig = Rig::new(AuthMode::Required, Some("token"));
    let large = json!({"type": "ping", "id": "x".repeat(MAX_AUTH_MESSAGE / 2)});
    for _ in 0..AUTH_BACKLOG / (MAX_AUTH_MESSAGE / 2) {
        rig.say(&large);
    }
    assert_eq!(rig.hear(), [closed(4004, "Too many messages before authentication")]);
    let mut rig = Rig::new(AuthMode::Required, None);
    rig.say(&json!({"type": "ping", "id": "x".repeat(MAX_AUTH_MESSAGE)}));
    assert_eq!(rig.hear(), [closed(1009, "Message too big")]);
}

#[test]
fn a_connection_has_so_many_subscriptions_and_may_repeat_them() {
    let access = Access { max_subscriptions: 2, ..Access::default() };
    let config = Config::from(Service { access, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 2, 1);
    let now = Now::default();
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    rig.hear();
    for (channel, code) in [("a", Value::Null), ("b", Value::Null), ("b", Value::Null)] {
        rig.subscribe(channel);
        assert_eq!(rig.hear()[0]["error_code"], code, "{channel}");
    }
    rig.subscribe("c");
    assert_eq!(rig.hear()[0]["error_code"], "LIMIT_EXCEEDED");
    rig.say(&json!({"type": "unsubscribe", "room": "a"}));
    rig.subscribe("c");
    assert_eq!(rig.hear()[1]["data"]["status"], "subscribed");
}

#[test]
fn what_other_shards_have_not_answered_is_bounded_in_bytes() {
    let service = Service { anonymous_publish: true, ..Service::default() };
    let mut hub = Hub::new(Arc::new(Config::from(service)), ShardId(0), 2, 8, 1);
    hub.set_limits(TurnLimits { publishing_bytes: 1_000, ..TurnLimits::default() });
    let remote = |name: &ChannelName| hub.home_of(name) == ShardId(1);
    let mut names = (0..).map(|n| ChannelName::parse(&n.to_string()).unwrap());
    let channel = names.find(remote).unwrap();
    let publish = |bytes: usize| {
        let data = json!({"x": "x".repeat(bytes - 8)});
        let data = json!({"channel": channel.as_str(), "event": "e", "data": data});
        json!({"id": "p", "type": "request", "event": "publish", "data": data})
    };
    let now = Now::default();
    let keys: Vec<_> = (0..3).map(|_| connect(&mut hub, now, None)).collect();
    let mut rig = Rig { hub: Box::new(hub), key: keys[0], now };
    rig.hear();
    let mut says = |client: usize, bytes: usize| {
        rig.key = keys[client];
        rig.say(&publish(bytes));
        rig.hear().pop().map(|reply| reply["error_code"].clone())
    };
    // The first goes whatever its size, the next only within the limit.
    assert_eq!(says(0, 990), None);
    assert_eq!(says(1, 11), Some(json!("BUSY")));
    assert_eq!(says(2, 10), None);
    rig.hub.handle_notice(
        ShardId(1),
        Notice::Published {
            id: RequestId(0),
            result: Ok(Accepted { seq: Seq(1), is_repeat: false }),
        },
    );
    assert_eq!(rig.hear()[0]["data"]["status"], "published");
    rig.say(&publish(990));
    rig.key = connect(&mut rig.hub, now, None);
    rig.hear();
    rig.say(&publish(11));
    assert_eq!(rig.hear()[0]["error_code"], "BUSY");
}

/// A client with limited bytes and tokens.
fn metered(byte_rate: u32) -> Rig {
    let access = Access { byte_rate, ..access(AuthMode::Optional) };
    let config = Config::from(Service { access, message_rate: 0, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 2, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    rig.hear();
    rig
}

#[test]
fn inflated_bytes_are_paid_for_like_received_ones() {
    let mut rig = metered(1_000);
    let deflate = negotiate(["permessage-deflate"].into_iter()).map(|(agreed, _)| agreed);
    let plain = Admission::plain(([127, 0, 0, 1], 1).into());
    rig.key = rig.hub.admit(Admission { deflate, ..plain }).unwrap();
    rig.hear();
    let key = rig.key;
    let ping = json!({"type": "ping", "id": "x".repeat(MIN_BYTE_BURST as usize + 1_000)});
    let mut payload = Vec::new();
    Deflater::once().deflate_once(ping.to_string().as_bytes(), &mut payload);
    assert!(payload.len() < 1_000, "within the rate as it comes");
    let mut bytes = client_frame(&payload);
    // RSV1 (RFC 7692, 7.2.1).
    bytes[0] |= 0x40;
    rig.hub.handle_received(key, &mut bytes);
    assert_eq!(rig.hear()[0]["type"], "pong");
    assert_eq!(rig.hub.poll_effect(), Some(Effect::PauseReceive(key)));
    rig.pass(Duration::from_millis(900));
    assert_eq!(rig.hub.poll_effect(), None);
    rig.pass(Duration::from_millis(600));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
}

/// A ping of `size` bytes beyond the burst.
fn flood(rig: &mut Rig, size: usize) {
    rig.say(&json!({"type": "ping", "id": "x".repeat(MIN_BYTE_BURST as usize + size)}));
    assert_eq!(rig.hear()[0]["type"], "pong");
}

#[test]
fn bytes_over_the_rate_pause_the_connection_and_close_nothing() {
    let mut rig = metered(1_000);
    let key = rig.key;
    flood(&mut rig, 1_000);
    assert_eq!(rig.hub.poll_effect(), Some(Effect::PauseReceive(key)));
    rig.pass(Duration::from_millis(900));
    assert_eq!(rig.hub.poll_effect(), None);
    rig.pass(Duration::from_millis(600));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
}

#[test]
fn what_comes_while_it_is_paused_is_paid_for_too() {
    let mut rig = metered(1_000);
    let key = rig.key;
    flood(&mut rig, 0);
    rig.say(&json!({"type": "ping", "id": "x".repeat(9_000)}));
    rig.asked();
    rig.pass(Duration::from_secs(9));
    assert_eq!(rig.hub.poll_effect(), None);
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
}

#[test]
fn a_token_shown_buys_no_time() {
    let mut rig = metered(1_000);
    let key = rig.key;
    flood(&mut rig, 1_000);
    for _ in 0..1_000 {
        rig.say_auth(&json!("token"));
        rig.answer(Ok(user(&[], None)));
    }
    let mut effects: Vec<_> = std::iter::from_fn(|| rig.hub.poll_effect()).collect();
    effects.retain(|effect| !matches!(effect, Effect::Authenticate { .. }));
    assert_eq!(effects, [Effect::PauseReceive(key)]);
    assert_eq!(rig.hub.timers(), 1);
    // And the other way round: time brings no verdict.
    rig.say_auth(&json!("token"));
    rig.pass(Duration::from_secs(999));
    assert!(rig.asked().len() == 1 && rig.hub.is_paused(key));
    rig.answer(Ok(user(&[], None)));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
}

#[test]
fn a_former_connection_leaves_no_timer() {
    let mut rig = metered(1_000);
    for _ in 0..1_000 {
        flood(&mut rig, 900_000);
        rig.hub.end_by(rig.key, Ending::Close(CloseReason::Expelled));
        rig.hear();
        rig.hub.handle_end(rig.key, crate::broker::ReceiveEnd::Eof);
        rig.hub.handle_receive_ended(rig.key);
        rig.key = connect(&mut rig.hub, rig.now, None);
        assert!(rig.hear().len() == 1 && rig.asked().is_empty());
        assert!(rig.hub.timers() <= 2 * DUE_PER_CONNECTION);
    }
}

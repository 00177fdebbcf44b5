//! What one client, or all together, may have at most.

use super::*;

#[test]
fn a_storm_of_tokens_is_turned_away_and_not_queued() {
    let config = Config::from(Service { access: access(AuthMode::Required), ..Service::default() });
    let capacity = VERIFICATIONS_PER_SHARD + 2;
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, capacity, 1);
    let now = Now::default();
    let keys: Vec<_> =
        (0..=VERIFICATIONS_PER_SHARD).map(|_| connect(&mut hub, now, Some("token"))).collect();
    let mut rig = Rig { hub, key: keys[VERIFICATIONS_PER_SHARD], now };
    assert_eq!(rig.asked().len(), VERIFICATIONS_PER_SHARD);
    assert_eq!(rig.hear(), [closed(1013, "Too many authentications")]);
    assert_eq!(rig.errors(ConnectionError::AuthOverload), 1);
    // One answer makes room for one more.
    rig.key = keys[0];
    rig.answer(Err(Refused::Invalid));
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
    assert_eq!(rig.hear(), [closed(1008, "Too many messages before authentication")]);
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
    let mut rig = Rig { hub, key, now };
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
fn bytes_over_the_rate_pause_the_connection_and_close_nothing() {
    let access = Access { byte_rate: 1_000, ..Access::default() };
    let config = Config::from(Service { access, message_rate: 0, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 2, 1);
    let now = Now::default();
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub, key, now };
    rig.hear();
    rig.say(&json!({"type": "ping", "id": "x".repeat(66_536)}));
    assert_eq!(rig.hear()[0]["type"], "pong");
    assert_eq!(rig.hub.poll_effect(), Some(Effect::PauseReceive(key)));
    rig.pass(Duration::from_millis(900));
    assert_eq!(rig.hub.poll_effect(), None);
    rig.pass(Duration::from_millis(600));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
}

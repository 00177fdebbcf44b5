//! What a client may do with a token, and without one.

use super::*;

#[test]
fn channels_need_their_permission_and_the_others_are_open() {
    let forbidden = |reply: &Value| reply["error_code"] == "FORBIDDEN";
    for (mut rig, workflow, publish) in [
        (Rig::new(AuthMode::Off, None), true, false),
        (Rig::new(AuthMode::Optional, None), false, false),
        (Rig::known(AuthMode::Optional, user(&["workflow:read"], None)), true, false),
        (Rig::known(AuthMode::Required, user(&[], None)), false, false),
        (Rig::known(AuthMode::Required, user(&["publish"], None)), false, true),
        (Rig::known(AuthMode::Required, user(&["admin"], None)), true, true),
    ] {
        rig.hear();
        rig.subscribe("workflow:1");
        rig.subscribe("pool:1");
        let data = json!({"channel": "pool:1", "event": "e", "data": {}});
        rig.say(&json!({"type": "request", "event": "publish", "data": data}));
        let heard = rig.hear();
        assert_eq!(!forbidden(&heard[0]), workflow, "{}", heard[0]);
        if !workflow {
            assert_eq!(heard[0]["error_message"], "Not authorized to subscribe to workflow:1");
        }
        assert!(!forbidden(&heard[1]), "{}", heard[1]);
        assert_eq!(!forbidden(&heard[2]), publish, "{}", heard[2]);
        rig.say(&json!({"type": "subscribe", "data": {"channels": ["workflow:2", "pool:2"]}}));
        let heard = rig.hear();
        let reply = heard.iter().find(|m| m["event"] == "subscribe").unwrap();
        let failed = &reply["data"]["failed"];
        assert_eq!(*failed, if workflow { json!({}) } else { json!({"workflow:2": "FORBIDDEN"}) });
    }
}

#[test]
fn other_rules_hold_for_the_next_request_of_a_known_client() {
    let mut rig = Rig::known(AuthMode::Required, user(&["workflow:read"], None));
    rig.subscribe("workflow:1");
    assert_eq!(rig.hear()[0]["data"]["status"], "subscribed");
    let mut access = access(AuthMode::Required);
    access.subscribe[0].permission = "workflow:all".into();
    access.max_subscriptions = 2;
    rig.hub.reconfigure(Arc::new(Config::from(Service { access, ..Service::default() })));
    for (channel, code) in [
        ("workflow:2", json!("FORBIDDEN")),
        ("pool:1", Value::Null),
        ("pool:2", "LIMIT_EXCEEDED".into()),
    ] {
        rig.subscribe(channel);
        assert_eq!(rig.hear()[0]["error_code"], code, "{channel}");
    }
    // It has its subscription still, and no other permission than before.
    rig.say(&json!({"type": "unsubscribe", "room": "workflow:1"}));
    assert_eq!(rig.hear()[0]["data"]["status"], "unsubscribed");
}

/// A service where clients publish without a token, but to `guarded:…`.
fn trial(mode: AuthMode, permissions: Option<&[&str]>) -> Rig {
    let channels = ChannelPattern::parse("guarded:*").unwrap();
    let publish = vec![Rule { channels, permission: "guarded:write".into() }];
    let access = Access { publish, ..access(mode) };
    let service = Service { access, anonymous_publish: true, ..Service::default() };
    let mut hub = Hub::new(Arc::new(Config::from(service)), ShardId(0), 1, 8, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, permissions.map(|_| "token"));
    let mut rig = Rig { hub: Box::new(hub), key, now };
    if let Some(permissions) = permissions {
        rig.answer(Ok(user(permissions, None)));
    }
    rig.hear();
    rig
}

#[test]
fn less_proof_never_gives_more() {
    for (mode, permissions, open, guarded) in [
        (AuthMode::Optional, None, true, false),
        (AuthMode::Optional, Some(&[][..]), true, false),
        (AuthMode::Optional, Some(&["publish"][..]), true, false),
        (AuthMode::Optional, Some(&["guarded:write"][..]), true, true),
        (AuthMode::Required, Some(&[][..]), false, false),
        // Without authentication no permission is checked.
        (AuthMode::Off, None, true, true),
    ] {
        let mut rig = trial(mode, permissions);
        for (channel, may) in [("open:1", open), ("guarded:1", guarded)] {
            let data = json!({"channel": channel, "event": "e", "data": {}});
            rig.say(&json!({"type": "request", "event": "publish", "data": data}));
            let forbidden = rig.hear()[0]["error_code"] == "FORBIDDEN";
            assert_eq!(!forbidden, may, "{mode:?} {permissions:?} {channel}");
        }
    }
}

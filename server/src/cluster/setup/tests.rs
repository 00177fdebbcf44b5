use super::*;

/// A stream as its server describes it.
fn stream() -> Value {
    let mut stream = wanted(&ClusterConfig::sample(), &Subjects::new("u", 1));
    stream["metadata"] = json!({ PARTITIONS: "2", LIFE: "0", "_nats.level": "1" });
    stream["republish"]["headers_only"] = false.into();
    stream["compression"] = "none".into();
    stream
}

#[test]
fn a_stream_of_these_settings_fits() {
    assert_eq!(check(&stream(), &ClusterConfig::sample(), &Subjects::new("u", 1)), Ok(()));
}

#[test]
fn each_difference_is_refused_by_the_setting_that_it_is_about() {
    let differences = [
        ("max_age", json!(1), "cluster_age"),
        ("num_replicas", json!(1), "cluster_replicas"),
        ("max_msgs_per_subject", json!(-1), "cluster_channel_messages"),
        ("storage", json!("memory"), "cluster"),
        ("allow_direct", Value::Null, "cluster"),
        ("republish", Value::Null, "cluster"),
        ("republish", json!({ "src": "u.ch.1.>", "dest": "other.>" }), "cluster"),
        ("metadata", json!({ PARTITIONS: "3" }), "cluster_partitions"),
        ("metadata", Value::Null, "cluster_partitions"),
    ];
    for (name, value, setting) in differences {
        let mut stream = stream();
        stream[name] = value;
        let error =
            check(&stream, &ClusterConfig::sample(), &Subjects::new("u", 1)).expect_err(name);
        assert_eq!(error.setting, setting, "{name}: {error:?}");
        assert!(error.reason.contains("u_1"), "{error:?}");
    }
}

#[test]
fn what_servers_say_until_they_know_each_other_may_pass() {
    for number in [NO_SUITABLE_PEERS, NOT_ENABLED, TEMPORARILY_UNAVAILABLE] {
        assert!(
            SetupError::from(RequestError::Refused(number, String::new())).may_pass,
            "{number}"
        );
    }
    let refused = RequestError::Refused(STREAM_NAME_IN_USE, String::new());
    assert!(!SetupError::from(refused).may_pass);
}

#[test]
fn servers_that_are_too_old_are_refused() {
    for version in ["2.9.10", "2.10.29", "1.4.1", ""] {
        assert!(check_version(version).is_err(), "{version}");
    }
    for version in ["2.11.0", "2.15.0", "2.14.1-beta.2", "3.0.0"] {
        assert_eq!(check_version(version), Ok(()), "{version}");
    }
}

#[test]
fn each_life_of_a_stream_has_an_epoch_of_its_own() {
    let answer = |created: &str, life: &str| {
        json!({ "created": created, "config": { "metadata": { LIFE: life } }, "state": {
            "first_seq": 3, "last_seq": 9,
        } })
    };
    let first = info_of(&answer("2026-01-01T00:00:00Z", "0"));
    assert_eq!((first.first_seq, first.last_seq), (3, 9));
    assert_eq!(first, info_of(&answer("2026-01-01T00:00:00Z", "0")));
    assert_ne!(first.epoch, info_of(&answer("2026-01-01T00:00:00Z", "1")).epoch);
    // Servers of one stream may tell other times of its making.
    assert_eq!(first.epoch, info_of(&answer("2026-01-01T00:00:01Z", "0")).epoch);
}

#[test]
fn a_leader_without_most_of_its_followers_stores_nothing() {
    let follower = |active: u64, offline: bool| json!({ "active": active, "offline": offline });
    let (near, far) = (follower(1_000_000_000, false), follower(5_000_000_001, false));
    let has = |followers: &[&Value]| has_majority(&json!({ "replicas": followers }));
    assert!(has_majority(&Value::Null) && has(&[]), "it is alone");
    assert!(has(&[&near, &near]) && has(&[&near, &far]));
    assert!(!has(&[&far, &far]) && !has(&[&far, &follower(0, true)]));
    assert!(has(&[&near, &near, &far, &far]) && !has(&[&near, &far, &far, &far]));
    assert!(has(&[&near, &far, &near]) && !has(&[&near, &far, &far]));
}

use super::*;

fn membership() -> Membership {
    let node = "0123456789abcdef".to_owned();
    Membership { prefix: "u".into(), partitions: 2, node }
}

#[test]
fn a_server_goes_on_for_one_with_the_same_streams_only() {
    let refusal = |before: Option<&Membership>, config: Option<&ClusterConfig>| {
        Membership::refusal(before, config).unwrap_or_default()
    };
    let (here, there) = (ClusterConfig::sample(), membership());
    assert_eq!(refusal(Some(&there), Some(&here)), "");
    assert_eq!(refusal(None, None), "");
    assert!(refusal(Some(&there), None).contains("the new one none"));
    assert!(refusal(None, Some(&here)).contains("the old one none"));
    let other = ClusterConfig { partitions: 3, ..ClusterConfig::sample() };
    assert!(refusal(Some(&there), Some(&other)).contains("cluster_partitions 3"));
    let other = ClusterConfig { prefix: "v".into(), ..ClusterConfig::sample() };
    assert!(refusal(Some(&there), Some(&other)).contains("cluster_prefix"));
}

#[test]
fn what_a_node_is_is_read_as_it_was_written() {
    let read = Membership::read(&[blob(MEMBERSHIP, &membership())]);
    assert_eq!(read, Ok(Some(membership())));
    assert_eq!(Membership::read(&[]), Ok(None));
}

#[test]
fn lies_about_a_node_are_refused() {
    let bytes = |text: &str| Blob {
        name: MEMBERSHIP.to_owned(),
        version: 1,
        is_required: true,
        bytes: SecretBytes::new(text.as_bytes().to_vec()),
    };
    for text in [
        "",
        "{}",
        r#"{"prefix":"u","partitions":-1,"node":"0123456789abcdef"}"#,
        r#"{"prefix":"u","partitions":1,"node":"0123456789ABCDEF"}"#,
        r#"{"prefix":"u","partitions":1,"node":"a b"}"#,
    ] {
        assert!(Membership::read(&[bytes(text)]).is_err(), "{text}");
    }
    let later = Blob { version: 2, ..blob(MEMBERSHIP, &membership()) };
    assert!(Membership::read(&[later]).is_err());
}

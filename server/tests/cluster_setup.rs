//! What a node refuses at its start.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::process::Command;

use support::nats::Nats;
use support::{FREE_PORTS, PROGRAM, Server, free_ports};

/// What a server says that must not start.
fn refused(flags: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(FREE_PORTS).args(flags.split_whitespace());
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

#[test]
fn a_node_without_servers_is_refused() {
    let text = refused(&format!("--cluster=127.0.0.1:{}", free_ports(1)[0]));
    assert!(text.contains("cluster") && text.contains("cannot be reached"), "{text}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let text = refused("--cluster-prefix=x");
    assert!(text.contains("means nothing without a cluster"), "{text}");
    let text = refused("--cluster=nats://me:secret@a");
    assert!(text.contains("cluster_credentials") && !text.contains("secret"), "{text}");
    let text = refused("--cluster=a --cluster-cert-file=x.pem");
    assert!(text.contains("has no key"), "{text}");
}

#[test]
fn a_node_with_other_settings_than_the_streams_is_refused() {
    let Some(nats) = Nats::start("a_node_with_other_settings_is_refused") else { return };
    let _first = Server::start(&nats.flag());
    let others = [
        ("--cluster-age=2h", "cluster_age"),
        ("--cluster-channel-messages=2000", "cluster_channel_messages"),
        ("--cluster-replicas=1", "cluster_replicas"),
        ("--cluster-partitions=2", "cluster_partitions"),
    ];
    for (flag, setting) in others {
        let text = refused(&format!("{} {flag}", nats.flag()));
        assert!(text.contains(setting) && text.contains("does not fit stream"), "{text}");
    }
    let other =
        Server::start(&format!("{} --cluster-prefix=other --cluster-partitions=2", nats.flag()));
    drop(other);
}

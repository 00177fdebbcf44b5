//! What a node refuses at its start.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use crate::common::file;
use crate::common::pki::Authority;
use crate::support::nats::Nats;
use crate::support::nats_accounts::Operator;
use crate::support::verify::{command, flags, report, verdict};
use crate::support::ws::Client;
use crate::support::{FREE_PORTS, PROGRAM, Server, free_ports, until};
use serde_json::Value;

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
fn a_node_and_its_checks_compare_the_streams_with_the_settings() {
    let Some(mut nats) = Nats::start("a_node_compares_the_streams_with_the_settings") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    // Before any node has made the streams.
    let found = checked(&nats, home.path(), "");
    for check in ["cluster_streams", "cluster_replicas", "cluster_fsync"] {
        assert_eq!(verdict(&found, check)["verdict"], "note", "{found:#}");
    }
    let first = Server::start(&nats.flag());
    other_settings_are_refused(&nats);
    let found = checked(&nats, home.path(), "");
    for check in ["cluster_jetstream", "cluster_streams", "cluster_replicas"] {
        assert_eq!(verdict(&found, check)["verdict"], "pass", "{found:#}");
    }
    let found = checked(&nats, home.path(), "cluster_age = \"2h\"");
    assert_eq!(verdict(&found, "cluster_streams")["verdict"], "fail", "{found:#}");
    assert!(verdict(&found, "cluster_streams").to_string().contains("cluster_age"), "{found:#}");

    let config = home.path().join("cluster.toml");
    let verify = format!("--config={} {}", config.display(), flags(&first));
    checked(&nats, home.path(), "");
    let (_, found) = report(command(&verify));
    assert_eq!(verdict(&found, "cluster")["verdict"], "pass", "{found:#}");
    nats.kill((nats.leader() + 1) % 3);
    let found = until("a missing follower", || {
        let (_, found) = report(command(&verify));
        (verdict(&found, "cluster_replicas")["verdict"] == "warn").then_some(found)
    });
    assert_eq!(verdict(&found, "cluster_servers")["verdict"], "warn", "{found:#}");
    assert!(verdict(&found, "cluster_servers").to_string().contains("1 of 3"), "{found:#}");
}

/// What doctor says of the cluster, with a configuration file that has this too.
fn checked(nats: &Nats, home: &Path, more: &str) -> Value {
    let config = home.join("cluster.toml");
    let text = format!("cluster = {:?}\n{more}\n", nats.addresses("nats"));
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(PROGRAM);
    command.env_clear().arg("doctor").arg("--config").arg(config).args(["--shards=1", "--json"]);
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

fn other_settings_are_refused(nats: &Nats) {
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

#[test]
fn a_node_comes_in_by_its_certificate_and_its_credentials() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name).display().to_string();
    let authority = Authority::new("the servers' authority");
    let servers = authority.server(&["127.0.0.1"]).write(home.path(), "nats");
    authority.client(1, false).write(home.path(), "node");
    file(home.path(), "ca.pem", &authority.pem());
    let operator = Operator::new();
    file(home.path(), "node.creds", &operator.credentials());
    file(home.path(), "other.creds", &Operator::new().credentials());
    let more = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n{}",
        servers.cert.display(),
        servers.key.display(),
        place("ca.pem"),
        operator.config,
    );
    let test = "a_node_comes_in_by_its_certificate";
    let Some(nats) = Nats::start_with(test, 1, &more) else { return };

    let known = format!(
        "--cluster={} --cluster-replicas=1 --cluster-ca-file={}",
        nats.addresses("tls").join(","),
        place("ca.pem")
    );
    let certificate = format!(
        "--cluster-cert-file={} --cluster-key-file={}",
        place("node.pem"),
        place("node.key")
    );
    let credentials = format!("--cluster-credentials={}", place("node.creds"));
    let others = format!("--cluster-credentials={}", place("other.creds"));
    for without in [
        format!("{known} {certificate}"),
        format!("{known} {credentials}"),
        format!("{known} {certificate} {others}"),
        known.replace(&place("ca.pem"), &place("node.pem")) + &format!(" {credentials}"),
    ] {
        let text = refused(&without);
        assert!(text.contains("cannot be reached"), "{without}: {text}");
    }
    let node = Server::start(&format!("{known} {certificate} {credentials}"));
    let mut client = Client::connect(&node);
    client.subscribe("room:1");
    let seq = node.publish("room:1", "{}");
    assert_eq!(client.message()["seq"], seq);
}

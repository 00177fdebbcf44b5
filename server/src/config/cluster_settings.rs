//! The settings of a cluster.

use super::ProblemCollector;
use crate::cluster::cluster_config::ClusterConfig;
use crate::settings::value::cluster_values::NatsUrl;
use crate::settings::{Problem, Settings, Source};

/// Settings without which a node is alone, and that then mean nothing.
const IDLE: &[&str] = &[
    "cluster_ca_file",
    "cluster_cert_file",
    "cluster_key_file",
    "cluster_credentials",
    "cluster_prefix",
    "cluster_partitions",
    "cluster_replicas",
    "cluster_age",
    "cluster_channel_messages",
    "cluster_ready",
];

/// How this node takes part in its cluster, if it does.
pub(super) fn resolve(s: &Settings, faults: &mut ProblemCollector<'_>) -> Option<ClusterConfig> {
    let Some(servers) = &s.cluster else {
        for name in IDLE.iter().filter(|name| s.source(name) != Source::Default) {
            let remedy = "Give cluster, the NATS servers; or leave this out.";
            faults.add(name, "means nothing without a cluster", remedy);
        }
        return None;
    };
    if servers.iter().any(NatsUrl::has_user) {
        let remedy = "Give the user's file as cluster_credentials: others see command lines.";
        // Without its value: a password with a comma is two values.
        let source = s.source("cluster");
        faults.problems.push(Problem::new("cluster", source, "has a user in it", remedy));
    }
    let certificate = match (&s.cluster_cert_file, &s.cluster_key_file) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        (Some(_), None) => {
            faults.add("cluster_cert_file", "has no key", "Give cluster_key_file with it.");
            None
        }
        (None, Some(_)) => {
            let remedy = "Give cluster_cert_file with it.";
            faults.add("cluster_key_file", "has no certificate", remedy);
            None
        }
    };
    Some(ClusterConfig {
        servers: servers.iter().map(|server| server.0.clone()).collect(),
        ca_file: s.cluster_ca_file.clone(),
        certificate,
        credentials: s.cluster_credentials.clone(),
        prefix: s.cluster_prefix.0.clone(),
        partitions: s.cluster_partitions.0,
        replicas: s.cluster_replicas.0,
        age: s.cluster_age.0,
        channel_messages: s.cluster_channel_messages.0,
        is_needed_to_be_ready: s.cluster_ready,
    })
}

//! The NATS servers and the streams of a cluster, as `doctor` and `verify` check them.

use super::check_report::{Finding, Kind, Outcome, Report, fail, failure, kind, note, warn};
use crate::cluster::cluster_config::ClusterConfig;
use crate::cluster::inspection::{Inspection, ServerFacts, StreamFacts, inspect};
use crate::cluster::{RECOMMENDED_VERSION, SetupError, is_at_least};

pub(super) const SERVERS: Kind =
    kind("cluster_servers", true, "With a cluster: each NATS server answers, and is new enough.");
pub(super) const JETSTREAM: Kind =
    kind("cluster_jetstream", true, "With a cluster: JetStream is on at each NATS server.");
pub(super) const STREAMS: Kind =
    kind("cluster_streams", true, "With a cluster: its streams fit the settings, or are not made.");
pub(super) const REPLICAS: Kind = kind(
    "cluster_replicas",
    false,
    "With a cluster: streams have leaders, and followers are level.",
);
pub(super) const FSYNC: Kind = kind(
    "cluster_fsync",
    false,
    "With a cluster: what is acknowledged is on disk; cannot be asked.",
);

/// Makes those checks.
pub(super) async fn examine(config: &ClusterConfig, report: &mut Report) {
    let found = inspect(config).await;
    report.add(SERVERS.name, servers(&found));
    report.add(JETSTREAM.name, jetstream(&found));
    report.add(STREAMS.name, streams(&found));
    report.add(REPLICAS.name, replicas(&found, config));
    report.add(FSYNC.name, fsync());
}

/// Something that a node would refuse, too.
fn refused(error: &SetupError) -> Finding {
    failure(format!("{} {}", error.setting, error.reason), error.remedy)
}

fn answering(found: &Inspection) -> impl Iterator<Item = &ServerFacts> {
    found.servers.iter().filter_map(|server| server.found.as_ref().ok())
}

fn servers(found: &Inspection) -> Outcome {
    let all = found.servers.len();
    let silent = found.servers.iter().filter_map(|server| {
        Some(format!("{}: {}", server.address, server.found.as_ref().err()?.reason))
    });
    let silent: Vec<_> = silent.collect();
    let told = answering(found).map(|one| {
        let milliseconds = one.round_trip.as_secs_f64() * 1e3;
        format!("{} ({}) in {milliseconds:.1} ms", one.name, one.version)
    });
    let told = told.collect::<Vec<_>>().join(", ");
    if let Some(error) = answering(found).find_map(|one| one.unfit.as_ref()) {
        return Err(refused(error));
    }
    let remedy = "Start nats-server there, or take it out of cluster; see that the address, TLS \
                  and credentials are right, and that no firewall is between.";
    match silent.len() {
        0 => {}
        some if some == all => return fail(silent.join("; "), remedy),
        some => return warn(format!("{some} of {all}: {}", silent.join("; ")), remedy),
    }
    if answering(found).any(|one| !is_at_least(&one.version, RECOMMENDED_VERSION)) {
        let remedy = "Use nats-server 2.15: replicas of older ones answer from further behind \
                      after a restart.";
        return note(told, remedy);
    }
    Ok(told)
}

fn jetstream(found: &Inspection) -> Outcome {
    let without = answering(found).filter(|one| !one.has_jetstream).map(|one| &*one.name);
    let without: Vec<_> = without.collect();
    let (count, remedy) = (
        answering(found).count(),
        "Switch JetStream on: jetstream { store_dir: … } in nats-server's configuration. A server \
         that has run out of disk switches it off until it is started again.",
    );
    match without.len() {
        _ if count == 0 => note("not checked: no server answers", ""),
        0 => Ok(format!("on at {count} servers")),
        off if off == count => fail("off at all servers", remedy),
        _ => warn(format!("off at {}", without.join(", ")), remedy),
    }
}

fn streams(found: &Inspection) -> Outcome {
    if found.streams.is_empty() {
        return note("not checked: no server with JetStream answers", "");
    }
    let (mut told, mut missing) = (Vec::new(), Vec::new());
    for stream in &found.streams {
        match &stream.found {
            Err(error) => return Err(refused(error)),
            Ok(None) => missing.push(&*stream.name),
            Ok(Some(StreamFacts { unfit: Some(error), .. })) => return Err(refused(error)),
            Ok(Some(StreamFacts { messages, bytes, .. })) => {
                let mib = *bytes as f64 / f64::from(1 << 20);
                told.push(format!("{} has {messages} messages, {mib:.1} MiB", stream.name));
            }
        }
    }
    if missing.is_empty() {
        return Ok(told.join("; "));
    }
    note(format!("{} not made yet", missing.join(", ")), "The first node that starts makes them.")
}

fn replicas(found: &Inspection, config: &ClusterConfig) -> Outcome {
    let streams = found.streams.iter().filter_map(|stream| {
        let facts = stream.found.as_ref().ok()?.as_ref()?;
        Some((&*stream.name, facts))
    });
    let streams: Vec<_> = streams.collect();
    if streams.is_empty() {
        return note("not checked: no stream is known", "");
    }
    if let Some((name, _)) = streams.iter().find(|(_, facts)| facts.leader.is_none()) {
        let remedy = "Start the servers that keep it: more than half of them must run.";
        return fail(format!("{name} has no leader: it takes nothing"), remedy);
    }
    let behind = streams.iter().flat_map(|(name, facts)| {
        let late = facts.followers.iter().filter(|follower| !follower.is_current);
        late.map(move |one| format!("{} is {} messages behind in {name}", one.name, one.lag))
    });
    let behind: Vec<_> = behind.collect();
    if !behind.is_empty() {
        let remedy = "Wait before another server is stopped; if it stays so, see the log of that \
                      nats-server, its disk and its network.";
        return warn(behind.join("; "), remedy);
    }
    let leaders = streams
        .iter()
        .map(|(name, facts)| format!("{name}: leader {}", facts.leader.as_deref().unwrap_or("?")));
    let leaders = leaders.collect::<Vec<_>>().join(", ");
    if config.replicas == 1 {
        let remedy = "Give cluster_replicas = 3, and three servers: one alone that fails stops \
                      every publisher, and its disk is the only copy.";
        return warn(format!("{leaders}, without a follower"), remedy);
    }
    Ok(format!("{leaders}, followers level"))
}

fn fsync() -> Outcome {
    note(
        "servers say nothing of it: by default they acknowledge before they sync",
        "sync_interval: always in nats-server's jetstream block, where a power failure of most \
         servers at once must lose nothing; it halves the throughput.",
    )
}

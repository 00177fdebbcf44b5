//! The streams of a cluster: made where they are missing, and checked against the settings.

use std::sync::Arc;

use async_nats::{Client, HeaderMap, ServerInfo};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::cluster_config::ClusterConfig;
use super::jetstream_requests::{RequestError, Requests};
use super::leadership::Leadership;
use super::stream_view::StreamInfo;
use super::subjects::{Subjects, fnv1a};
use crate::limits::{
    CONNECT_PATIENCE, DUPLICATE_WINDOW, FOLLOWER_SILENCE, LEADER_PROBE, LEAST_PAYLOAD,
};

/// JetStream's error numbers.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
const STREAM_NAME_IN_USE: u64 = 10_058;
pub(super) const NO_MESSAGE_FOUND: u64 = 10_037;
const NOT_ENABLED_FOR_ACCOUNT: u64 = 10_039;
const NOT_ENABLED: u64 = 10_076;
const NO_SUITABLE_PEERS: u64 = 10_005;
const TEMPORARILY_UNAVAILABLE: u64 = 10_008;

/// The oldest server that names in its reads how far a replica is.
const OLDEST_VERSION: (u64, u64) = (2, 11);
/// The one that was tried most; replicas of older ones are further behind after a restart.
pub(crate) const RECOMMENDED_VERSION: (u64, u64) = (2, 15);

/// Keys of a stream's metadata.
const PARTITIONS: &str = "uringcast_partitions";
const LIFE: &str = "uringcast_life";

/// Why the servers cannot be used, in words for their operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetupError {
    /// The setting that it is about.
    pub(crate) setting: &'static str,
    pub(crate) reason: String,
    pub(crate) remedy: &'static str,
    /// It may pass by itself soon.
    pub(crate) may_pass: bool,
    /// No server has answered.
    is_silent: bool,
}

impl SetupError {
    pub(super) fn new(setting: &'static str, reason: String, remedy: &'static str) -> SetupError {
        SetupError { setting, reason, remedy, may_pass: false, is_silent: false }
    }

    /// What it says of a stream's leader.
    fn leadership(&self) -> Leadership {
        if self.is_silent { Leadership::Silent } else { Leadership::None }
    }
}

impl From<RequestError> for SetupError {
    fn from(error: RequestError) -> SetupError {
        let (number, text) = match &error {
            RequestError::NoResponders => (NOT_ENABLED, String::new()),
            RequestError::Refused(number, text) => (*number, text.clone()),
            _ => (0, String::new()),
        };
        let is_silent = !matches!(error, RequestError::Refused(..));
        // A server that has just started says of every account that it has no JetStream, and a
        // leader that was just elected, that it knows too few servers for the replicas.
        let may_pass = matches!(number, 0 | NO_SUITABLE_PEERS | TEMPORARILY_UNAVAILABLE)
            || matches!(number, NOT_ENABLED | NOT_ENABLED_FOR_ACCOUNT);
        let error = match number {
            NOT_ENABLED | NOT_ENABLED_FOR_ACCOUNT => SetupError::new(
                "cluster",
                "names servers without JetStream".into(),
                "Switch JetStream on (jetstream in nats-server's configuration), and for the \
                 account of cluster_credentials.",
            ),
            NO_SUITABLE_PEERS => SetupError::new(
                "cluster_replicas",
                format!("is more than the servers can keep: {text}"),
                "Give as many as there are servers with JetStream, or start more of them.",
            ),
            _ => SetupError::new(
                "cluster",
                format!("names servers that do not answer as they should: {error}"),
                "See the log of nats-server, and what its account may do.",
            ),
        };
        SetupError { may_pass, is_silent, ..error }
    }
}

/// Asks until JetStream has a leader and its streams a reader, as those just begun have not yet.
pub(super) async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, SetupError>,
) -> Result<T, SetupError> {
    let end = Instant::now() + CONNECT_PATIENCE;
    loop {
        match ask().await {
            Err(error) if error.may_pass && Instant::now() < end => sleep(LEADER_PROBE / 4).await,
            result => return result,
        }
    }
}

/// What a stream of a partition must be.
fn wanted(config: &ClusterConfig, subjects: &Subjects) -> Value {
    json!({
        "name": subjects.stream,
        "subjects": [subjects.all_stored(), subjects.sentinel],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msg_size": -1,
        "max_age": config.age.as_nanos() as u64,
        "max_msgs_per_subject": config.channel_messages,
        "num_replicas": config.replicas,
        "duplicate_window": DUPLICATE_WINDOW.as_nanos() as u64,
        "allow_direct": true,
        "allow_msg_ttl": true,
        "republish": { "src": subjects.all_stored(), "dest": subjects.all_live() },
    })
}

/// What is compared of a stream, of all that it is made with.
const COMPARED: &[&str] = &[
    "subjects",
    "retention",
    "storage",
    "discard",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "num_replicas",
    "duplicate_window",
    "allow_direct",
    "allow_msg_ttl",
    "republish",
];

/// Settings of a node that say how a partition's stream is made.
const SETTINGS: &[(&str, &str)] = &[
    ("subjects", "cluster_prefix"),
    ("max_age", "cluster_age"),
    ("max_msgs_per_subject", "cluster_channel_messages"),
    ("num_replicas", "cluster_replicas"),
];

/// Whether a version is this one or a later one.
pub(crate) fn is_at_least(version: &str, wanted: (u64, u64)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= wanted
}

/// The servers' version is not too old for this.
pub(super) fn check_version(version: &str) -> Result<(), SetupError> {
    if is_at_least(version, OLDEST_VERSION) {
        return Ok(());
    }
    let reason = format!("names a nats-server {version}, which cannot read batches");
    Err(SetupError::new("cluster", reason, "Use nats-server 2.11 or later; 2.15 is recommended."))
}

/// A server can be used for this.
pub(super) fn check_server(server: &ServerInfo) -> Result<(), SetupError> {
    check_version(&server.version)?;
    if server.max_payload < LEAST_PAYLOAD {
        let reason = format!("names servers that take messages of {} bytes", server.max_payload);
        let remedy = "Give nats-server a max_payload of 512KB or more.";
        return Err(SetupError::new("cluster", reason, remedy));
    }
    Ok(())
}

/// Makes the streams that are missing, and checks those that are there. Returns what is to be known
/// of each.
pub(crate) async fn prepare(
    client: &Client,
    requests: &Arc<Requests>,
    config: &ClusterConfig,
) -> Result<Vec<StreamInfo>, SetupError> {
    check_server(&client.server_info())?;
    let mut all = Vec::new();
    for partition in 0..config.partitions {
        let subjects = Subjects::new(&config.prefix, partition);
        let answer = ensure_partition(requests, config, &subjects).await?;
        check(&answer["config"], config, &subjects)?;
        keep_sentinel(requests, &subjects).await?;
        all.push(info_of(&answer));
    }
    Ok(all)
}

/// What the leader says of a stream, which is made if it is missing, in a life of its own.
pub(super) async fn ensure(
    requests: &Requests,
    stream: &str,
    wanted: impl FnOnce() -> Value,
) -> Result<Value, RequestError> {
    let ask = || async { requests.api(&format!("$JS.API.STREAM.INFO.{stream}"), &json!({})).await };
    let known = ask().await;
    if !matches!(known, Err(RequestError::Refused(STREAM_NOT_FOUND, _))) {
        return known;
    }
    let mut wanted = wanted();
    wanted["metadata"][LIFE] = format!("{:016x}", super::random()).into();
    match requests.api(&format!("$JS.API.STREAM.CREATE.{stream}"), &wanted).await {
        // Another node was faster.
        Err(RequestError::Refused(STREAM_NAME_IN_USE, _)) => ask().await,
        made => made,
    }
}

/// The stream of a partition, made if it is missing.
async fn ensure_partition(
    requests: &Requests,
    config: &ClusterConfig,
    subjects: &Subjects,
) -> Result<Value, SetupError> {
    let wanted = || {
        let mut wanted = wanted(config, subjects);
        wanted["metadata"] = json!({ PARTITIONS: config.partitions.to_string() });
        wanted
    };
    Ok(ensure(requests, &subjects.stream, wanted).await?)
}

/// Compares a stream with what it is to be; `settings` are those of a node that say so.
pub(super) fn compare(
    stream: &str,
    (is, wanted): (&Value, &Value),
    settings: &[(&str, &'static str)],
) -> Result<(), SetupError> {
    for name in COMPARED {
        // The server leaves out what is off.
        let has = is.get(name).unwrap_or(&Value::Null);
        if !is_same(has, &wanted[name]) {
            let reason = format!(
                "does not fit stream {stream}, whose {name} is {has}, not {}",
                wanted[name]
            );
            let remedy = "Give all nodes the same settings; or change the stream (nats stream \
                          edit), or delete it, and with it what it keeps.";
            let setting = settings.iter().find(|(of, _)| of == name);
            let setting = setting.map_or("cluster", |(_, setting)| setting);
            return Err(SetupError::new(setting, reason, remedy));
        }
    }
    Ok(())
}

/// Compares the stream of a partition with the settings.
pub(super) fn check(
    is: &Value,
    config: &ClusterConfig,
    subjects: &Subjects,
) -> Result<(), SetupError> {
    let stream = &subjects.stream;
    compare(stream, (is, &wanted(config, subjects)), SETTINGS)?;
    let partitions = is["metadata"][PARTITIONS].as_str().unwrap_or("none");
    if partitions != config.partitions.to_string() {
        let reason = format!("does not fit stream {stream}, which is one of {partitions}");
        let remedy = "Give all nodes the number with which the streams were made.";
        return Err(SetupError::new("cluster_partitions", reason, remedy));
    }
    Ok(())
}

/// Whether a setting is as wanted; the server may add to an object.
fn is_same(has: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(name, value)| &has[name] == value),
        _ => has == wanted,
    }
}

/// Stores the message that is never dropped, if it is not there.
async fn keep_sentinel(requests: &Requests, subjects: &Subjects) -> Result<(), RequestError> {
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", subjects.stream);
    let found = requests.api(&subject, &json!({ "last_by_subj": subjects.sentinel })).await;
    if !matches!(found, Err(RequestError::Refused(NO_MESSAGE_FOUND, _))) {
        return found.map(drop);
    }
    let mut headers = HeaderMap::new();
    headers.insert("Nats-TTL", "never");
    let stored = requests.ask_once(&subjects.sentinel, headers, Bytes::from_static(b"{}"));
    stored.await.map(drop)
}

/// What the leader's answer says of a stream.
pub(super) fn info_of(answer: &Value) -> StreamInfo {
    let life = answer["config"]["metadata"][LIFE].as_str().unwrap_or_default();
    let created = answer["created"].as_str().unwrap_or_default();
    let state = &answer["state"];
    StreamInfo {
        // Not of the time of the stream's making: its servers may have times of their own for that,
        // of which the leader's is told.
        epoch: fnv1a(life.bytes()),
        created: nanoseconds(created).unwrap_or(0),
        first_seq: state["first_seq"].as_u64().unwrap_or(0),
        last_seq: state["last_seq"].as_u64().unwrap_or(0),
    }
}

/// What the leader says of a stream, if it can still store something; one that is gone is made
/// again.
pub(super) async fn info(
    requests: &Requests,
    config: &ClusterConfig,
    subjects: &Subjects,
) -> Result<StreamInfo, Leadership> {
    let answer =
        ensure_partition(requests, config, subjects).await.map_err(|error| error.leadership())?;
    if !has_majority(&answer["cluster"]) {
        return Err(Leadership::CutOff);
    }
    let kept = keep_sentinel(requests, subjects).await;
    kept.map_err(|error| SetupError::from(error).leadership())?;
    Ok(info_of(&answer))
}

/// Whether a leader has heard of enough followers of late to store something.
fn has_majority(cluster: &Value) -> bool {
    let Some(followers) = cluster["replicas"].as_array() else { return true };
    let is_silent = |follower: &&Value| {
        let silence = follower["active"].as_u64().unwrap_or(0);
        follower["offline"] == true || u128::from(silence) > FOLLOWER_SILENCE.as_nanos()
    };
    let silent = followers.iter().filter(is_silent).count();
    2 * silent < followers.len() + 1
}

/// When the message at a position was stored: nanoseconds since 1970-01-01 UTC.
pub(crate) async fn time_at(
    requests: &Requests,
    subjects: &Subjects,
    seq: u64,
) -> Result<Option<u64>, RequestError> {
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", subjects.stream);
    match requests.api(&subject, &json!({ "seq": seq })).await {
        Err(RequestError::Refused(NO_MESSAGE_FOUND, _)) => Ok(None),
        answer => Ok(answer?["message"]["time"].as_str().and_then(nanoseconds)),
    }
}

/// A time as servers write it: nanoseconds since 1970-01-01 UTC.
fn nanoseconds(time: &str) -> Option<u64> {
    u64::try_from(time.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

/// Begins another life of a stream, unless that has happened since the one that is known.
pub(crate) async fn next_life(
    requests: &Requests,
    config: &ClusterConfig,
    subjects: &Subjects,
    known: u64,
) -> Result<StreamInfo, SetupError> {
    let answer = ensure_partition(requests, config, subjects).await?;
    if info_of(&answer).epoch != known {
        return Ok(info_of(&answer));
    }
    let mut config = answer["config"].clone();
    // All nodes that notice come to the same one.
    let life = config["metadata"][LIFE].as_str().unwrap_or_default();
    config["metadata"][LIFE] = format!("{:016x}", fnv1a(format!("{life} ended").bytes())).into();
    let subject = format!("$JS.API.STREAM.UPDATE.{}", subjects.stream);
    Ok(info_of(&requests.api(&subject, &config).await?))
}

#[cfg(test)]
mod tests;

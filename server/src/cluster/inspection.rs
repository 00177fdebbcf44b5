//! What each of the cluster's servers says, asked alone, and what they say of the streams: for
//! commands that look, beside any node.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::cluster_config::ClusterConfig;
use super::jetstream_requests::{RequestError, Requests};
use super::setup::{self, SetupError};
use super::subjects::Subjects;
use crate::limits::CONNECTION_TIMEOUT;

/// Everything that was asked.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// Each server of the setting, in its order.
    pub(crate) servers: Vec<ServerReport>,
    /// Each stream, if any server was reached.
    pub(crate) streams: Vec<StreamReport>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct ServerReport {
    /// As the setting has it.
    pub(crate) address: String,
    pub(crate) found: Result<ServerFacts, SetupError>,
}

/// What a server says of itself.
#[derive(Debug)]
pub(crate) struct ServerFacts {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) has_jetstream: bool,
    /// To the server and back.
    pub(crate) round_trip: Duration,
    /// Why a node would refuse it.
    pub(crate) unfit: Option<SetupError>,
}

/// One stream; `None` where it has not been made yet.
#[derive(Debug)]
pub(crate) struct StreamReport {
    pub(crate) name: String,
    pub(crate) found: Result<Option<StreamFacts>, SetupError>,
}

/// How a stream is kept.
#[derive(Debug)]
pub(crate) struct StreamFacts {
    pub(crate) leader: Option<String>,
    /// The servers beside the leader that keep it.
    pub(crate) followers: Vec<Follower>,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Why a node would refuse it.
    pub(crate) unfit: Option<SetupError>,
}

/// A server that keeps a stream and does not lead it.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) name: String,
    /// It has what the leader has, or nearly.
    pub(crate) is_current: bool,
    /// How many messages it is behind.
    pub(crate) lag: u64,
}

/// Asks every server, and of the streams the first that has JetStream.
pub(crate) async fn inspect(config: &ClusterConfig) -> Inspection {
    let (mut servers, mut asked) = (Vec::new(), None);
    for address in &config.servers {
        let found = match super::server_link::connect(config, &[address.as_str()], "check").await {
            // Events are of no interest.
            Ok((client, _)) => {
                let facts = facts(&client).await;
                if facts.as_ref().is_ok_and(|facts| facts.has_jetstream) {
                    asked.get_or_insert(client);
                }
                facts
            }
            Err(error) => Err(error),
        };
        servers.push(ServerReport { address: address.clone(), found });
    }
    let streams = match asked {
        Some(client) => streams(client, config).await,
        None => Vec::new(),
    };
    Inspection { servers, streams }
}

async fn facts(client: &Client) -> Result<ServerFacts, SetupError> {
    let asked = Instant::now();
    let answered = timeout(CONNECTION_TIMEOUT, client.flush()).await;
    if !matches!(answered, Ok(Ok(()))) {
        let reason = "names a server that accepts connections and does not answer".to_owned();
        return Err(SetupError::new("cluster", reason, "See the log of nats-server; restart it."));
    }
    let server = client.server_info();
    Ok(ServerFacts {
        unfit: setup::check_server(&server).err(),
        name: server.server_name,
        version: server.version,
        has_jetstream: server.jetstream,
        round_trip: asked.elapsed(),
    })
}

async fn streams(client: Client, config: &ClusterConfig) -> Vec<StreamReport> {
    let requests = super::requests(&client).await;
    let mut all = Vec::new();
    for partition in 0..config.partitions {
        let subjects = Subjects::new(&config.prefix, partition);
        let found = match &requests {
            Ok((requests, _)) => stream(requests, config, &subjects).await,
            Err(error) => Err(error.clone()),
        };
        all.push(StreamReport { name: subjects.stream, found });
    }
    all
}

async fn stream(
    requests: &Arc<Requests>,
    config: &ClusterConfig,
    subjects: &Subjects,
) -> Result<Option<StreamFacts>, SetupError> {
    let subject = format!("$JS.API.STREAM.INFO.{}", subjects.stream);
    match requests.api(&subject, &json!({})).await {
        Err(RequestError::Refused(setup::STREAM_NOT_FOUND, _)) => Ok(None),
        answer => {
            let answer = answer?;
            let unfit = setup::check(&answer["config"], config, subjects).err();
            Ok(Some(StreamFacts { unfit, ..stream_facts(&answer) }))
        }
    }
}

fn stream_facts(answer: &Value) -> StreamFacts {
    let cluster = &answer["cluster"];
    let follower = |one: &Value| Follower {
        name: one["name"].as_str().unwrap_or("?").to_owned(),
        is_current: one["current"] == true && one["offline"] != true,
        lag: one["lag"].as_u64().unwrap_or(0),
    };
    StreamFacts {
        leader: cluster["leader"].as_str().map(str::to_owned),
        followers: cluster["replicas"].as_array().into_iter().flatten().map(follower).collect(),
        messages: answer["state"]["messages"].as_u64().unwrap_or(0),
        bytes: answer["state"]["bytes"].as_u64().unwrap_or(0),
        unfit: None,
    }
}

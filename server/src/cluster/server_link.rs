//! The connection to the servers.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ReconnectToServer};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::cluster_config::ClusterConfig;
use super::random;
use super::server_turns::ServerTurns;
use super::setup::SetupError;
use crate::limits::{
    CONNECT_PATIENCE, CONNECTION_EVENTS, CONNECTION_TIMEOUT, LIVE_MESSAGES, PING_INTERVAL,
    RECONNECT_MAX,
};

/// What has become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkEvent {
    Connected,
    Disconnected,
    /// Messages were dropped, as they came faster than they were taken.
    TooSlow,
}

/// Connects to one of these servers, for the first time. Later it reconnects by itself, to any of
/// them.
pub(super) async fn connect(
    config: &ClusterConfig,
    servers: &[&str],
    node: &str,
) -> Result<(Client, mpsc::Receiver<LinkEvent>), SetupError> {
    let (events, received) = mpsc::channel(CONNECTION_EVENTS);
    let turns = Mutex::new(ServerTurns::default());
    let mut options = ConnectOptions::new()
        .name(format!("uringcast {node}"))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECTION_TIMEOUT)
        .subscription_capacity(LIVE_MESSAGES)
        .reconnect_delay_callback(reconnect_after)
        .reconnect_to_server_callback(move |known, _| {
            let next = turns.lock().next(&known, random());
            async move { next.map(|addr| ReconnectToServer { addr, delay: None }) }
        })
        .event_callback(move |event| {
            let events = events.clone();
            async move { report(event, &events) }
        });
    if let Some(path) = &config.ca_file {
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &config.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if let Some(path) = &config.credentials {
        options = options.credentials_file(path).await.map_err(|error| {
            let reason = format!("cannot be read: {error}");
            let remedy = "Give the file that nsc has made for the NATS user.";
            SetupError::new("cluster_credentials", reason, remedy)
        })?;
    }
    let connected = timeout(CONNECT_PATIENCE, options.connect(servers)).await;
    let reason = match connected {
        Ok(Ok(client)) => return Ok((client, received)),
        Ok(Err(error)) => format!("cannot be reached: {error}"),
        Err(_) => format!("cannot be reached within {} s", CONNECT_PATIENCE.as_secs()),
    };
    let remedy = "Start the NATS servers first; see that addresses, TLS and credentials are right.";
    Err(SetupError::new("cluster", reason, remedy))
}

/// What is published there from now on.
pub(super) async fn subscribe(
    client: &Client,
    to: String,
) -> Result<async_nats::Subscriber, SetupError> {
    client.subscribe(to).await.map_err(|error| {
        let reason = format!("does not let this node subscribe: {error}");
        SetupError::new("cluster", reason, "See what its account may do.")
    })
}

/// How long to wait before the next try to reconnect.
fn reconnect_after(tries: usize) -> Duration {
    let wait = Duration::from_millis(10).saturating_mul(1 << tries.min(10));
    wait.min(RECONNECT_MAX)
}

/// Tells the cluster's thread. Those that do not fit say what the ones before them say.
fn report(event: Event, to: &mpsc::Sender<LinkEvent>) {
    let event = match event {
        Event::Connected => LinkEvent::Connected,
        Event::Disconnected | Event::Closed => LinkEvent::Disconnected,
        Event::SlowConsumer(_) => LinkEvent::TooSlow,
        Event::ServerError(error) => {
            tracing::warn!("the NATS server says: {error}");
            return;
        }
        Event::ClientError(error) => {
            tracing::warn!("the connection to the NATS server: {error}");
            return;
        }
        Event::LameDuckMode | Event::Draining => return,
    };
    let _ = to.try_send(event);
}

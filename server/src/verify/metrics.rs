//! What Prometheus would see.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Place, Verifier};
use crate::report::{Outcome, fail, note};

/// The original family's metrics, which its dashboards ask for.
const FAMILY: [&str; 8] = [
    "websocket_connections_total",
    "websocket_connections_active",
    "websocket_messages_total",
    "websocket_broadcast_total",
    "websocket_broadcast_duration_seconds",
    "websocket_connection_errors_total",
    "websocket_message_errors_total",
    "websocket_latency_seconds",
];

/// The sum of each metric's samples, and for `shards` the number of shards that report.
pub(super) struct Samples {
    sums: BTreeMap<String, f64>,
    pub(super) shards: usize,
}

impl Samples {
    pub(super) fn read(page: &str) -> Samples {
        let mut samples = Samples { sums: BTreeMap::new(), shards: 0 };
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let name = series.split('{').next().unwrap_or(series);
            let Ok(value) = value.parse::<f64>() else { continue };
            *samples.sums.entry(name.to_owned()).or_default() += value;
            samples.shards += usize::from(name == "uringcast_shard_busy_seconds_total");
        }
        samples
    }

    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        self.sums.get(name).copied()
    }
}

fn missing(page: &str) -> Vec<&'static str> {
    let typed = |name: &str| page.lines().any(|line| line.starts_with(&format!("# TYPE {name} ")));
    FAMILY.into_iter().filter(|name| !typed(name)).collect()
}

impl Verifier {
    /// The metrics, and what they say. `probed`: a message went through, so that all are there.
    pub(super) async fn metrics_present(&self, probed: bool) -> (Outcome, Option<Samples>) {
        if self.options.no_metrics {
            return (note("not asked for", ""), None);
        }
        match self.metrics {
            Place::At(address) => self.look(address, probed).await,
            Place::Elsewhere => {
                let remedy = "Run verify on its machine, or give --metrics-port.";
                (note("not checked: the server is elsewhere", remedy), None)
            }
        }
    }

    async fn look(&self, address: SocketAddr, probed: bool) -> (Outcome, Option<Samples>) {
        let remedy = "Give --metrics-port as the server prints it when it starts; --no-metrics if \
                      it is meant to have none.";
        let deadline = Instant::now() + Duration::from_secs(self.options.timeout);
        loop {
            let answer = match self.get(address, "/metrics").await {
                Ok(answer) => answer,
                Err(reason) => return (fail(format!("{address}: {reason}"), remedy), None),
            };
            if !answer.status.is_success() {
                return (fail(format!("{address}: {}", answer.told()), remedy), None);
            }
            let missing = missing(&answer.body);
            let ours = missing.len() < FAMILY.len() || answer.body.contains("# TYPE uringcast_");
            let found = match missing.len() {
                0 => Ok(format!("all {} families at http://{address}/metrics", FAMILY.len())),
                _ if !ours => {
                    fail(format!("http://{address}/metrics is of another program"), remedy)
                }
                _ if !probed => note(
                    format!("without {}", missing.join(", ")),
                    "They come with the first messages: see broadcast.",
                ),
                // Of what has just happened for the first time the server hears once a second.
                _ if Instant::now() < deadline => {
                    sleep(uringcast_engine::limits::SNAPSHOT_INTERVAL).await;
                    continue;
                }
                _ => fail(
                    format!("no {}", missing.join(", no ")),
                    "Is it a Uringcast server's? Compare --version on both sides.",
                ),
            };
            return (found, ours.then(|| Samples::read(&answer.body)));
        }
    }
}

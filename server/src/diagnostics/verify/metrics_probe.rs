//! Checks the metrics as Prometheus would read them.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uringcast_engine::limits::SNAPSHOT_INTERVAL;

use super::{ClientView, Verifier};
use crate::diagnostics::check_report::{Outcome, fail, note};

/// The original family's metrics, which its dashboards query.
const FAMILY: [&str; 8] = [
    CONNECTIONS,
    "websocket_connections_active",
    "websocket_messages_total",
    "websocket_broadcast_total",
    "websocket_broadcast_duration_seconds",
    "websocket_connection_errors_total",
    "websocket_message_errors_total",
    "websocket_latency_seconds",
];

const CONNECTIONS: &str = "websocket_connections_total";

/// What a metrics port answers.
pub(super) struct MetricsPage(String);

impl MetricsPage {
    /// The samples of a metric that have this text in their labels.
    fn samples(&self, name: &str, label: &str) -> impl Iterator<Item = f64> {
        self.0.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let wanted = series.split('{').next() == Some(name) && series.contains(label);
            wanted.then(|| value.parse().ok())?
        })
    }

    /// The sum of a metric's samples, if it has any.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        self.samples(name, "").reduce(|sum, value| sum + value)
    }

    /// The number of shards that report.
    pub(super) fn shards(&self) -> usize {
        self.samples("uringcast_shard_busy_seconds_total", "").count()
    }

    /// How many connections have begun, of the service of this name; of all where it has none.
    fn connections(&self, service: Option<&str>) -> f64 {
        let label = service.map(|name| name.replace('\\', "\\\\").replace('"', "\\\""));
        let label = label.map_or_else(String::new, |name| format!("server=\"{name}\""));
        self.samples(CONNECTIONS, &label).sum()
    }

    fn missing(&self) -> Vec<&'static str> {
        let typed =
            |name: &str| self.0.lines().any(|line| line.starts_with(&format!("# TYPE {name} ")));
        FAMILY.into_iter().filter(|name| !typed(name)).collect()
    }
}

impl Verifier {
    /// The current page of the metrics port, if it answers.
    pub(super) async fn metrics_page(&self) -> Option<MetricsPage> {
        self.get(self.metrics?, "/metrics").await.ok().map(|answer| MetricsPage(answer.body))
    }

    /// Checks the metrics against what a client received (`view`) since the page `before`. Returns
    /// the page too, if it is the server's.
    pub(super) async fn metrics_present(
        &self,
        view: &ClientView,
        before: Option<&MetricsPage>,
    ) -> (Outcome, Option<MetricsPage>) {
        if self.options.no_metrics {
            return (note("not asked for", ""), None);
        }
        let Some(address) = self.metrics else {
            let remedy = "Run verify on its machine, or give --metrics-port.";
            return (note("not checked: the server is elsewhere", remedy), None);
        };
        let remedy = "Give --metrics-port as the server prints it when it starts; --no-metrics if \
                      it is meant to have none.";
        // The shards report to the metrics once a second.
        let step_timeout = Duration::from_secs(self.options.timeout).max(3 * SNAPSHOT_INTERVAL);
        let deadline = Instant::now() + step_timeout;
        let counted = |page: &MetricsPage| page.connections(view.service.as_deref());
        let before = before.map_or(0.0, counted);
        loop {
            let answer = match self.get(address, "/metrics").await {
                Ok(answer) => answer,
                Err(reason) => return (fail(format!("{address}: {reason}"), remedy), None),
            };
            if !answer.status.is_success() {
                return (fail(format!("{address}: {}", answer.summary()), remedy), None);
            }
            let page = MetricsPage(answer.body);
            let missing = page.missing();
            let is_uringcast = missing.len() < FAMILY.len() || page.0.contains("# TYPE uringcast_");
            // The server must have counted the session of this client.
            let foreign =
                view.welcomed && !missing.contains(&CONNECTIONS) && counted(&page) <= before;
            let incomplete = foreign || view.probed && !missing.is_empty();
            if is_uringcast && incomplete && Instant::now() < deadline {
                sleep(SNAPSHOT_INTERVAL).await;
                continue;
            }
            let found = match missing.len() {
                _ if foreign => {
                    let name = view.service.as_deref().unwrap_or("the server");
                    let found =
                        format!("http://{address}/metrics does not count a connection to {name}");
                    fail(found, format!("It is another server's. {remedy}"))
                }
                0 => Ok(format!("all {} families at http://{address}/metrics", FAMILY.len())),
                _ if !is_uringcast => {
                    fail(format!("http://{address}/metrics is of another program"), remedy)
                }
                _ if !view.probed => note(
                    format!("without {}", missing.join(", ")),
                    "They come with the first message that is published.",
                ),
                _ => fail(
                    format!("no {}", missing.join(", no ")),
                    "Is it a Uringcast server's? Compare --version on both sides.",
                ),
            };
            return (found, (is_uringcast && !foreign).then_some(page));
        }
    }
}

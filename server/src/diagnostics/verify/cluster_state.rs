//! What a node's metrics say of its part in the cluster.

use super::metrics_probe::MetricsPage;
use crate::diagnostics::check_report::{Outcome, fail, note, warn};

/// Whether the node takes publications, and all that it follows arrives.
pub(super) fn node(page: Option<&MetricsPage>) -> Outcome {
    let sum = |name: &str| page.and_then(|page| page.sum(name));
    let (Some(connected), Some(degraded)) =
        (sum("uringcast_cluster_connected"), sum("uringcast_cluster_degraded"))
    else {
        return note("not checked: only the server's metrics have it", "See metrics.");
    };
    let number = |name: &str| sum(name).unwrap_or_default();
    if connected == 0.0 {
        let remedy = "See cluster_servers; if those pass, the running server has another \
                      configuration than this file: restart it.";
        return fail("the node has no connection to a NATS server", remedy);
    }
    if degraded > 0.0 {
        let remedy = "See cluster_replicas: a stream without a leader takes nothing.";
        return fail("the node takes no publications", remedy);
    }
    let (channels, behind) =
        (number("uringcast_cluster_channels"), number("uringcast_cluster_channels_behind"));
    let pending = number("uringcast_cluster_pending_publications");
    let found = format!(
        "{channels} channels are followed, {behind} have messages missing; {pending} publications \
         wait for their acknowledgement"
    );
    if behind > 0.0 {
        let remedy = "Run verify again: what is missing is read within seconds. If it stays so, \
                      see cluster_replicas and the runbook's ClusterBehind.";
        return warn(found, remedy);
    }
    Ok(found)
}

//! The server as a node of a cluster.

use crate::cluster::Cluster;
use crate::config::Config;
use crate::settings::{Problem, Settings};

/// Connects to the cluster, where there is one: it gives the engine's channels their order.
pub(super) fn join(settings: &Settings, config: &mut Config) -> Result<Option<Cluster>, Problem> {
    let Some(of) = config.cluster.take() else { return Ok(None) };
    let services = config.engine.services.iter();
    let depth = services.clone().map(|service| service.max_json_depth).max().unwrap_or(0);
    let names = services.map(|service| service.name.clone()).collect();
    let cluster = Cluster::start(of, names, depth)
        .map_err(|error| settings.problem(error.setting, error.reason, error.remedy))?;
    config.engine.external_order = Some(cluster.order());
    Ok(Some(cluster))
}

//! The server as a node of a cluster.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::auth::Verifiers;
use crate::cluster::{Cluster, Shared, SharedEnds, shared_names};
use crate::config::Config;
use crate::handover::TakeOver;
use crate::http::{self, Control, OtherNodes, revoke_before};
use crate::settings::{Problem, Settings};

/// The way to the other nodes, and what they tell: of clients, and of documents. With the position
/// up to which the first was read when the node began.
pub(super) type Others = (Arc<OtherNodes>, ([mpsc::Receiver<Shared>; 2], u64));

/// Connects to the cluster, where there is one: it gives the engine's channels their order. What
/// other nodes have revoked is in force from now on.
pub(super) fn join(
    settings: &Settings,
    config: &mut Config,
    verifiers: &Verifiers,
    before: &mut Option<TakeOver>,
) -> Result<(Option<Cluster>, Option<Others>), Problem> {
    let Some(of) = config.cluster.take() else { return Ok((None, None)) };
    let services = config.engine.services.iter();
    let depth = services.clone().map(|service| service.max_json_depth).max().unwrap_or(0);
    let mut classes = services.clone().flat_map(|service| &service.classes);
    let keeps_presence = classes.any(|class| class.presence == Some(true));
    let names: Arc<[String]> = services.map(|service| service.name.clone()).collect();
    let membership = before.as_mut().and_then(|before| before.membership.take());
    let names_of = (Arc::clone(&names), depth, keeps_presence);
    let (cluster, shared) = Cluster::start(of, names_of, membership)
        .map_err(|error| settings.problem(error.setting, error.reason, error.remedy))?;
    config.engine.external_order = Some(cluster.order());
    let SharedEnds { control, before, documents } = shared;
    let names = shared_names(names);
    let read = before.last().map_or(0, |last| last.seq);
    let untold = revoke_before(&before, &names, verifiers.revocations()).map_err(|error| {
        let reason = format!("has revocations that this node cannot keep: {error}");
        settings.problem("cluster", reason, "See revocations_file, and API.md on their number.")
    })?;
    let of_documents = (documents.stream, cluster.order());
    let others = OtherNodes::new(names, (control.stream, untold), of_documents);
    Ok((Some(cluster), Some((others, ([control.events, documents.events], read)))))
}

/// Gives the control port its part in the cluster, and carries out what the other nodes tell.
pub(super) fn attach(
    control: Control,
    cluster: Option<&Cluster>,
    others: Option<Others>,
) -> Arc<Control> {
    let control = control.with_cluster(cluster.and_then(Cluster::needed));
    let (others, told) = others.unzip();
    let control = Arc::new(control.with_others(others));
    if let Some(([of_clients, of_documents], read)) = told {
        tokio::spawn(http::carry_out(Arc::clone(&control), of_clients, read));
        tokio::spawn(http::keep_documents(Arc::clone(&control), of_documents));
    }
    control
}

//! No port for two purposes.

use std::net::SocketAddr;

use uringcast_engine::Service;

use super::{MetricsEndpoint, ProblemCollector};

/// Compares the last service's ports with those of the services before it, and with the process's.
pub(super) fn check(
    services: &[Service],
    control: &[SocketAddr],
    metrics: &[MetricsEndpoint],
    gather: &mut ProblemCollector<'_>,
) {
    let Some((last, before)) = services.split_last() else { return };
    let scrapes = |service: usize| {
        let of =
            move |scrape: &&MetricsEndpoint| scrape.services.iter().any(|s| s.index() == service);
        metrics.iter().find(of).map_or(&[][..], |scrape| &scrape.addresses[..])
    };
    let own = scrapes(before.len());
    let different = "Give the two different ports.";
    if clash(&last.listen, control) {
        gather.add("control_port", "is the clients' port too", different);
    }
    if clash(&last.listen, own) {
        gather.add("metrics_port", "is the clients' port too", different);
    }
    if clash(control, own) {
        gather.add("metrics_port", "is the control port too", different);
    }
    for (place, other) in before.iter().enumerate() {
        let reason = |of: &str| format!("is {of} of {} too", other.name);
        if last.name == other.name {
            let remedy = "Give each service a server_name of its own.";
            gather.add("server_name", reason("the name"), remedy);
        }
        if clash(&last.listen, &other.listen) {
            gather.add("port", reason("the clients' port"), different);
        }
        if clash(&last.listen, scrapes(place)) {
            gather.add("port", reason("the metrics port"), different);
        }
        if clash(own, &other.listen) {
            gather.add("metrics_port", reason("the clients' port"), different);
        }
    }
}

fn clash(a: &[SocketAddr], b: &[SocketAddr]) -> bool {
    let any = |x: &SocketAddr, y: &SocketAddr| {
        x.ip() == y.ip() || x.ip().is_unspecified() || y.ip().is_unspecified()
    };
    a.iter().any(|x| b.iter().any(|y| x.port() != 0 && x.port() == y.port() && any(x, y)))
}

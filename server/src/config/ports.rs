//! No port for two purposes.

use std::net::SocketAddr;

use uringcast_engine::Service;

use super::{MetricsEndpoint, ProblemCollector};

/// Compares the last service's ports with those of the services before it, and with the process's.
pub(super) fn check(
    services: &[Service],
    control: &[SocketAddr],
    metrics: &[MetricsEndpoint],
    faults: &mut ProblemCollector<'_>,
) {
    let Some((last, before)) = services.split_last() else { return };
    let metrics_ports = |service: usize| {
        let of = move |endpoint: &&MetricsEndpoint| {
            endpoint.services.iter().any(|s| s.index() == service)
        };
        metrics.iter().find(of).map_or(&[][..], |endpoint| &endpoint.addresses[..])
    };
    if let Some((wide, narrow)) = covered(&last.listen) {
        let reason = format!("names {} and {}, which the first has in it", wide.ip(), narrow.ip());
        faults.add("host", reason, &format!("Leave {} out.", narrow.ip()));
    }
    let own = metrics_ports(before.len());
    let different = "Give the two different ports.";
    if overlap(&last.listen, control) {
        faults.add("control_port", "is the clients' port too", different);
    }
    if overlap(&last.listen, own) {
        faults.add("metrics_port", "is the clients' port too", different);
    }
    if overlap(control, own) {
        faults.add("metrics_port", "is the control port too", different);
    }
    for (place, other) in before.iter().enumerate() {
        let reason = |of: &str| format!("is {of} of {} too", other.name);
        if last.name == other.name {
            let remedy = "Give each service a server_name of its own.";
            faults.add("server_name", reason("the name"), remedy);
        }
        if overlap(&last.listen, &other.listen) {
            faults.add("port", reason("the clients' port"), different);
        }
        if overlap(&last.listen, metrics_ports(place)) {
            faults.add("port", reason("the metrics port"), different);
        }
        if overlap(own, &other.listen) {
            faults.add("metrics_port", reason("the clients' port"), different);
        }
    }
}

/// All addresses of a family, and one of them beside it: the second could not be listened on.
fn covered(listen: &[SocketAddr]) -> Option<(SocketAddr, SocketAddr)> {
    let covers = |wide: &SocketAddr, narrow: &SocketAddr| {
        wide != narrow
            && wide.ip().is_unspecified()
            && wide.is_ipv4() == narrow.is_ipv4()
            && wide.port() == narrow.port()
            && wide.port() != 0
    };
    let pairs = listen.iter().flat_map(|wide| listen.iter().map(move |narrow| (*wide, *narrow)));
    pairs.into_iter().find(|(wide, narrow)| covers(wide, narrow))
}

fn overlap(a: &[SocketAddr], b: &[SocketAddr]) -> bool {
    let any = |x: &SocketAddr, y: &SocketAddr| {
        x.ip() == y.ip() || x.ip().is_unspecified() || y.ip().is_unspecified()
    };
    a.iter().any(|x| b.iter().any(|y| x.port() != 0 && x.port() == y.port() && any(x, y)))
}

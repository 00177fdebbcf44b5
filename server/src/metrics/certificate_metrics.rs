//! What Prometheus reads of the certificates.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use uringcast_engine::ServiceId;

use super::{Exporter, counter, family, gauge};
use crate::certs::Status;

/// The keepers' status as Prometheus's data model.
pub(super) struct Certificates {
    /// By the `server` label.
    kept: Vec<(String, Arc<Mutex<Status>>)>,
    descs: Vec<Desc>,
}

/// The status of each service's certificates.
pub(super) type Statuses = Vec<(ServiceId, Arc<Mutex<Status>>)>;

impl Certificates {
    /// Those of the services that are shown, if there are any.
    pub(super) fn of(shown: &Exporter, all: &Statuses) -> Option<Certificates> {
        let one = |(id, status): &(ServiceId, Arc<Mutex<Status>>)| {
            let server = shown.services[id.index()].server.clone();
            shown.shows(*id).then(|| (server, Arc::clone(status)))
        };
        let kept: Vec<_> = all.iter().filter_map(one).collect();
        (!kept.is_empty()).then(|| Certificates::new(kept))
    }

    fn new(kept: Vec<(String, Arc<Mutex<Status>>)>) -> Certificates {
        let mut shown = Certificates { kept, descs: Vec::new() };
        let desc = |family: &MetricFamily| {
            let (name, help) = (family.name().to_owned(), family.help().to_owned());
            Desc::new(name, help, vec!["server".into()], Default::default())
                .expect("our metrics are well named")
        };
        shown.descs = shown.collect().iter().map(desc).collect();
        shown
    }
}

impl Collector for Certificates {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut ends, mut reloads) = (Vec::new(), Vec::new());
        for (server, status) in &self.kept {
            let status = status.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (name, end) in &status.certificates {
                ends.push(gauge(server, &[("certificate", name)], *end as f64));
            }
            for (result, count) in [("success", status.reloaded), ("failure", status.failed)] {
                reloads.push(counter(server, &[("result", result)], count));
            }
        }
        vec![
            family("tls_certificate_not_after_seconds", ends),
            family("tls_reloads_total", reloads),
        ]
    }
}

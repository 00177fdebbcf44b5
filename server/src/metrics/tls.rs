//! What Prometheus reads of the certificates.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::{counter, family, gauge};
use crate::certs::Status;

/// The keeper's status as Prometheus's data model.
pub(super) struct Certificates {
    server: String,
    status: Arc<Mutex<Status>>,
    descs: Vec<Desc>,
}

impl Certificates {
    pub(super) fn new(server: String, status: Arc<Mutex<Status>>) -> Certificates {
        let mut shown = Certificates { server, status, descs: Vec::new() };
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
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let end = |(name, end): &(String, i64)| {
            gauge(&self.server, &[("certificate", name)], *end as f64)
        };
        let reloads =
            |(result, count): (&str, u64)| counter(&self.server, &[("result", result)], count);
        let results = [("success", status.reloaded), ("failure", status.failed)];
        vec![
            family(
                "tls_certificate_not_after_seconds",
                status.certificates.iter().map(end).collect(),
            ),
            family("tls_reloads_total", results.map(reloads).to_vec()),
        ]
    }
}

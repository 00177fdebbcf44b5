//! The metrics of a node of a cluster. Without one they are 0.

use uringcast_engine::exposition::{counter, gauge};

use super::{Families, Metrics};
use crate::cluster::ClusterStatus;

impl Metrics {
    /// Those of the process, of all its streams together.
    pub(super) fn cluster_families(&self, all: &mut Families) {
        let status = self.cluster.as_ref().map(|status| status.lock().clone());
        let status = status.unwrap_or_default();
        let events =
            status.events().map(|(event, count)| counter(&self.engine, &[("event", event)], count));
        all.add("uringcast_cluster_events_total", events);
        let ClusterStatus { degraded, streams, .. } = &status;
        let sum = |of: fn(&crate::cluster::StreamStatus) -> usize| {
            gauge(&self.engine, &[], streams.iter().map(of).sum::<usize>() as f64)
        };
        let degraded = f64::from(u8::from(degraded.is_some()));
        all.add("uringcast_cluster_degraded", [gauge(&self.engine, &[], degraded)]);
        all.add("uringcast_cluster_channels", [sum(|stream| stream.channels)]);
        all.add("uringcast_cluster_channels_behind", [sum(|stream| stream.behind)]);
        all.add("uringcast_cluster_pending_publications", [sum(|stream| stream.pending)]);
        all.add("uringcast_cluster_held_bytes", [sum(|stream| stream.held_bytes)]);
    }
}

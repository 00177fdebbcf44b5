//! The metrics of a node of a cluster. Without one they are 0.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uringcast_engine::exposition::{LATENCY_BOUNDS, counter, durations, gauge};

use super::{Families, Metrics};
use crate::cluster::{ClusterStatus, DeliveryLag, StreamStatus};

impl Metrics {
    /// Those of the process, of all its streams together.
    pub(super) fn cluster_families(&self, all: &mut Families) {
        let status = self.cluster.as_ref().map(|status| status.lock().clone());
        let status = status.unwrap_or_default();
        let events =
            status.events().map(|(event, count)| counter(&self.engine, &[("event", event)], count));
        all.add("uringcast_cluster_events_total", events);
        let ClusterStatus { degraded, streams, is_connected, .. } = &status;
        let sum = |of: fn(&StreamStatus) -> usize| {
            gauge(&self.engine, &[], streams.iter().map(of).sum::<usize>() as f64)
        };
        let connected = f64::from(u8::from(*is_connected));
        all.add("uringcast_cluster_connected", [gauge(&self.engine, &[], connected)]);
        let degraded = f64::from(u8::from(degraded.is_some()));
        all.add("uringcast_cluster_degraded", [gauge(&self.engine, &[], degraded)]);
        all.add("uringcast_cluster_channels", [sum(|stream| stream.channels)]);
        all.add("uringcast_cluster_channels_behind", [sum(|stream| stream.behind)]);
        all.add("uringcast_cluster_pending_publications", [sum(|stream| stream.pending)]);
        all.add("uringcast_cluster_held_bytes", [sum(|stream| stream.held_bytes)]);
        all.add("uringcast_cluster_position", [sum(|stream| stream.floor as usize)]);
        let lag = DeliveryLag::fold(streams.iter().map(|stream| &stream.lag));
        let lag = durations(&self.engine, &[], &lag, &LATENCY_BOUNDS);
        all.add("uringcast_cluster_lag_seconds", [lag]);
    }

    /// What the live page shows of it; `null` without one.
    pub(super) fn cluster_now(&self) -> Value {
        let Some(status) = self.cluster.as_ref().map(|status| status.lock().clone()) else {
            return Value::Null;
        };
        let stream = |one: &StreamStatus| {
            json!({
                "name": one.name,
                "position": one.floor,
                "channels": one.channels,
                "behind": one.behind,
                "held_bytes": one.held_bytes,
                "pending": one.pending,
            })
        };
        json!({
            "connected": status.is_connected,
            "degraded": status.degraded,
            "streams": status.streams.iter().map(stream).collect::<Value>(),
            "events": status.events().collect::<BTreeMap<_, _>>(),
        })
    }
}

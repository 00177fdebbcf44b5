//! What goes up and down in a shard's broker.

use super::Hub;
use crate::broker::core::Core;
use crate::telemetry::Gauge;
use crate::types::ServiceId;

impl Hub {
    /// Brings the gauges up to date, before a snapshot is taken.
    pub fn update_gauges(&mut self) {
        let loads = self.loads();
        let Core { cx, channels, connections, delivery, patterns, presence, .. } =
            &mut self.parts.core;
        for (service, &load) in loads.iter().enumerate() {
            cx.recorder.set_load(ServiceId(service as u8), load);
        }
        cx.recorder.set(Gauge::Connections, connections.open().iter().sum());
        cx.recorder.set(Gauge::EventStreams, connections.streams());
        cx.recorder.set(Gauge::DrainingConnections, connections.leaving().iter().sum());
        cx.recorder.set(Gauge::Channels, channels.len());
        cx.recorder.set(Gauge::Subscriptions, channels.subscriptions());
        cx.recorder.set(Gauge::Patterns, patterns.len());
        // Rosters that an external order keeps are of other engines' connections, too.
        let is_ours = !cx.is_external;
        let present = if is_ours { presence.connections() } else { presence.subscriptions() };
        cx.recorder.set(Gauge::PresentConnections, present);
        cx.recorder.set(Gauge::ConnectionSlots, connections.capacity());
        cx.recorder.set(Gauge::LaggardBytes, delivery.laggard_bytes().all());
        cx.recorder.set(Gauge::LogBytes, channels.log_bytes());
        cx.recorder.set(Gauge::StateBytes, channels.state_bytes());
        cx.recorder.set(Gauge::Compressors, channels.compressors());
    }
}

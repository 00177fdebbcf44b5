//! What tests and the simulation look at.

use super::Authentication;
use crate::broker::core::Core;
use crate::types::ServiceId;

impl Authentication {
    /// Connections with a deadline for their token.
    pub(in crate::broker) fn expiries(&self) -> usize {
        self.expiries.len()
    }

    /// What known clients were granted: connection, service and names.
    pub(in crate::broker) fn granted(&self, core: &Core) -> Vec<(u32, ServiceId, Vec<String>)> {
        let known = self.of.iter().zip(0..).filter_map(|(auth, index)| {
            let grants = auth.as_ref()?.known.as_ref()?.grants;
            let service = core.connections[core.connections.key(index)].service();
            Some((index, service, self.permissions[service.index()].names_of(grants)))
        });
        known.collect()
    }
}

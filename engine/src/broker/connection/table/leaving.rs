//! Connections of clients that were told to reconnect.

use super::Connections;
use crate::broker::connection::record::Role;
use crate::types::{ConnectionKey, DrainReason};

impl Connections {
    /// Notes that a client is told to reconnect.
    pub(crate) fn mark_leaving(&mut self, key: ConnectionKey, why: DrainReason) {
        let (service, role) = (self[key].service, self[key].role);
        self[key].role = Role::Leaving(why);
        self.leaving[service.index()] += usize::from(role == Role::Client);
    }

    /// Clients' connections that were told to reconnect and are not yet released, by service.
    pub(crate) fn leaving(&self) -> &[usize] {
        &self.leaving
    }
}

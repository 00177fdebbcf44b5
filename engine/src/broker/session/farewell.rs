//! The ends of connections: what clients are told before, and when their tokens are over.

use std::time::Duration;

use super::{Sessions, answers};
use crate::broker::connection::CloseReason;
use crate::broker::core::Core;
use crate::types::{ConnectionKey, DrainReason};

impl Sessions {
    /// Tells a client that its connection is closed after this time, if it has its welcome.
    pub(in crate::broker) fn tell_to_reconnect(
        &self,
        core: &mut Core,
        key: ConnectionKey,
        after: Duration,
        why: DrainReason,
    ) {
        if self.auth.is_welcomed(key) {
            answers::reconnect(core, key, after, why);
        }
    }

    /// Tells a client that has its welcome whether publications can be ordered now.
    pub(in crate::broker) fn tell_availability(&self, core: &mut Core, key: ConnectionKey) {
        if self.auth.is_welcomed(key) {
            answers::tell_availability(core, key, core.cx.degraded);
        }
    }

    /// Closes the clients with expired tokens.
    pub(in crate::broker) fn expire_tokens(&mut self, core: &mut Core) {
        for key in self.auth.expire(core) {
            self.close(core, key, CloseReason::TokenExpired);
        }
    }

    /// Closes a connection once it was handed what was accepted for it.
    pub(in crate::broker) fn close(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        reason: CloseReason,
    ) {
        self.operations.close(core, &self.auth, key, reason);
    }
}

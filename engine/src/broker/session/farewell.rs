//! What clients are told before their connections are closed.

use std::time::Duration;

use super::{Sessions, answers};
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
}

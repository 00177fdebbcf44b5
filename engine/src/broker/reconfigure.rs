//! Settings that are replaced while connections are open.

use std::sync::Arc;

use super::lifecycle::Parts;
use crate::config::Config;

impl Parts {
    /// Uses this configuration, which has the same services, from now on: for requests, also of
    /// connections that are open, and for what channels keep. Subscriptions stay as they are.
    pub(super) fn reconfigure(&mut self, config: Arc<Config>) {
        self.core.cx.early.touch_all();
        self.sessions.reconfigure(&mut self.core, &config);
        self.core.cx.configure(config);
        self.core.channels.reclassify(&mut self.core.cx);
        self.core.connections.end_pauses(&mut self.core.cx);
    }
}

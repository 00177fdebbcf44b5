//! Files that are read again while the server runs.

use tokio::time::{MissedTickBehavior, interval};
use uringcast_engine::ServiceId;

use crate::auth::Verifiers;
use crate::certs::Keeper;
use crate::limits::JWKS_INTERVAL;

/// What is read again while the server runs.
pub(super) struct Kept {
    pub(super) keepers: Vec<(ServiceId, Keeper)>,
    pub(super) verifiers: Verifiers,
}

impl Kept {
    /// Reads all of it now.
    pub(super) fn reload(&mut self) {
        self.keepers.iter_mut().for_each(|(_, keeper)| keeper.reload());
        if !self.verifiers.reload() && self.keepers.is_empty() {
            tracing::info!("SIGHUP: there are no certificates and no jwks_file to reload");
        }
    }
}

/// Follows the files of keys.
pub(super) async fn follow(verifiers: Verifiers) {
    let mut tick = interval(JWKS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        verifiers.follow();
    }
}

//! Other rules for clients that are known already.

use super::Authentication;
use crate::broker::core::Core;
use crate::broker::session::permissions::Permissions;
use crate::config::Config;

impl Authentication {
    /// Checks permissions by the rules of this configuration from now on. Known clients keep what
    /// their tokens granted, as far as the rules name it still. A permission that no rule named
    /// when a token was verified is not known of it, and counts once the client shows it anew.
    pub(in crate::broker::session) fn reconfigure(&mut self, core: &Core, config: &Config) {
        let new: Vec<_> = config.services.iter().map(Permissions::new).collect();
        for (index, auth) in self.of.iter_mut().enumerate() {
            let Some(known) = auth.as_mut().and_then(|auth| auth.known.as_mut()) else { continue };
            let key = core.connections.key(index as u32);
            let service = core.connections[key].service().index();
            known.grants = self.permissions[service].translate(known.grants, &new[service]);
        }
        self.permissions = new;
    }
}

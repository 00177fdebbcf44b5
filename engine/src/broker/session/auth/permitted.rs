//! What a client may do.

use super::Authentication;
use crate::broker::core::Core;
use crate::broker::session::permissions::Permissions;
use crate::config::AuthMode;
use crate::types::{ChannelName, ConnectionKey};

impl Authentication {
    pub(super) fn permissions(&self, core: &Core, key: ConnectionKey) -> &Permissions {
        &self.permissions[core.connections[key].service().index()]
    }

    /// Whether a client may have a channel.
    pub(in crate::broker::session) fn may_subscribe(
        &self,
        core: &Core,
        key: ConnectionKey,
        channel: &str,
    ) -> bool {
        let grants = || self.known(key).map(|known| known.grants).unwrap_or_default();
        core.connections[key].is_probe()
            || core.settings(key).access.mode == AuthMode::Off
            || self.permissions(core, key).may_subscribe(grants(), channel)
    }

    /// Whether a client may have all channels with names that begin with `prefix`.
    pub(in crate::broker::session) fn may_subscribe_to_all(
        &self,
        core: &Core,
        key: ConnectionKey,
        prefix: &str,
    ) -> bool {
        if core.settings(key).access.mode == AuthMode::Off {
            return !prefix.is_empty();
        }
        let grants = self.known(key).map(|known| known.grants).unwrap_or_default();
        self.permissions(core, key).may_subscribe_to_all(grants, prefix)
    }

    /// Whether a client may read a channel's log by request.
    pub(in crate::broker::session) fn may_read_history(
        &self,
        core: &Core,
        key: ConnectionKey,
        channel: &ChannelName,
    ) -> bool {
        let name = channel.as_str();
        let grants = || self.known(key).map(|known| known.grants).unwrap_or_default();
        let permitted = || {
            core.settings(key).access.mode == AuthMode::Off
                || self.permissions(core, key).may_read_history(grants(), name)
        };
        core.cx.class_of(channel).history && self.may_subscribe(core, key, name) && permitted()
    }

    /// Whether a client may publish to a channel.
    pub(in crate::broker::session) fn may_publish(
        &self,
        core: &Core,
        key: ConnectionKey,
        channel: &str,
    ) -> bool {
        let service = core.settings(key);
        if service.access.mode == AuthMode::Off {
            return service.anonymous_publish;
        }
        let grants = self.known(key).map(|known| known.grants).unwrap_or_default();
        self.permissions(core, key).may_publish(grants, channel)
    }
}

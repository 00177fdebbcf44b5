//! Authentication, permissions and caps of a service.

use super::Origins;
use crate::limits;
use crate::types::ChannelPattern;

/// Whether clients must authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// No client needs a token, and tokens are ignored.
    #[default]
    Off,
    /// A token is verified if there is one; without one a client may do what no rule guards.
    Optional,
    /// A connection without a good token is closed.
    Required,
}

/// Channels that need a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which. Of several patterns that match a channel the narrowest counts.
    pub channels: ChannelPattern,
    /// The permission; where several rules have the same pattern, any of theirs will do.
    pub permission: String,
}

/// Authentication, permissions and caps of one service.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether clients must authenticate.
    pub mode: AuthMode,
    /// Permissions to subscribe, beside those of [`Service::classes`](super::Service::classes). A
    /// channel that no rule matches is open to every admitted client. Without authentication no
    /// permission is checked.
    pub subscribe: Vec<Rule>,
    /// Permissions to publish. A channel that no rule matches needs the permission `publish`.
    pub publish: Vec<Rule>,
    /// Permissions that grant all others.
    pub admin: Vec<String>,
    /// Which browsers' pages may connect.
    pub origins: Origins,
    /// Connections from one address (IPv6: from one /64), 0 for no limit.
    pub max_per_address: usize,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes a second taken from one connection, 0 for no limit: above it is not read for a while.
    pub byte_rate: u32,
}

impl Default for Access {
    fn default() -> Self {
        Access {
            mode: AuthMode::Off,
            subscribe: Vec::new(),
            publish: Vec::new(),
            admin: vec!["admin".into()],
            origins: Origins::default(),
            max_per_address: 0,
            max_subscriptions: limits::MAX_SUBSCRIPTIONS,
            byte_rate: 0,
        }
    }
}

//! Whether publications can be ordered, as clients are told: docs/PROTOCOL.md section 2.

use serde::Serialize;

use super::encoder::{Empty, Outbound};

/// `session.degraded`: nothing can be published for a while.
pub fn degraded(reason: &str) -> Outbound<'static, impl Serialize> {
    #[derive(Serialize)]
    struct Degraded<'a> {
        reason: &'a str,
    }
    Outbound::event("session.degraded", None, Degraded { reason })
}

/// `session.restored`: it can be again.
pub fn restored() -> Outbound<'static, Empty> {
    Outbound::event("session.restored", None, Empty {})
}

//! What the log reports of a close.

use super::*;
use crate::broker::client_report::exceeded;
use crate::limits::{AUTH_TIMEOUT, VERIFICATIONS_PER_SHARD};
use crate::types::Time;

#[test]
fn what_an_abuse_came_to_is_reported_with_its_limit() {
    let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 8, 0);
    let key = hub.admit(Admission::plain(([127, 0, 0, 1], 1).into())).unwrap();
    let keepalive = hub.parts.core.cx.config.keepalive;
    let most = hub.parts.core.cx.config.services[0].max_connections as u64;
    let message = hub.parts.sessions.auth().message_limit(&hub.parts.core, key) as u64;
    hub.begin_iteration(Now { mono: Time(0) + keepalive, unix_us: 0 });
    for (reason, limit, value) in [
        (CloseReason::MaxConnections, most, most + 1),
        (CloseReason::MessageTooBig(1 << 40), message, 1 << 40),
        (CloseReason::KeepaliveTimeout, keepalive.as_secs(), 2 * keepalive.as_secs()),
        (CloseReason::AuthTimeout, AUTH_TIMEOUT.as_secs(), AUTH_TIMEOUT.as_secs()),
        (CloseReason::AuthOverload, VERIFICATIONS_PER_SHARD as u64, 1),
    ] {
        let exceeded = exceeded(&hub.parts.core, hub.parts.sessions.auth(), key, reason).unwrap();
        assert_eq!((exceeded.limit, exceeded.value), (limit, Some(value)), "{reason:?}");
    }
}

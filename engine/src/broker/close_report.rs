//! What the log says of a close that is the peer's fault: which connection, which limit, and what
//! it came to. The broker makes the report; the shell writes it.

use super::connection::{CloseReason, Exceeded};
use super::core::Core;
use super::effect::CloseReport;
use super::session::Sessions;
use crate::limits::{
    AUTH_BACKLOG, AUTH_TIMEOUT, LAGGARD_BYTES_PER_SHARD, MESSAGE_TIMEOUT, VERIFICATIONS_PER_SHARD,
    per_lane,
};
use crate::types::ConnectionKey;

/// What the log says of a close. To be made before anything of the connection is given up.
pub(super) fn close_report(
    core: &Core,
    sessions: &Sessions,
    key: ConnectionKey,
    reason: CloseReason,
) -> CloseReport {
    let Core { cx, channels, connections, delivery, .. } = core;
    let (code, text) = reason.frame(core.settings(key));
    let exceeded = exceeded(core, sessions, key, reason);
    CloseReport {
        connection_id: connections.id(cx.shard, key),
        peer: connections[key].peer(),
        code,
        reason: text,
        exceeded,
        behind: exceeded.and_then(|_| delivery.behind(channels, key.index)),
    }
}

pub(super) fn exceeded(
    core: &Core,
    sessions: &Sessions,
    key: ConnectionKey,
    reason: CloseReason,
) -> Option<Exceeded> {
    let Core { cx, channels, connections, delivery, .. } = core;
    let auth = sessions.auth();
    let (name, limit, value) = match reason {
        CloseReason::SlowConsumer => return delivery.overrun(cx, channels, key.index),
        CloseReason::OutboxFull => {
            ("max_outbox", cx.config.max_outbox as u64, delivery.outbox(key.index))
        }
        CloseReason::LaggardMemory => {
            let held = Some(delivery.laggard_bytes() as u64);
            ("LAGGARD_BYTES_PER_SHARD", LAGGARD_BYTES_PER_SHARD as u64, held)
        }
        CloseReason::MaxConnections => {
            // Every place was taken when it was accepted.
            let limit = core.settings(key).max_connections as u64;
            ("max_connections", limit, Some(limit + 1))
        }
        CloseReason::MessageTooBig(length) => {
            let limit = auth.message_limit(core, key) as u64;
            ("max_message_size", limit, Some(length))
        }
        CloseReason::MessageTimeout => {
            let held = connections.unfinished_bytes();
            match connections.is_late(cx, key) {
                true => {
                    let limit = MESSAGE_TIMEOUT.as_secs();
                    ("MESSAGE_TIMEOUT", limit, Some(limit))
                }
                false => {
                    let limit = cx.limits.unfinished_bytes as u64;
                    ("UNFINISHED_BYTES_PER_SHARD", limit, Some(held as u64))
                }
            }
        }
        CloseReason::KeepaliveTimeout => {
            // One interval before the PING, and what has passed since.
            let interval = cx.config.keepalive.as_secs();
            let since = connections.silence(key.index, cx.time());
            ("keepalive_interval", interval, Some(interval + u64::from(since)))
        }
        CloseReason::AuthTimeout => {
            // Timers run once a tick, and the client has said nothing of use so far.
            let limit = AUTH_TIMEOUT.as_secs();
            ("AUTH_TIMEOUT", limit, Some(limit))
        }
        CloseReason::AuthBacklog => ("AUTH_BACKLOG", AUTH_BACKLOG as u64, auth.backlog(key)),
        CloseReason::AuthOverload => {
            // Together with its own.
            let limit = per_lane(VERIFICATIONS_PER_SHARD, cx.homes.shards()) as u64;
            ("VERIFICATIONS_PER_SHARD", limit, Some(auth.verifying() as u64 + 1))
        }
        CloseReason::Peer(_)
        | CloseReason::Shutdown
        | CloseReason::AuthMissing
        | CloseReason::AuthFailed
        | CloseReason::AuthRequired
        | CloseReason::AuthError
        | CloseReason::TokenExpired
        | CloseReason::Expelled
        | CloseReason::Protocol(_)
        | CloseReason::InvalidUtf8
        | CloseReason::Keys => return None,
    };
    Some(Exceeded { name, limit, value })
}

//! What the log says of a close that is not the client's wish: which connection and user, which
//! limit, and what it came to. The broker makes the report; the shell writes it.

use super::connection::{CloseReason, Exceeded};
use super::core::Core;
use super::delivery::SkipStart;
use super::effect::ClientReport;
use super::session::Authentication;
use crate::limits::{
    AUTH_BACKLOG, AUTH_TIMEOUT, MESSAGE_TIMEOUT, VERIFICATIONS_PER_SHARD, per_lane,
};
use crate::types::ConnectionKey;

/// What the log says of a close. To be made before anything of the connection is given up.
pub(super) fn report(
    core: &Core,
    auth: &Authentication,
    key: ConnectionKey,
    reason: CloseReason,
) -> ClientReport {
    let Core { channels, delivery, .. } = core;
    let exceeded = exceeded(core, auth, key, reason);
    let is_for_token = matches!(reason, CloseReason::AuthFailed | CloseReason::AuthMissing);
    let fault = auth.fault(key).filter(|_| is_for_token);
    let user = auth.user(key).or_else(|| fault?.user.as_deref());
    let rearmost = exceeded.and_then(|_| delivery.rearmost(channels, key.index));
    ClientReport {
        close: Some(reason.frame(core.settings(key))),
        cause: fault.map(|fault| fault.why.as_str().into()),
        exceeded,
        channel: rearmost.map(|(channel, _)| channels.name(channel).clone()),
        behind: rearmost.map(|(_, behind)| behind),
        ..core.report(key, user)
    }
}

/// What the log says of a client that begins to be sent less than everything.
pub(super) fn skip_report(core: &Core, auth: &Authentication, start: SkipStart) -> ClientReport {
    let Core { cx, channels, delivery, .. } = core;
    let (policy, exceeded, behind) = delivery.skip(cx, channels, start);
    ClientReport {
        skips: Some(policy),
        exceeded,
        channel: Some(channels.name(start.channel).clone()),
        behind: Some(behind),
        ..core.report(start.key, auth.user(start.key))
    }
}

pub(super) fn exceeded(
    core: &Core,
    auth: &Authentication,
    key: ConnectionKey,
    reason: CloseReason,
) -> Option<Exceeded> {
    let Core { cx, channels, connections, delivery, .. } = core;
    let (name, limit, value) = match reason {
        CloseReason::SlowConsumer => return delivery.overrun(cx, channels, key.index),
        CloseReason::OutboxFull => {
            ("max_outbox", cx.config.max_outbox as u64, delivery.outbox(key.index))
        }
        CloseReason::LaggardMemory => {
            let (service, held) = (connections[key].service(), delivery.laggard_bytes());
            let (limit, held) = held.passed(service, cx.limits.laggard_bytes);
            ("LAGGARD_BYTES_PER_SHARD", limit as u64, Some(held as u64))
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
        | CloseReason::Drain
        | CloseReason::AuthMissing
        | CloseReason::AuthFailed
        | CloseReason::AuthRequired
        | CloseReason::AuthError
        | CloseReason::TokenExpired
        | CloseReason::Expelled
        | CloseReason::CertificateRevoked
        | CloseReason::Protocol(_)
        | CloseReason::InvalidUtf8
        | CloseReason::NotInflated
        | CloseReason::NoStream
        | CloseReason::Keys => return None,
    };
    Some(Exceeded { name, limit, value })
}

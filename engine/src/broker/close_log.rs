//! The log line of a close that is the peer's fault: who, which limit, and what it came to.

use super::close::CloseReason;
use super::connection::connection_id;
use super::hub::Hub;
use super::laggard::{Cursor, Laggard};
use super::retention::Over;
use crate::limits::{
    AUTH_BACKLOG, AUTH_TIMEOUT, LAGGARD_BYTES_PER_SHARD, VERIFICATIONS_PER_SHARD, per_lane,
};
use crate::types::{ConnectionKey, Time};

/// A limit that was passed. Names are those of the settings, where there is one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    name: &'static str,
    limit: u64,
    /// What it came to; `None` of what is gone already.
    value: Option<u64>,
}

impl Hub {
    /// Says who is closed and why. To be called before anything of the connection is given up.
    pub(super) fn log_close(&self, now: Time, key: ConnectionKey, reason: CloseReason) {
        let connection = &self.connections[key.index];
        let id = connection_id(self.shard, key, connection.nonce);
        let (peer, (code, text)) = (connection.peer(), reason.frame(self.service(key).protocol));
        let Some(passed) = self.passed(now, key, reason) else {
            tracing::info!(connection_id = %id, %peer, code, reason = text, "closing connection");
            return;
        };
        let Passed { name, limit, value } = passed;
        let behind = connection.laggard.as_ref().map(|laggard| self.behind(laggard));
        tracing::info!(
            connection_id = %id, %peer, code, reason = text, limit_name = name, limit, value,
            behind,
            "closing connection over a limit"
        );
    }

    fn passed(&self, now: Time, key: ConnectionKey, reason: CloseReason) -> Option<Passed> {
        let connection = &self.connections[key.index];
        let (config, laggard) = (&self.config, &connection.laggard);
        let service = &config[connection.service];
        let (name, limit, value) = match reason {
            CloseReason::SlowConsumer => return self.overtaken(laggard.as_deref()?),
            CloseReason::OutboxFull => {
                let owed = laggard.as_ref().map(|laggard| laggard.outbox.len() as u64);
                ("max_outbox", config.max_outbox as u64, owed)
            }
            CloseReason::LaggardMemory => {
                let held = Some(self.laggard_bytes as u64);
                ("LAGGARD_BYTES_PER_SHARD", LAGGARD_BYTES_PER_SHARD as u64, held)
            }
            CloseReason::MaxConnections => {
                // Every place was taken when it came.
                let limit = service.max_connections as u64;
                ("max_connections", limit, Some(limit + 1))
            }
            CloseReason::MessageTooBig(length) => {
                ("max_message_size", self.message_limit(key) as u64, Some(length))
            }
            CloseReason::KeepaliveTimeout => {
                // One interval before the PING, and what has passed since.
                let interval = config.keepalive.as_secs();
                let since = now.seconds().saturating_sub(self.last_rx[key.index as usize]);
                ("keepalive_interval", interval, Some(interval + u64::from(since)))
            }
            CloseReason::AuthTimeout => {
                // It is looked for every tick, and has said nothing of use since it came.
                let limit = AUTH_TIMEOUT.as_secs();
                ("AUTH_TIMEOUT", limit, Some(limit))
            }
            CloseReason::AuthBacklog => {
                let asked = connection.auth.as_deref().and_then(|auth| auth.asked.as_ref());
                ("AUTH_BACKLOG", AUTH_BACKLOG as u64, asked.map(|asked| asked.bytes as u64))
            }
            CloseReason::AuthOverload => {
                // Together with its own.
                let limit = per_lane(VERIFICATIONS_PER_SHARD, self.shards) as u64;
                ("VERIFICATIONS_PER_SHARD", limit, Some(self.gatekeeper.verifying as u64 + 1))
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
        Some(Passed { name, limit, value })
    }

    /// Why the log dropped what a laggard had not read: its limit, and what the log had come to.
    fn overtaken(&self, laggard: &Laggard) -> Option<Passed> {
        let kept = &self.config.retention;
        let channels = laggard.cursors.iter().map(|at| (at.next, &self.channels[at.channel]));
        let mut left = channels.filter(|(next, channel)| *next < channel.log.first());
        let (name, limit, value) = left.find_map(|(_, channel)| match channel.over? {
            Over::Frames(frames) => Some(("log_frames", kept.frames as u64, frames as u64)),
            Over::Bytes(bytes) => Some(("log_bytes", kept.bytes as u64, bytes as u64)),
            Over::Age(seconds) => Some(("log_age", kept.age.as_secs(), seconds)),
            Over::ShardBytes(bytes) => {
                Some(("shard_log_bytes", kept.shard_bytes as u64, bytes as u64))
            }
        })?;
        Some(Passed { name, limit, value: Some(value) })
    }

    /// Messages between a laggard's rearmost cursor and its channel's head.
    fn behind(&self, laggard: &Laggard) -> u64 {
        let behind = |cursor: &Cursor| {
            (self.channels[cursor.channel].log.head().0 + 1).saturating_sub(cursor.next.0)
        };
        laggard.cursors.iter().map(behind).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::hub::Admission;
    use crate::config::Config;
    use crate::types::{Now, ShardId};

    #[test]
    fn what_an_abuse_came_to_is_told_with_its_limit() {
        let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 8, 0);
        let admission = Admission::plain(([127, 0, 0, 1], 1).into());
        let key = hub.admit(Now { mono: Time(0), unix_us: 0 }, admission).unwrap();
        let keepalive = hub.config.keepalive;
        let now = Time(0) + keepalive;
        let most = hub.config.services[0].max_connections as u64;
        for (reason, limit, value) in [
            (CloseReason::MaxConnections, most, most + 1),
            (CloseReason::MessageTooBig(1 << 40), hub.message_limit(key) as u64, 1 << 40),
            (CloseReason::KeepaliveTimeout, keepalive.as_secs(), 2 * keepalive.as_secs()),
            (CloseReason::AuthTimeout, AUTH_TIMEOUT.as_secs(), AUTH_TIMEOUT.as_secs()),
            (CloseReason::AuthOverload, VERIFICATIONS_PER_SHARD as u64, 1),
        ] {
            let passed = hub.passed(now, key, reason).unwrap();
            assert_eq!((passed.limit, passed.value), (limit, Some(value)), "{reason:?}");
        }
    }
}

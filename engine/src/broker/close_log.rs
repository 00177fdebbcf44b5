//! The log line of a close that is the peer's fault: who, which limit, and what it came to.

use super::close::CloseReason;
use super::connection::connection_id;
use super::hub::Hub;
use super::laggard::{Cursor, Laggard};
use super::retention::Over;
use crate::limits::{AUTH_BACKLOG, AUTH_TIMEOUT, LAGGARD_BYTES_PER_SHARD, VERIFICATIONS_PER_SHARD};
use crate::types::ConnectionKey;

/// A limit that was passed. Names are those of the settings, where there is one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    name: &'static str,
    limit: u64,
    /// What it came to; `None` where only the excess is known.
    value: Option<u64>,
}

impl Hub {
    /// Says who is closed and why. To be called before anything of the connection is given up.
    pub(super) fn log_close(&self, key: ConnectionKey, reason: CloseReason) {
        let connection = &self.connections[key.index];
        let id = connection_id(self.shard, key, connection.nonce);
        let (peer, (code, text)) = (connection.peer(), reason.frame(self.service(key).protocol));
        let Some(passed) = self.passed(key, reason) else {
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

    fn passed(&self, key: ConnectionKey, reason: CloseReason) -> Option<Passed> {
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
                ("max_connections", service.max_connections as u64, None)
            }
            CloseReason::MessageTooBig => {
                ("max_message_size", self.message_limit(key) as u64, None)
            }
            CloseReason::KeepaliveTimeout => {
                ("keepalive_interval", config.keepalive.as_secs(), None)
            }
            CloseReason::AuthTimeout => ("AUTH_TIMEOUT", AUTH_TIMEOUT.as_secs(), None),
            CloseReason::AuthBacklog => ("AUTH_BACKLOG", AUTH_BACKLOG as u64, None),
            CloseReason::AuthOverload => {
                ("VERIFICATIONS_PER_SHARD", VERIFICATIONS_PER_SHARD as u64, None)
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

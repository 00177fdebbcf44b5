//! What is told about laggards: to operators, and in the line about a close.

use super::Delivery;
use super::laggard::{Cursor, Lagging};
use crate::broker::channel::{Channels, Overrun};
use crate::broker::connection::Exceeded;
use crate::broker::context::Context;
use crate::types::ChannelIndex;

impl Delivery {
    /// How a connection lags, if it does.
    pub(in crate::broker) fn lagging(
        &self,
        channels: &Channels,
        connection: u32,
    ) -> Option<Lagging> {
        let laggard = self.laggards.get(connection)?;
        let owed = laggard.owed(channels);
        Some(Lagging { owed, since: laggard.since, state: laggard.lag() })
    }

    /// Whether a connection is not live.
    pub(in crate::broker) fn is_laggard(&self, connection: u32) -> bool {
        self.laggards.get(connection).is_some()
    }

    /// Logs that a laggard reads; 0 of others.
    pub(in crate::broker) fn cursors(&self, connection: u32) -> usize {
        self.laggards.get(connection).map_or(0, |laggard| laggard.cursors.len())
    }

    /// Bytes of replies that a laggard is owed.
    pub(in crate::broker) fn outbox(&self, connection: u32) -> Option<u64> {
        Some(self.laggards.get(connection)?.outbox.len() as u64)
    }

    /// Where a laggard is rearmost, and the messages between its cursor there and the head: the
    /// channel whose log has dropped what it had not read, or else the one with most of them.
    pub(in crate::broker) fn rearmost(
        &self,
        channels: &Channels,
        connection: u32,
    ) -> Option<(ChannelIndex, u64)> {
        let behind = |cursor: &Cursor| {
            (channels.log(cursor.channel).head().0 + 1).saturating_sub(cursor.next.0)
        };
        let cursors = &self.laggards.get(connection)?.cursors;
        let fallen = cursors.iter().find(|cursor| has_fallen_off(channels, cursor));
        let rearmost = fallen.or_else(|| cursors.iter().max_by_key(|cursor| behind(cursor)))?;
        Some((rearmost.channel, behind(rearmost)))
    }

    /// Why the log dropped what a laggard had not read: its limit, and what the log had come to.
    pub(in crate::broker) fn overrun(
        &self,
        cx: &Context,
        channels: &Channels,
        connection: u32,
    ) -> Option<Exceeded> {
        let mut cursors = self.laggards.get(connection)?.cursors.iter();
        let (over, of) = cursors.find_map(|cursor| {
            let over = has_fallen_off(channels, cursor).then(|| channels.overrun(cursor.channel));
            Some((over.flatten()?, cursor.channel))
        })?;
        let (kept, all) = (&channels.class(of).retention, cx.config.retention.shard_bytes as u64);
        let (name, limit, value) = match over {
            Overrun::Frames(frames) => ("log_frames", kept.frames as u64, frames as u64),
            Overrun::Bytes(bytes) => ("log_bytes", kept.bytes as u64, bytes as u64),
            Overrun::Age(seconds) => ("log_age", kept.age.as_secs(), seconds),
            Overrun::ShardBytes(bytes) => ("shard_log_bytes", all, bytes as u64),
        };
        Some(Exceeded { name, limit, value: Some(value) })
    }
}

/// Whether the log has dropped what comes next at a cursor.
fn has_fallen_off(channels: &Channels, cursor: &Cursor) -> bool {
    cursor.next < channels.log(cursor.channel).first()
}

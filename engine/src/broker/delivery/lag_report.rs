//! What is told about laggards: to operators, and in the line about a close.

use super::Delivery;
use super::laggard::{Cursor, Lagging};
use super::skips::SkipStart;
use super::slow_policy::Behind;
use crate::broker::channel::{Channels, Overrun};
use crate::broker::connection::Exceeded;
use crate::broker::context::Context;
use crate::telemetry::Skipped;
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
    /// channel with a log that has dropped what it had not read, or else the one with most of them.
    pub(in crate::broker) fn rearmost(
        &self,
        channels: &Channels,
        connection: u32,
    ) -> Option<(ChannelIndex, u64)> {
        let behind = |cursor: &Cursor| channels.log(cursor.channel).messages_from(cursor.next);
        let cursors = &self.laggards.get(connection)?.cursors;
        let fallen = cursors.iter().find(|cursor| has_fallen_off(channels, cursor));
        let rearmost = fallen.or_else(|| cursors.iter().max_by_key(|cursor| behind(cursor)))?;
        Some((rearmost.channel, behind(rearmost)))
    }

    /// By which limit a laggard is too far behind, and what it came to.
    pub(in crate::broker) fn overrun(
        &self,
        cx: &Context,
        channels: &Channels,
        connection: u32,
    ) -> Option<Exceeded> {
        let mut cursors = self.laggards.get(connection)?.cursors.iter();
        cursors.find_map(|&Cursor { channel, next, .. }| {
            let handed = self.chains.handed(channels, connection, channel)?;
            let (class, log) = (channels.class(channel), channels.log(channel));
            let behind = Behind::of(class, log, next, handed, cx.time())?;
            exceeded(cx, channels, channel, behind)
        })
    }

    /// The same of one that begins to be sent less than everything: policy, channel, messages that
    /// it has not read there, and limit.
    pub(in crate::broker) fn skip(
        &self,
        cx: &Context,
        channels: &Channels,
        start: SkipStart,
    ) -> (&'static str, Option<Exceeded>, u64) {
        let SkipStart { key, channel, behind } = start;
        let (policy, log) = (channels.class(channel).slow.label(), channels.log(channel));
        let next = self.cursor(key.index, channel).unwrap_or(log.head().next());
        (policy, exceeded(cx, channels, channel, behind), log.messages_from(next))
    }

    /// What a connection was not sent, since it was admitted, because it was too far behind.
    pub(in crate::broker) fn skipped(&self, connection: u32) -> Skipped {
        self.skips.of(connection)
    }
}

fn exceeded(
    cx: &Context,
    channels: &Channels,
    channel: ChannelIndex,
    behind: Behind,
) -> Option<Exceeded> {
    let (class, all) = (channels.class(channel), cx.config.retention.shard_bytes as u64);
    let kept = &class.retention;
    let (name, limit, value) = match behind {
        Behind::Bytes(bytes) => ("slow_bytes", class.slow_bytes? as u64, bytes as u64),
        Behind::Age(seconds) => ("slow_age", class.slow_age?.as_secs(), seconds),
        Behind::Log => match channels.overrun(channel)? {
            Overrun::Frames(frames) => ("log_frames", kept.frames as u64, frames as u64),
            Overrun::Bytes(bytes) => ("log_bytes", kept.bytes as u64, bytes as u64),
            Overrun::Age(seconds) => ("log_age", kept.age.as_secs(), seconds),
            Overrun::ShardBytes(bytes) => ("shard_log_bytes", all, bytes as u64),
        },
    };
    Some(Exceeded { name, limit, value: Some(value) })
}

/// Whether the log has dropped what comes next at a cursor.
fn has_fallen_off(channels: &Channels, cursor: &Cursor) -> bool {
    cursor.next < channels.log(cursor.channel).first()
}

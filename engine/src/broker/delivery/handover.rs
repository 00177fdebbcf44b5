//! What connections are owed that go over to another process, or come from one.

use super::Delivery;
use super::laggard::{LagState, Laggard};
use super::write_sink::Payload;
use crate::broker::channel::Channels;
use crate::handover::{self, Debts};
use crate::types::{ChannelIndex, ConnectionKey, Seq, ServiceId, Time};

/// Where a subscription goes on: its next position, and up to where it gets the newest message of
/// each key.
pub(in crate::broker) type Cursors = Vec<(ChannelIndex, Seq, Seq)>;

impl Delivery {
    /// Whether the last iteration has written all that it had begun.
    pub(in crate::broker) fn is_flushed(&self) -> bool {
        self.batch.runs.is_empty() && self.readers.is_empty() && self.swept.is_empty()
    }

    /// What a connection is owed, if it could not take its bytes.
    pub(in crate::broker) fn export(&self, connection: u32) -> Option<Debts> {
        let laggard = self.laggards.get(connection)?;
        let tail = laggard.tail.as_ref();
        Some(Debts {
            tail: tail.map(|tail| tail.bytes().into()).unwrap_or_default(),
            is_sealed: matches!(tail, Some(Payload::Sealed(..))),
            outbox: laggard.outbox.as_slice().into(),
            since: laggard.since,
            // A stream that has kept up is not behind, either.
            is_recovering: laggard.recovering || laggard.keeps_up,
            is_skipping: laggard.skipping,
        })
    }

    /// Up to where a connection gets the newest message of each key of a channel.
    pub(in crate::broker) fn newest_to(&self, connection: u32, channel: ChannelIndex) -> Seq {
        let laggard = self.laggards.get(connection);
        let cursor =
            laggard.and_then(|laggard| laggard.cursors.iter().find(|c| c.channel == channel));
        cursor.map_or(Seq(0), |cursor| cursor.newest_to)
    }

    /// Takes over a connection that is a member of its channels by now: it is live, or a laggard
    /// where it is owed something or is behind at one of the `cursors`.
    pub(in crate::broker) fn import(
        &mut self,
        (channels, now): (&Channels, Time),
        key: ConnectionKey,
        connection: &mut handover::Connection,
        cursors: &Cursors,
    ) {
        self.skips.take_over(key.index, connection.skipped);
        let behind = |&(channel, next, newest_to): &(ChannelIndex, Seq, Seq)| {
            next <= channels.log(channel).head() || newest_to > Seq(0)
        };
        let debts = connection.debts.take();
        if debts.is_none() && !cursors.iter().any(behind) {
            return;
        }
        let since = debts.as_ref().map_or(now, |debts| debts.since);
        let mut laggard = Laggard::new(connection.service, since, LagState::Ready);
        // A laggard that is behind without owing a slow socket anything is not to blame for it.
        laggard.recovering = debts.as_ref().is_none_or(|debts| debts.is_recovering);
        if let Some(Debts { tail, is_sealed, outbox, is_skipping, .. }) = debts {
            laggard.tail = match (tail.is_empty(), is_sealed) {
                (true, _) => None,
                (false, true) => Some(Payload::Sealed(tail.into_vec(), 0)),
                (false, false) => Some(Payload::Owned(tail.into_vec())),
            };
            (laggard.outbox, laggard.skipping) = (outbox.into_vec(), is_skipping);
        }
        self.import_laggard(channels, key, laggard, cursors);
    }

    /// A connection that goes on behind others.
    pub(in crate::broker) fn take_behind(
        &mut self,
        (channels, now): (&Channels, Time),
        (key, service): (ConnectionKey, ServiceId),
        cursors: &Cursors,
    ) {
        let mut laggard = Laggard::new(service, now, LagState::Ready);
        laggard.recovering = true;
        self.import_laggard(channels, key, laggard, cursors);
    }

    fn import_laggard(
        &mut self,
        channels: &Channels,
        key: ConnectionKey,
        laggard: Laggard,
        cursors: &Cursors,
    ) {
        self.add_laggard(channels, key, laggard);
        for &(channel, next, newest_to) in cursors {
            self.move_cursor(key.index, channel, next);
            if let Some(laggard) = self.laggards.get_mut(key.index) {
                laggard.set_newest(channel, newest_to);
            }
        }
        self.laggards.weigh(key.index);
    }
}

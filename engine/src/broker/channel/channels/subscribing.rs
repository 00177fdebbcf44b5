//! Joining and leaving channels, and where a subscriber stands.

use super::Channels;
use crate::broker::channel::subscriptions::Subscription;
use crate::broker::context::Context;
use crate::types::{ChannelIndex, ChannelName, Encoding, Seq, ServiceId};

/// Where a subscriber stands in a live set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it was handed by the sweeps that have come to it.
    pub(crate) handed: Seq,
    /// Last position of the sweep that has still to come to it.
    pub(crate) ahead: Option<Seq>,
}

impl Channels {
    /// Keeps a channel that no subscription keeps.
    pub(crate) fn hold(&mut self, index: ChannelIndex) {
        self.table[index].holds += 1;
    }

    pub(crate) fn release(&mut self, index: ChannelIndex) {
        self.table[index].holds -= 1;
        self.note_left(index);
    }

    /// Subscriptions of all connections.
    pub(crate) fn subscriptions(&self) -> usize {
        self.memberships.total()
    }

    /// Subscriptions of a service's clients.
    pub(crate) fn subscriptions_at(&self, service: ServiceId) -> usize {
        self.memberships.clients(service)
    }

    pub(crate) fn subscriptions_of(&self, connection: u32) -> &[Subscription] {
        self.memberships.of(connection)
    }

    /// Connections with more than one subscription.
    pub(crate) fn sharing(&self) -> usize {
        self.memberships.sharing()
    }

    pub(crate) fn is_subscribed(&self, connection: u32, index: ChannelIndex) -> bool {
        self.memberships.get(connection, index).is_some()
    }

    /// In which form a subscriber is written the channel's messages.
    pub(crate) fn encoding_of(&self, connection: u32, index: ChannelIndex) -> Encoding {
        let subscription = self.memberships.get(connection, index);
        subscription.map_or(Encoding::Plain, |subscription| subscription.position.encoding())
    }

    /// Where a subscriber stands in the live set.
    pub(crate) fn standing(&self, connection: u32, index: ChannelIndex) -> Option<Standing> {
        let subscription = self.memberships.get(connection, index)?;
        let live = &self.table[index].live;
        let handed = live.handed(subscription.position);
        Some(Standing { handed, ahead: (handed != live.target()).then_some(live.target()) })
    }

    /// Adds a subscription that is not there yet, of a connection that `deflates` if it negotiated
    /// compression. Returns what the live set was handed there.
    pub(crate) fn subscribe(
        &mut self,
        cx: &Context,
        connection: u32,
        encoding: Encoding,
        index: ChannelIndex,
        deflates: bool,
    ) -> Seq {
        let since = self.first_since(index, deflates);
        let encoding = if since.is_some() { Encoding::Deflating } else { encoding };
        let member = (connection, encoding, since);
        self.memberships.add(&mut self.table, member, index, cx.time())
    }

    /// Ends a subscription. Returns whether there was one.
    pub(crate) fn unsubscribe(
        &mut self,
        cx: &Context,
        connection: u32,
        index: ChannelIndex,
    ) -> bool {
        let removed = self.memberships.remove(&mut self.table, connection, index, cx.time());
        if removed {
            self.note_left(index);
        }
        removed
    }

    pub(crate) fn unsubscribe_all(&mut self, cx: &Context, connection: u32) {
        for subscription in self.memberships.of(connection) {
            let index = subscription.channel;
            self.unpublished.note_left(index, &mut self.table[index]);
        }
        self.memberships.remove_all(&mut self.table, connection, cx.time());
    }

    /// A client of this shard was told that its own message has this position: it is to have it
    /// before it leaves.
    pub(in crate::broker) fn acknowledge(&mut self, name: &ChannelName, seq: Seq) {
        if let Some(index) = self.table.find(name) {
            let acknowledged = &mut self.table[index].acknowledged;
            *acknowledged = seq.max(*acknowledged);
        }
    }

    /// The newest position that a client of this shard was told for a message of its own.
    pub(in crate::broker) fn acknowledged(&self, index: ChannelIndex) -> Seq {
        self.table[index].acknowledged
    }
}

//! Which of its channels' contexts a connection follows. Its inflater has one window, so it is one
//! channel at most: the one that brings most of its bytes.

use super::Channels;
#[cfg(test)]
use crate::broker::channel::context_faults::ContextFault;
use crate::broker::channel::since::Since;
use crate::broker::channel::subscriptions::Subscription;
use crate::config::Compression;
use crate::limits::CONTEXT_CHOICES;
use crate::types::ChannelIndex;

/// Recent bytes and frames of a channel on this shard: a quarter is forgotten each second.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::broker::channel) struct Traffic {
    bytes: u64,
    frames: u64,
}

impl Traffic {
    pub(in crate::broker::channel) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.frames += 1;
    }

    /// A second is over.
    pub(in crate::broker::channel) fn fade(&mut self) {
        self.bytes -= self.bytes.div_ceil(4);
        self.frames -= self.frames.div_ceil(4);
    }

    /// Percent of a connection's bytes from which a context saves more here than twins save
    /// everywhere: the larger messages are, the more a twin saves.
    fn pays_from(self) -> u64 {
        match self.bytes.checked_div(self.frames).unwrap_or(0) {
            0..450 => 41,
            450..900 => 57,
            _ => 78,
        }
    }
}

impl Channels {
    /// How a new subscription of a connection begins, where it negotiated compression.
    pub(super) fn first_since(&self, index: ChannelIndex, deflates: bool) -> Option<Since> {
        let compression = self.table[index].class.compression;
        (deflates && compression != Compression::Off).then_some(Since::TWINS)
    }

    /// What a subscription of a connection that negotiated compression has of the channel's
    /// context.
    pub(in crate::broker) fn since(&self, connection: u32, index: ChannelIndex) -> Option<Since> {
        let subscription = self.memberships.get(connection, index)?;
        self.table[index].live.since(subscription.position)
    }

    /// The same, to be changed without a change of whether it follows it.
    pub(in crate::broker) fn since_mut(
        &mut self,
        connection: u32,
        index: ChannelIndex,
    ) -> Option<&mut Since> {
        let subscription = self.memberships.get(connection, index)?;
        self.table[index].live.since_mut(subscription.position)
    }

    /// A subscriber goes on at another position of the channel's log.
    pub(in crate::broker) fn interrupt_context(&mut self, connection: u32, index: ChannelIndex) {
        #[cfg(test)]
        if ContextFault::ForgottenReturn.is_present() {
            return;
        }
        if let Some(since) = self.since_mut(connection, index) {
            since.interrupt();
        }
    }

    /// A connection was sent something compressed that is not of the context that it follows.
    pub(in crate::broker) fn interrupt_contexts(&mut self, connection: u32) {
        #[cfg(test)]
        if ContextFault::ForgottenTwin.is_present() {
            return;
        }
        for nth in 0..self.memberships.of(connection).len() {
            let Subscription { channel, position } = self.memberships.of(connection)[nth];
            if let Some(since) = self.table[channel].live.since_mut(position) {
                since.interrupt();
            }
        }
    }

    /// Chooses the channel context that a connection with negotiated compression follows.
    pub(in crate::broker) fn choose_context(&mut self, connection: u32, may_follow: bool) {
        // With more there is nothing to choose, and the last one within them was left behind.
        if self.memberships.of(connection).len() > CONTEXT_CHOICES + 1 {
            return;
        }
        let main = if may_follow { self.main_channel(connection) } else { None };
        let others = if main.is_some() { Since::ASIDE } else { Since::TWINS };
        for nth in 0..self.memberships.of(connection).len() {
            let Subscription { channel, position } = self.memberships.of(connection)[nth];
            let live = &mut self.table[channel].live;
            let Some(since) = live.since(position) else { continue };
            let follows = main == Some(channel);
            if follows != since.follows() || (!follows && since != others) {
                #[cfg(not(test))]
                let first = Since::COLD;
                #[cfg(test)]
                let first = ContextFault::first_since();
                live.set_since(position, if follows { first } else { others });
            }
        }
    }

    fn main_channel(&self, connection: u32) -> Option<ChannelIndex> {
        let all = self.memberships.of(connection);
        if all.len() > CONTEXT_CHOICES {
            return None;
        }
        let (mut total, mut main, mut present, mut candidates) = (0, None, None, 0);
        for &Subscription { channel: index, position } in all {
            let channel = &self.table[index];
            let Some(since) = channel.live.since(position) else { continue };
            total += channel.traffic.bytes;
            candidates += 1;
            if channel.class.compression != Compression::Shared {
                continue;
            }
            if since.follows() {
                present = Some((channel.traffic.bytes, index));
            }
            main = main.max(Some((channel.traffic.bytes, index)));
        }
        let (bytes, index) = main?;
        // The present one stays if another has not much more: each change costs a window of twins.
        let stays = present.filter(|(present, _)| *present * 5 >= bytes * 4);
        let (bytes, index) = stays.unwrap_or((bytes, index));
        let percent = self.table[index].traffic.pays_from();
        let pays = candidates == 1 || total > 0 && bytes * 100 >= total * percent;
        (pays || total == 0 && stays.is_some()).then_some(index)
    }

    /// Whether a connection has a subscription with messages that may be compressed.
    #[inline]
    pub(in crate::broker) fn is_deflating(&self, connection: u32) -> bool {
        self.memberships.is_deflating(connection)
    }
}

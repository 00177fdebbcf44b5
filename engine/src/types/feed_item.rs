//! What an order outside gives an engine of one channel.

use super::{ChannelName, Seq, Sequenced};

/// Something that an [`ExternalOrder`](crate::ExternalOrder) tells of one channel. What is told of
/// a channel has an order, in which it is to be given.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// Its next message. One with a [`Sequenced::prev`] beyond what was delivered last makes a gap.
    Message(Sequenced),
    /// Messages can no longer be had: subscribers are told, if they have been delivered less.
    Gap {
        /// Of which channel.
        channel: ChannelName,
        /// They are behind this one.
        after: Seq,
        /// The last of them.
        to: Seq,
    },
}

impl FeedItem {
    /// The channel that it is about.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        match self {
            FeedItem::Message(message) => &message.publication.channel,
            FeedItem::Gap { channel, .. } => channel,
        }
    }

    /// The position that it is behind.
    #[must_use]
    pub fn after(&self) -> Seq {
        match self {
            FeedItem::Message(message) => message.prev,
            FeedItem::Gap { after, .. } => *after,
        }
    }

    /// Bytes of its data.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            FeedItem::Message(message) => message.publication.data.as_str().len(),
            FeedItem::Gap { .. } => 0,
        }
    }
}

//! The channels of one connection.

use crate::limits::SUBSCRIPTION_RECORD;
use crate::types::{ChannelIndex, LivePosition};

/// One channel of a connection, and its place in the channel's live set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) channel: ChannelIndex,
    pub(crate) position: LivePosition,
}

const _: () = assert!(size_of::<Subscription>() <= SUBSCRIPTION_RECORD);

/// Subscriptions ordered by channel index; most connections have one.
#[derive(Debug, Default)]
pub(crate) enum Subscriptions {
    #[default]
    None,
    One(Subscription),
    #[expect(clippy::box_collection, reason = "16 bytes for each connection, not 24")]
    Many(Box<Vec<Subscription>>),
}

impl Subscriptions {
    pub(crate) fn as_slice(&self) -> &[Subscription] {
        match self {
            Subscriptions::None => &[],
            Subscriptions::One(one) => std::slice::from_ref(one),
            Subscriptions::Many(many) => many,
        }
    }

    pub(crate) fn get(&self, channel: ChannelIndex) -> Option<Subscription> {
        let all = self.as_slice();
        all.binary_search_by_key(&channel, |s| s.channel).ok().map(|i| all[i])
    }

    /// Adds one that is not there yet.
    pub(crate) fn insert(&mut self, new: Subscription) {
        match self {
            Subscriptions::None => *self = Subscriptions::One(new),
            Subscriptions::One(one) => {
                let mut many = Box::new(vec![*one, new]);
                many.sort_unstable_by_key(|s| s.channel);
                *self = Subscriptions::Many(many);
            }
            Subscriptions::Many(many) => {
                let place = many.partition_point(|s| s.channel < new.channel);
                many.insert(place, new);
            }
        }
    }

    pub(crate) fn remove(&mut self, channel: ChannelIndex) -> Option<Subscription> {
        match self {
            Subscriptions::One(one) if one.channel == channel => {
                let one = *one;
                *self = Subscriptions::None;
                Some(one)
            }
            Subscriptions::Many(many) => {
                let place = many.binary_search_by_key(&channel, |s| s.channel).ok()?;
                let gone = many.remove(place);
                if many.is_empty() {
                    *self = Subscriptions::None;
                }
                Some(gone)
            }
            _ => None,
        }
    }

    /// The live set has moved this connection.
    pub(crate) fn moved(&mut self, channel: ChannelIndex, position: LivePosition) {
        match self {
            Subscriptions::One(one) if one.channel == channel => one.position = position,
            Subscriptions::Many(many) => {
                if let Ok(place) = many.binary_search_by_key(&channel, |s| s.channel) {
                    many[place].position = position;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

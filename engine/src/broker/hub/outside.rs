//! The external order, where there is one: what it tells, and what it is asked.

use super::Hub;
use crate::broker::upstream_messages::{UpstreamNotice, UpstreamRequest};

impl Hub {
    /// Something that the external order tells. What is of a channel comes back if there is no
    /// room for it yet: it is to be handed in again before anything else of the order.
    pub fn handle_upstream(&mut self, notice: UpstreamNotice) -> Option<UpstreamNotice> {
        self.parts.handle_upstream(notice)
    }

    /// Whether something that came back would be taken now.
    pub fn has_room_for(&self, notice: &UpstreamNotice) -> bool {
        match notice {
            UpstreamNotice::Message(message) => {
                self.parts.core.has_room_for(&message.publication.channel)
            }
            UpstreamNotice::Gap { channel, .. } => self.parts.core.has_room_for(channel),
            _ => true,
        }
    }

    /// The next thing to ask the external order, after `poll_transmit`.
    pub fn poll_upstream(&mut self) -> Option<UpstreamRequest> {
        self.parts.core.poll_upstream()
    }
}

//! Events of the server's own in channels homed here: they do not make a channel one that was
//! published to, and are not its last event.

use std::rc::Rc;

use super::{Channels, Role};
use crate::broker::context::Context;
use crate::types::{ChannelIndex, ChannelName, Publication, Seq};

impl Channels {
    /// Position of the newest message of a channel homed here, also if it is forgotten.
    pub(crate) fn position(&self, name: &ChannelName) -> Seq {
        match self.table.find(name) {
            Some(index) => self.table[index].log.head(),
            None => self.forgotten.position(name),
        }
    }

    /// Whether a shard has subscribers of a channel homed here.
    pub(crate) fn is_heard(&self, index: ChannelIndex) -> bool {
        let channel = &self.table[index];
        let Role::Home(home) = &channel.role else { return false };
        !(channel.is_unheard() && home.interests().is_empty())
    }

    /// Whether a channel's log takes another event now.
    pub(crate) fn takes_events(&self, cx: &Context, index: ChannelIndex) -> bool {
        !self.is_saturated(cx, &self.table[index])
    }

    /// Sequences, encodes and logs an event.
    pub(crate) fn publish_event(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        event: &Publication,
    ) {
        let seq = self.table[index].log.head().next();
        let stamp = cx.stamp();
        let bytes = cx.encoder.broadcast(stamp, event, seq, None);
        self.broadcast_event(cx, index, bytes);
    }

    /// Logs the encoded event that comes next.
    pub(super) fn broadcast_event(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        bytes: Box<[u8]>,
    ) {
        let channel = &mut self.table[index];
        let seq = channel.log.head().next();
        let frame = self.contexts.frame(cx, channel, (bytes, None), seq);
        self.broadcast(cx, index, Rc::new(frame));
    }
}

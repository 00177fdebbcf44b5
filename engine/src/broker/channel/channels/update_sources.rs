//! What is published on periodic channels homed here, where an external order has it: their updates
//! are made of the newest message. Subscribers wait for none of this.

use std::rc::Rc;

use super::ordered_outside::encode;
use super::{Channel, Channels};
use crate::broker::context::Context;
#[cfg(test)]
use crate::broker::upstream_faults::UpstreamFault;
use crate::broker::upstream_messages::{Older, UpstreamRequest};
use crate::config::Followed;
use crate::shared_frame::Frame;
use crate::types::{ChannelIndex, ChannelName, JoinToken, Sequenced};

impl Channels {
    /// Updates are needed: the external order is asked for what they are made of, unless that comes
    /// already.
    pub(super) fn follow_source(&mut self, index: ChannelIndex) {
        let source = self.table[index].source.as_mut();
        if source.is_some_and(|source| source.upstream_mut().must_follow()) {
            self.upstream.ask(index);
        }
    }

    /// What the external order is to be asked for a periodic channel, if it is one.
    pub(super) fn source_request(
        &mut self,
        cx: &Context,
        index: ChannelIndex,
    ) -> Option<UpstreamRequest> {
        let channel = &mut self.table[index];
        let token = channel.source.as_mut()?.ask(cx.time())?;
        let (name, bytes) = (channel.name.clone(), channel.class.retention.bytes);
        let wanted = Older { since: None, last: 1, messages: 1, bytes };
        Some(UpstreamRequest::Follow { channel: index, token, name, wanted, taken_over: None })
    }

    /// Takes what was published on a periodic channel. Returns whether its home waits for that.
    pub(in crate::broker) fn take_published(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
        message: &Sequenced,
    ) -> bool {
        let index = self.table.find(name);
        let source = index.and_then(|index| self.table[index].source.as_ref());
        let is_wanted = source.is_some_and(|source| source.is_listening());
        if let Some(index) = index.filter(|_| is_wanted) {
            self.remember_published(cx, index, message);
        }
        is_wanted
    }

    /// Takes the answer of the external order, if it is one about a periodic channel: what it has
    /// to begin with is the newest message. Returns whether it was.
    pub(in crate::broker) fn take_source(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        token: JoinToken,
        followed: &Followed,
    ) -> bool {
        if self.table.get(index).is_none_or(|channel| channel.source.is_none()) {
            return false;
        }
        if let Some(source) = &mut self.table[index].source
            && source.upstream().awaits(token)
        {
            source.answered();
            let messages = &followed.messages[..];
            #[cfg(test)]
            let messages = if UpstreamFault::Forgetful.is_present() { &[] } else { messages };
            for message in messages {
                self.remember_published(cx, index, message);
            }
        }
        true
    }

    /// The next updates are made of a message, unless a newer one has come.
    fn remember_published(&mut self, cx: &mut Context, index: ChannelIndex, message: &Sequenced) {
        let Channel { source: Some(source), .. } = &mut self.table[index] else { return };
        let is_newer = source.advance(message.seq);
        #[cfg(test)]
        let is_newer = is_newer || UpstreamFault::Outdated.is_present();
        // What an order tells of presence is of its own: it is not what was published.
        if is_newer && !message.publication.event.is_reserved() {
            let frame = Frame::new(encode(cx, message), message.seq, cx.time(), 0);
            self.statuses.remember(&mut self.table[index], &Rc::new(frame));
        }
    }

    /// Positions of the external order are over: it is asked anew for what is published on a
    /// periodic channel. Updates go on with what they are made of.
    pub(in crate::broker) fn renew_source(&mut self, slot: u32) {
        let Some((index, _)) = self.table.at(slot) else { return };
        if let Some(source) = &mut self.table[index].source {
            source.begin_epoch();
            if !self.table[index].is_unheard_everywhere() {
                self.follow_source(index);
            }
        }
    }
}

//! What answers status requests, kept by a channel's home: the document that a service has put
//! there until it is taken back, else the channel's last event.

use std::rc::Rc;
use std::sync::Arc;

use super::Channel;
use crate::broker::shard_messages::StatusSource;
use crate::broker::shared_count::SharedCount;
use crate::limits::{
    MAX_CHANNELS_PER_SHARD, STATUS_AGE, STATUS_BYTES_PER_SHARD, STATUS_DOCUMENT_BYTES_PER_SHARD,
    STATUS_DOCUMENT_REST,
};
use crate::shared_frame::Frame;
use crate::types::{JsonObject, PublishError, Time};

/// What a document takes from the shard's bound.
fn weight(document: Option<&JsonObject>) -> usize {
    document.map_or(0, |document| document.as_str().len() + STATUS_DOCUMENT_REST)
}

/// Bytes of all channels' statuses.
#[derive(Debug)]
pub(super) struct StatusStore {
    event_bytes: usize,
    document_bytes: SharedCount,
}

impl StatusStore {
    /// Of channels of so many services.
    pub(super) fn new(services: usize) -> StatusStore {
        StatusStore { event_bytes: 0, document_bytes: SharedCount::new(services) }
    }

    /// Keeps a channel's newest event, if a request may ask for it.
    pub(super) fn remember(&mut self, channel: &mut Channel, frame: &Rc<Frame>) {
        if channel.answers_requests {
            self.event_bytes += frame.weight();
            let before = channel.last.replace(Rc::clone(frame));
            self.event_bytes -= before.map_or(0, |before| before.weight());
        }
    }

    /// Keeps a channel's newest event no more.
    pub(super) fn forget_event(&mut self, channel: &mut Channel) {
        self.event_bytes -= channel.last.take().map_or(0, |last| last.weight());
    }

    /// Replaces a channel's document. Returns whether there was one.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] beyond the bytes of all services, or the share of this one.
    pub(super) fn set(
        &mut self,
        channel: &mut Channel,
        document: Option<Arc<JsonObject>>,
    ) -> Result<bool, PublishError> {
        let (before, after) = (weight(channel.document.as_deref()), weight(document.as_deref()));
        let service = channel.name.service();
        let more = after.saturating_sub(before);
        let (bytes, most) = (&mut self.document_bytes, STATUS_DOCUMENT_BYTES_PER_SHARD);
        if more > 0 && !bytes.fits(service, more, most) {
            return Err(PublishError::Saturated);
        }
        bytes.remove(service, before);
        bytes.add(service, after);
        channel.document = document;
        Ok(before > 0)
    }

    /// Takes over what another process has kept of a channel, whatever room there is.
    pub(super) fn take_over(
        &mut self,
        channel: &mut Channel,
        last: Option<Frame>,
        document: Option<Arc<JsonObject>>,
    ) {
        let service = channel.name.service();
        self.document_bytes.add(service, weight(document.as_deref()));
        channel.document = document;
        if let Some(last) = last {
            self.remember(channel, &Rc::new(last));
        }
    }

    /// Whether a channel that is otherwise of no use stays for its document or last event, on a
    /// shard with so many channels.
    pub(super) fn keeps(&self, channel: &Channel, channels: usize, now: Time) -> bool {
        let fresh = |last: &Rc<Frame>| now.since(last.accepted_at) < STATUS_AGE;
        channel.document.is_some()
            || channel.last.as_ref().is_some_and(fresh)
                && self.event_bytes <= STATUS_BYTES_PER_SHARD
                && channels <= MAX_CHANNELS_PER_SHARD / 2
    }

    /// A forgotten channel's last event is gone.
    pub(super) fn release(&mut self, channel: &Channel) {
        debug_assert!(channel.document.is_none(), "a channel stays for its document");
        self.event_bytes -= channel.last.as_ref().map_or(0, |last| last.weight());
    }

    #[cfg(test)]
    pub(super) fn document_bytes(&self) -> usize {
        self.document_bytes.all()
    }
}

pub(super) fn status(channel: &Channel) -> Option<StatusSource> {
    let document = channel.document.clone().map(StatusSource::Document);
    document.or_else(|| channel.last.as_ref().map(|last| StatusSource::Event(last.for_another())))
}

//! Status documents: what a service says about a channel, kept by the channel's home until it is
//! taken back. A status request is answered with it, before the channel's last event.

use std::sync::Arc;

use super::hub::Hub;
use super::lifecycle::DrainState;
use crate::limits::{STATUS_DOCUMENT_BYTES_PER_SHARD, STATUS_DOCUMENT_REST};
use crate::shared_frame::Frame;
use crate::types::{ChannelName, JsonObject, Now, PublishError};
use crate::wire::status::StatusView;

/// What a channel's home knows to say about it.
#[derive(Debug)]
pub enum StatusSource {
    /// The document that was put there.
    Document(Arc<JsonObject>),
    /// The last event.
    Event(Frame),
}

impl StatusSource {
    pub(super) fn said(&self) -> StatusView<'_> {
        match self {
            StatusSource::Document(document) => StatusView::Document(document.as_str()),
            StatusSource::Event(frame) => StatusView::Event(frame.text()),
        }
    }
}

/// What a document takes from the shard's bound.
fn weight(document: &JsonObject) -> usize {
    document.as_str().len() + STATUS_DOCUMENT_REST
}

impl Hub {
    /// Puts the document of a channel homed here, or with `None` takes it back. Returns whether
    /// there was one.
    ///
    /// # Errors
    /// [`PublishError`] when the shard has no room for it, or is draining.
    pub fn set_document(
        &mut self,
        now: Now,
        name: &ChannelName,
        document: Option<Arc<JsonObject>>,
    ) -> Result<bool, PublishError> {
        if self.drain != DrainState::No {
            return Err(PublishError::Saturated);
        }
        let found = match &document {
            Some(_) => self.channel(now, name).ok_or(PublishError::ChannelLimit)?,
            None => match self.channels.find(name) {
                Some(index) => index,
                None => return Ok(false),
            },
        };
        let before = self.channels[found].document.as_deref().map_or(0, weight);
        let after = document.as_deref().map_or(0, weight);
        if self.document_bytes - before + after > STATUS_DOCUMENT_BYTES_PER_SHARD {
            return Err(PublishError::Saturated);
        }
        self.document_bytes = self.document_bytes - before + after;
        let channel = &mut self.channels[found];
        channel.used_at = now.mono;
        channel.document = document;
        Ok(before > 0)
    }

    /// The document of a channel homed here.
    pub fn document(&self, name: &ChannelName) -> Option<Arc<JsonObject>> {
        self.channels[self.channels.find(name)?].document.clone()
    }

    /// What is to be told about a channel homed here.
    pub(super) fn told(&self, name: &ChannelName) -> Option<StatusSource> {
        let channel = &self.channels[self.channels.find(name)?];
        let document = channel.document.clone().map(StatusSource::Document);
        document
            .or_else(|| channel.last.as_ref().map(|last| StatusSource::Event(last.for_another())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::limits::CHANNEL_IDLE;
    use crate::types::{ShardId, Time};

    fn document(len: usize) -> Arc<JsonObject> {
        let text = format!(r#"{{"status":"{}"}}"#, "x".repeat(len));
        Arc::new(JsonObject::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn documents_have_a_bound_and_give_back_what_they_took() {
        let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 1, 1);
        let now = Now::default();
        let name = |i: usize| ChannelName::parse(&format!("c:{i}")).unwrap();
        let large = document(1 << 20);
        let mut kept = 0;
        while hub.set_document(now, &name(kept), Some(Arc::clone(&large))).is_ok() {
            kept += 1;
        }
        assert_eq!(kept, 63, "64 MiB hold 63 documents of a little more than 1 MiB");
        assert_eq!(hub.set_document(now, &name(0), None), Ok(true));
        assert_eq!(hub.set_document(now, &name(0), None), Ok(false));
        assert_eq!(hub.set_document(now, &name(99), Some(Arc::clone(&large))), Ok(false));
        assert_eq!(hub.set_document(now, &name(99), Some(large)), Ok(true), "in its own place");
        for i in 0..=99 {
            hub.set_document(now, &name(i), None).unwrap();
        }
        assert_eq!(hub.document_bytes, 0);
    }

    #[test]
    fn a_channel_stays_for_its_document() {
        let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 1, 1);
        let name = ChannelName::parse("pool:1").unwrap();
        hub.set_document(Now::default(), &name, Some(document(3))).unwrap();
        let late = Now { mono: Time(0) + CHANNEL_IDLE * 100, unix_us: 0 };
        (0..100).for_each(|_| hub.handle_tick(late));
        assert!(hub.document(&name).is_some());
        hub.set_document(late, &name, None).unwrap();
        let later = Now { mono: late.mono + CHANNEL_IDLE * 2, unix_us: 0 };
        (0..100).for_each(|_| hub.handle_tick(later));
        assert!(hub.channels.find(&name).is_none());
    }
}

//! Clients of a session protocol of the embedder that get a part of each update: their own shard
//! makes it, once for each filter.

use std::collections::HashMap;

use super::answers::text_frame;
use crate::broker::core::Core;
use crate::config::SessionProtocol;
use crate::types::{ChannelIndex, ConnectionKey, MessageType};

/// Who has asked for a part, by connection index.
#[derive(Debug, Default)]
pub(super) struct Filters {
    of: HashMap<u32, Filter>,
}

#[derive(Debug)]
struct Filter {
    key: ConnectionKey,
    text: Box<str>,
    /// Held, so that the home goes on serving this shard.
    channel: ChannelIndex,
}

impl Filters {
    pub(super) fn set(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        text: String,
        channel: ChannelIndex,
    ) {
        core.channels.hold(channel);
        core.links.prepare(&mut core.channels, channel, None);
        self.of.insert(key.index, Filter { key, text: text.into(), channel });
    }

    /// The connection has no filter any more, or is on its way out.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) {
        if let Some(filter) = self.of.remove(&key.index) {
            core.channels.release(filter.channel);
        }
    }

    /// Sends each of a channel's filtering clients its part of the newest update.
    pub(super) fn send_parts(
        &self,
        core: &mut Core,
        protocol: &dyn SessionProtocol,
        channel: ChannelIndex,
        timestamp: &str,
    ) {
        let log = core.channels.log(channel);
        let newest = log.from(log.head()).next().cloned();
        let Some(newest) = newest.filter(|_| !self.of.is_empty()) else { return };
        let mut made: HashMap<&str, Option<Vec<u8>>> = HashMap::new();
        for filter in self.of.values().filter(|filter| filter.channel == channel) {
            let part = made.entry(&filter.text).or_insert_with(|| {
                let part = protocol.part(newest.text(), &filter.text, timestamp)?;
                Some(text_frame(&part))
            });
            if let Some(part) = part.clone() {
                core.connections.answer(&mut core.cx, filter.key, MessageType::Event, part);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = ChannelIndex> + '_ {
        self.of.values().map(|filter| filter.channel)
    }
}

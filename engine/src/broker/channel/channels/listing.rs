//! What operators are told about channels.

use std::time::Duration;

use super::{Channels, Role};
use crate::broker::context::Context;
use crate::limits::LISTING_LOOKS;
use crate::types::{ChannelName, Epoch, Seq, ServiceId};

/// What a page of channels says about one that is homed on this shard.
#[derive(Clone, Debug)]
pub struct ChannelEntry {
    /// Its name.
    pub name: ChannelName,
    /// Position of its last message.
    pub seq: Seq,
    /// Its log's epoch.
    pub epoch: Epoch,
}

/// What is told about one channel that is homed on this shard.
#[derive(Clone, Debug)]
pub struct ChannelState {
    /// As a page has it.
    pub entry: ChannelEntry,
    /// Frames that its log holds.
    pub log_frames: usize,
    /// Their bytes.
    pub log_bytes: usize,
    /// Time since its last message; `None` if the shard knows of none.
    pub last_publish: Option<Duration>,
    /// Whether it has a status document.
    pub has_status: bool,
    /// The position of its state document, and the document's bytes.
    pub state: Option<(Seq, usize)>,
    /// The name of its class.
    pub class: Box<str>,
}

impl Channels {
    /// A service's channels homed here from slot `from` on, at most `limit` and perhaps none, and
    /// the slot to go on from.
    pub(crate) fn page(
        &self,
        service: ServiceId,
        from: u32,
        limit: usize,
    ) -> (Vec<ChannelEntry>, Option<u32>) {
        let mut page = Vec::new();
        for slot in from..self.table.slots() {
            if page.len() == limit || slot - from == LISTING_LOOKS {
                return (page, Some(slot));
            }
            let Some((_, channel)) = self.table.at(slot) else { continue };
            let listed = channel.name.service() == service && !channel.name.is_probe();
            if matches!(channel.role, Role::Home(_)) && listed {
                let (seq, epoch) = (channel.log.head(), channel.log.epoch());
                page.push(ChannelEntry { name: channel.name.clone(), seq, epoch });
            }
        }
        (page, None)
    }

    /// Subscribers on this shard.
    pub(crate) fn subscribers(&self, name: &ChannelName) -> u64 {
        self.table.find(name).map_or(0, |index| self.table[index].live.len() as u64)
    }

    /// A channel homed here.
    pub(crate) fn state(&self, cx: &Context, name: &ChannelName) -> Option<ChannelState> {
        let channel = &self.table[self.table.find(name)?];
        let log = &channel.log;
        matches!(channel.role, Role::Home(_)).then(|| ChannelState {
            entry: ChannelEntry { name: name.clone(), seq: log.head(), epoch: log.epoch() },
            log_frames: log.len(),
            log_bytes: log.bytes(),
            last_publish: log.last_at().map(|at| cx.time().since(at)),
            has_status: channel.document.is_some(),
            state: channel.state.as_ref().map(|state| (state.seq, state.state.as_str().len())),
            class: channel.class.name.clone(),
        })
    }
}

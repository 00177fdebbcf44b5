//! Requests of clients for a channel's history, which its home answers.

use std::collections::HashSet;

use slab::Slab;

use super::answers;
use super::auth::Authentication;
use super::order::Correlation;
use crate::broker::core::Core;
use crate::broker::log_page::{HistoryPosition, HistoryRange, LogPage};
use crate::broker::shard_messages::Request as ShardRequest;
use crate::broker::upstream_messages::{ReadId, ReadRange, UpstreamRequest};
use crate::config::{ReadPage, Unavailable};
use crate::limits::{HISTORY_ANSWER_SHARE, HISTORY_BYTES, HISTORY_MESSAGES};
use crate::telemetry::Count;
use crate::types::{ChannelName, ConnectionKey, Epoch, ErrorCode, MessageType, RequestId};
use crate::wire::encoder::Outbound;
use crate::wire::request::{HistoryRequest, Since};

/// The requests that wait for another shard, at most one of each connection.
#[derive(Debug, Default)]
pub(super) struct HistoryReads {
    all: Slab<HistoryRead>,
    asking: HashSet<ConnectionKey>,
}

/// A request for a channel's history.
#[derive(Debug)]
struct HistoryRead {
    key: ConnectionKey,
    correlation: Correlation,
    channel: ChannelName,
    range: HistoryRange,
}

impl HistoryReads {
    /// A client asks for a channel's history.
    pub(super) fn begin(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        correlation: Option<&str>,
        request: &HistoryRequest,
    ) {
        let channel = request.channel.clone().at(core.connections[key].service());
        if !auth.may_read_history(core, key, &channel) {
            let text = format!("Not authorized to read the history of {channel}");
            return answers::refuse(core, key, correlation, ErrorCode::Forbidden, &text);
        }
        // A text that no epoch of ours has is an epoch of no log.
        let position = |since: Since| HistoryPosition {
            epoch: Some(since.epoch.unwrap_or(Epoch(0))),
            seq: since.seq,
        };
        let range = HistoryRange {
            since: request.since.map(position),
            limit: request.limit,
            bytes: largest_answer(core),
            reverse: request.reverse,
        };
        let home = core.cx.homes.of(&channel);
        let read = HistoryRead { key, correlation: correlation.map(Into::into), channel, range };
        if core.cx.is_outside(&read.channel) {
            return self.read_outside(core, read);
        }
        if home == core.cx.shard {
            let page = core.read_log(&read.channel, &range);
            answer(core, &read, &page);
        } else if core.links.has_credit(home) {
            self.asking.insert(key);
            let channel = read.channel.clone();
            let id = RequestId(self.all.insert(read) as u32);
            core.links.request(home, ShardRequest::ReadLog { id, channel, range });
        } else {
            answers::busy(core, key, correlation);
        }
    }

    /// The external order has the messages, as many as it keeps.
    fn read_outside(&mut self, core: &mut Core, read: HistoryRead) {
        self.asking.insert(read.key);
        let HistoryRange { limit, bytes, reverse, .. } = read.range;
        let since = LogPage::since_for(core.cx.epoch, &read.range);
        let (channel, messages) = (read.channel.clone(), limit.clamp(1, HISTORY_MESSAGES));
        let id = ReadId::History(RequestId(self.all.insert(read) as u32));
        let range = ReadRange { since, reverse, messages, bytes };
        core.cx.push_upstream(UpstreamRequest::Read { id, channel, range });
    }

    /// The external order has read, or cannot. Returns the client.
    pub(super) fn finish_outside(
        &mut self,
        core: &mut Core,
        id: RequestId,
        page: Result<ReadPage, Unavailable>,
    ) -> ConnectionKey {
        let Ok(page) = page else {
            let read = self.all.remove(id.index());
            self.asking.remove(&read.key);
            if core.connections.is_open(read.key) {
                let (code, text) = (ErrorCode::Unavailable, Unavailable.to_string());
                answers::refuse(core, read.key, read.correlation.as_deref(), code, &text);
            }
            return read.key;
        };
        let page = LogPage::of_read(page, &self.all[id.index()].range);
        core.cx.recorder.count(Count::HistoryReads, 1);
        core.cx.recorder.count(Count::HistoryMessages, page.len() as u64);
        self.finish(core, id, &page)
    }

    /// Whether other shards have answered everything.
    pub(super) fn is_quiet(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a request of a connection is under way.
    pub(super) fn is_asking(&self, key: ConnectionKey) -> bool {
        self.asking.contains(&key)
    }

    /// The connection is on its way out.
    pub(super) fn forget(&mut self, key: ConnectionKey) {
        self.asking.remove(&key);
    }

    /// The channel's home has answered. Returns the client.
    pub(super) fn finish(
        &mut self,
        core: &mut Core,
        id: RequestId,
        page: &LogPage,
    ) -> ConnectionKey {
        let read = self.all.remove(id.index());
        self.asking.remove(&read.key);
        if core.connections.is_open(read.key) {
            answer(core, &read, page);
        }
        read.key
    }
}

/// Bytes of messages in one answer.
fn largest_answer(core: &Core) -> usize {
    (core.cx.config.max_outbox / HISTORY_ANSWER_SHARE).min(HISTORY_BYTES)
}

fn answer(core: &mut Core, read: &HistoryRead, page: &LogPage) {
    let HistoryRead { key, correlation, channel, .. } = read;
    let data = page.answer(channel, largest_answer(core));
    core.answer(*key, MessageType::Response, |encoder, stamp, out| {
        encoder.write(stamp, correlation.as_deref(), &Outbound::response("history", &data), out);
    });
}

//! Reading a channel's log by request.

use super::{Channels, Log};
use crate::broker::context::Context;
use crate::broker::log_page::{HistoryPosition, HistoryRange, LogPage};
use crate::types::{ChannelName, Seq};
use crate::wire::reply::NotRecovered;

impl Channels {
    /// Reads the log of a channel homed here, which need not be known.
    pub(crate) fn read_log(
        &self,
        cx: &Context,
        name: &ChannelName,
        range: &HistoryRange,
    ) -> LogPage {
        match self.table.find(name).map(|index| &self.table[index]) {
            // Its frames are updates for the clients of a protocol, and no messages.
            Some(channel) if channel.is_periodic => {
                let log = Log::new(channel.log.epoch(), channel.log.head());
                read(&log, range)
            }
            Some(channel) => read(&channel.log, range),
            None => read(&Log::new(cx.epoch, self.forgotten.head(name)), range),
        }
    }
}

fn read(log: &Log, range: &HistoryRange) -> LogPage {
    let since = range.since;
    let is_current = |since: HistoryPosition| since.epoch.is_none_or(|of| of == log.epoch());
    let missing = since.and_then(|since| match range.reverse {
        _ if !is_current(since) => Some(NotRecovered::Restart),
        _ if since.seq > log.head() => Some(NotRecovered::Ahead),
        false if since.seq.next() < log.first() => Some(NotRecovered::Retention),
        _ => None,
    });
    let since = since.filter(|since| is_current(*since)).map(|since| since.seq);
    let held = (log.oldest().map(|(seq, _)| seq), log.head());
    let mut page = LogPage::empty(log.epoch(), held);
    page.missing = missing;
    match range.reverse {
        true => page.take(log.before(since.unwrap_or(log.head().next())), range),
        false => page.take(log.from(since.map_or(log.first(), Seq::next)), range),
    }
    page
}

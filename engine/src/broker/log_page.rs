//! A part of a channel's log, which is read by request.

use std::rc::Rc;

use crate::config::ReadPage;
use crate::limits::HISTORY_MESSAGES;
use crate::shared_frame::Frame;
use crate::types::{ChannelName, Epoch, Seq, Sequenced, Time};
use crate::wire::encoder::{Encoder, Stamp};
use crate::wire::history::{HistoryAnswer, HistoryMessage};
use crate::wire::reply::NotRecovered;

/// Which part of a channel's log is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRange {
    /// The position to go on from: its own message is not in the answer. Without one the answer
    /// begins at an end of the log.
    pub since: Option<HistoryPosition>,
    /// Messages at most, within [`HISTORY_MESSAGES`].
    pub limit: usize,
    /// Bytes of messages, as they are sent, at most. One message is answered whatever its size.
    pub bytes: usize,
    /// From the position, or the newest message, to older ones.
    pub reverse: bool,
}

/// A position in a channel, as the reader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryPosition {
    /// The epoch that it is in; the present one if it is not said.
    pub epoch: Option<Epoch>,
    /// The position.
    pub seq: Seq,
}

/// A part of a channel's log.
#[derive(Debug)]
pub struct LogPage {
    /// The log's epoch.
    pub epoch: Epoch,
    /// Position of the oldest message that the log holds.
    pub oldest: Option<Seq>,
    /// Position of the newest message, also when the log does not hold it.
    pub newest: Seq,
    /// Messages in the order that was asked for.
    frames: Vec<Frame>,
    /// Whether the log holds further ones in that direction.
    pub more: bool,
    /// Why this is not all that follows the position that was named.
    pub missing: Option<NotRecovered>,
}

impl LogPage {
    /// A part without messages, of a log that holds those from `oldest` to `newest`.
    pub(super) fn empty(epoch: Epoch, (oldest, newest): (Option<Seq>, Seq)) -> LogPage {
        LogPage { epoch, oldest, newest, frames: Vec::new(), more: false, missing: None }
    }

    /// What an external order has read of the messages from a position on.
    pub(crate) fn of_read(page: ReadPage, range: &HistoryRange) -> LogPage {
        let ReadPage { epoch, oldest, newest, messages, more } = page;
        let since = range.since.map(|since| since.seq);
        let is_gone = |since: Seq| messages.first().is_some_and(|first| first.prev > since);
        let missing = match since {
            _ if range.since.is_some_and(|since| since.epoch.is_some_and(|of| of != epoch)) => {
                Some(NotRecovered::Restart)
            }
            Some(since) if since > newest => Some(NotRecovered::Ahead),
            Some(since) if !range.reverse && is_gone(since) => Some(NotRecovered::Retention),
            _ => None,
        };
        let mut encoder = Encoder::default();
        let frame = |message| LogPage::frame_of(&mut encoder, message);
        let frames = messages.iter().map(frame).collect();
        LogPage { epoch, oldest, newest, frames, more, missing }
    }

    /// A message that an external order has read.
    pub(super) fn frame_of(encoder: &mut Encoder, message: &Sequenced) -> Frame {
        let Sequenced { publication, seq, id, unix_us, .. } = message;
        let stamp = Stamp { id: *id, unix_us: *unix_us };
        Frame::new(encoder.broadcast(stamp, publication, *seq, None), *seq, Time::default(), 0)
    }

    /// The position by which an external order of this epoch is to read a range.
    pub(crate) fn since_for(epoch: Epoch, range: &HistoryRange) -> Option<Seq> {
        let since = range.since.filter(|since| since.epoch.is_none_or(|of| of == epoch));
        since.map(|since| since.seq)
    }

    /// Its messages.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// What is answered. Documents that have more than so many bytes are left out.
    pub fn answer<'a>(&'a self, channel: &'a ChannelName, max_data: usize) -> HistoryAnswer<'a> {
        let message = |frame: &'a Frame| {
            let message = HistoryMessage::read(frame.seq, frame.text())?;
            let fits = message.data.is_none_or(|data| data.get().len() <= max_data);
            Some(if fits { message } else { message.without_data() })
        };
        HistoryAnswer {
            channel,
            epoch: self.epoch,
            oldest: self.oldest,
            newest: self.newest,
            messages: self.frames.iter().filter_map(message).collect(),
            more: self.more,
            partial: self.missing.is_some(),
            reason: self.missing,
        }
    }

    /// Takes as many of these frames as the range allows.
    pub(super) fn take<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a Rc<Frame>>,
        range: &HistoryRange,
    ) {
        let limit = range.limit.clamp(1, HISTORY_MESSAGES);
        let mut bytes = 0;
        for frame in frames {
            bytes += frame.bytes().len();
            let is_full = self.frames.len() == limit || bytes > range.bytes;
            if is_full && !self.frames.is_empty() {
                self.more = true;
                return;
            }
            self.frames.push(frame.for_another());
        }
    }
}

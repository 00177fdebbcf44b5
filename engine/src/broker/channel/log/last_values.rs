//! The newest message of each key of a channel: where it is, and itself once the log dropped it.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::shared_frame::Frame;
use crate::types::{MessageKey, Seq};

/// How many messages may be kept beyond a log's own, and bytes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeepRoom {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// The newest messages by key. A key is known as long as its newest message is held, here or in
/// the log.
#[derive(Debug, Default)]
pub(super) struct LastValues {
    newest: HashMap<MessageKey, Seq>,
    /// Those that the log has dropped.
    kept: BTreeMap<Seq, Rc<Frame>>,
    /// Bytes of these.
    bytes: usize,
}

impl LastValues {
    /// Bytes of the messages that are held here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that are held here, from a position on, oldest first.
    pub(super) fn kept(&self, from: Seq) -> impl Iterator<Item = &Rc<Frame>> {
        self.kept.range(from..).map(|(_, frame)| frame)
    }

    /// A message of a key that is newer than all. Returns the position of the one it replaces.
    pub(super) fn replace(&mut self, key: &MessageKey, seq: Seq) -> Option<Seq> {
        let old = self.newest.insert(key.clone(), seq)?;
        self.drop_kept(old);
        Some(old)
    }

    /// An older message of a key is in the log again. Returns whether a newer one replaces it.
    pub(super) fn restore(&mut self, key: &MessageKey, seq: Seq) -> bool {
        self.drop_kept(seq);
        *self.newest.entry(key.clone()).or_insert(seq) != seq
    }

    /// The log drops the newest message of a key. It is held here as far as there is room, before
    /// older ones. Returns the position up to which the newest of some key are gone.
    pub(super) fn keep(&mut self, frame: &Rc<Frame>, room: KeepRoom) -> Option<Seq> {
        self.bytes += frame.weight();
        self.kept.insert(frame.seq, frame.clone());
        let mut gone = None;
        while self.kept.len() > room.frames || self.bytes > room.bytes {
            let Some((&oldest, _)) = self.kept.first_key_value() else { break };
            self.forget(oldest);
            gone = Some(oldest);
        }
        gone
    }

    /// The newest message of a key, unless a newer one is known, is held here. Returns what
    /// [`LastValues::keep`] does.
    pub(super) fn restore_kept(&mut self, frame: &Rc<Frame>, room: KeepRoom) -> Option<Seq> {
        let key = frame.key().filter(|key| !self.newest.contains_key(key))?;
        self.newest.insert(key.clone(), frame.seq);
        self.keep(frame, room)
    }

    /// The log drops the newest message of a key, which is held no more.
    pub(super) fn drop_newest(&mut self, key: &MessageKey) {
        self.newest.remove(key);
    }

    /// Holds nothing here any more. Returns the position of the newest message that was.
    pub(super) fn clear(&mut self) -> Option<Seq> {
        let last = self.kept.last_key_value().map(|(seq, _)| *seq);
        while let Some((&seq, _)) = self.kept.first_key_value() {
            self.forget(seq);
        }
        last
    }

    fn forget(&mut self, seq: Seq) {
        let frame = self.drop_kept(seq);
        if let Some(key) = frame.as_ref().and_then(|frame| frame.key()) {
            self.newest.remove(key);
        }
    }

    fn drop_kept(&mut self, seq: Seq) -> Option<Rc<Frame>> {
        let frame = self.kept.remove(&seq)?;
        self.bytes -= frame.weight();
        Some(frame)
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.newest.len()
    }
}

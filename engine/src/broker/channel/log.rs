//! A channel's recent frames in order, read at many cursors.

mod last_values;

use std::collections::VecDeque;
use std::rc::Rc;

pub(crate) use last_values::KeepRoom;

#[cfg(test)]
use crate::broker::recovery_faults::RecoveryFault;
use crate::shared_frame::Frame;
use crate::types::{Epoch, Seq, Time};
use last_values::LastValues;

/// Frames with spans that follow each other without a hole, oldest first. A message of an order
/// with holes spans those in front of it, too.
#[derive(Debug)]
pub(crate) struct Log {
    epoch: Epoch,
    head: Seq,
    /// Whether messages are no neighbours: positions say nothing about how many there are.
    sparse: bool,
    /// When the newest message was accepted, also when its frame is gone.
    last_at: Option<Time>,
    entries: VecDeque<Entry>,
    /// Position and time of the oldest of them, if there are any: each tick and each message asks,
    /// and among many channels the entry itself is in no cache.
    oldest: (Seq, Time),
    /// Sum of the bytes before the oldest frame; only differences of sums mean anything.
    start: u64,
    /// The sum after the newest.
    end: u64,
    /// Bytes of the frames' encodings beside the plain one.
    encodings: usize,
    /// The newest messages by key, once a message has had one.
    last: Option<Box<LastValues>>,
    /// Up to here something is gone that nothing newer replaces.
    lost: Seq,
    /// Another one once it is no longer what it was with further messages at its end.
    edition: u64,
}

/// A frame with what is asked about it long after it was sent: among many channels the frame
/// itself is in no cache by then.
#[derive(Debug)]
struct Entry {
    frame: Rc<Frame>,
    seq: Seq,
    accepted_at: Time,
    /// The sum of bytes after it.
    end: u64,
    /// Whether the frame waits for this shard among others; backlog does not.
    counted: bool,
    /// Whether a newer message has the same key.
    replaced: bool,
}

/// So many entries at the end are looked at one by one.
const NEAR: usize = 4;

/// Bytes of a frame's encodings beside the plain one.
fn encodings(frame: &Frame) -> usize {
    frame.weight() - frame.bytes().len()
}

impl Entry {
    fn new(frame: Rc<Frame>, end: u64, counted: bool) -> Entry {
        let Frame { seq, accepted_at, .. } = *frame;
        Entry { frame, seq, accepted_at, end, counted, replaced: false }
    }
}

impl Log {
    /// An empty log: its next message is `head + 1`.
    pub(crate) fn new(epoch: Epoch, head: Seq) -> Log {
        Log {
            epoch,
            head,
            sparse: false,
            last_at: None,
            entries: VecDeque::new(),
            oldest: Default::default(),
            start: 0,
            end: 0,
            encodings: 0,
            last: None,
            lost: head,
            edition: 0,
        }
    }

    /// The same, of messages that need not be neighbours.
    #[must_use]
    pub(crate) fn sparse(self, sparse: bool) -> Log {
        Log { sparse, ..self }
    }

    pub(crate) fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// An empty log behind `before`, of which everything up to `lost` is gone that nothing newer
    /// replaces. Its newest message was accepted at `last_at`.
    pub(crate) fn continued(
        epoch: Epoch,
        (before, lost): (Seq, Seq),
        last_at: Option<Time>,
    ) -> Log {
        Log { lost, last_at, ..Log::new(epoch, before) }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Which it is of all that the channel's logs have been: another one once it has begun anew, or
    /// older messages were put in front.
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    pub(crate) fn set_edition(&mut self, edition: u64) {
        self.edition = edition;
    }

    /// Position of the newest message, also when its frame is gone.
    pub(crate) fn head(&self) -> Seq {
        self.head
    }

    /// When the newest message was accepted here, also when its frame is gone.
    pub(crate) fn last_at(&self) -> Option<Time> {
        self.last_at
    }

    /// Position from which on every message is here: `head + 1` when nothing is.
    pub(crate) fn first(&self) -> Seq {
        self.entries.front().map_or(self.head.next(), |entry| entry.frame.first)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the frames held, in all their encodings.
    pub(crate) fn bytes(&self) -> usize {
        (self.end - self.start) as usize + self.encodings
    }

    /// Bytes of what it keeps of keys beyond its frames.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.last.as_ref().map_or(0, |last| last.bytes())
    }

    /// Up to here something is gone that nothing newer replaces.
    pub(crate) fn lost(&self) -> Seq {
        self.lost
    }

    /// Adds the next frame (invariant 2: `frame` starts right after the head). `counted` says
    /// whether the frame waits for this shard to be done with it.
    pub(crate) fn append(&mut self, frame: Rc<Frame>, counted: bool) {
        assert_eq!(frame.first, self.head.next(), "a log has no holes");
        self.head = frame.seq;
        self.last_at = Some(frame.accepted_at);
        self.end += frame.bytes().len() as u64;
        self.encodings += encodings(&frame);
        self.replace(&frame);
        if self.entries.is_empty() {
            self.oldest = (frame.seq, frame.accepted_at);
        }
        self.entries.push_back(Entry::new(frame, self.end, counted));
    }

    /// Puts older frames before the oldest, as far as they reach it without a hole.
    pub(crate) fn prepend(&mut self, older: &[Rc<Frame>]) -> usize {
        let mut added = 0;
        for frame in older.iter().rev() {
            if frame.seq.next() != self.first() {
                continue;
            }
            let bytes = frame.bytes().len() as u64;
            if self.start < bytes {
                let shift = bytes - self.start;
                self.start += shift;
                self.end += shift;
                self.entries.iter_mut().for_each(|entry| entry.end += shift);
            }
            let mut entry = Entry::new(frame.clone(), self.start, false);
            if let Some(key) = frame.key() {
                entry.replaced = self.last.get_or_insert_default().restore(key, frame.seq);
            }
            self.entries.push_front(entry);
            self.start -= bytes;
            self.encodings += encodings(frame);
            added += frame.weight();
        }
        self.note_oldest();
        added
    }

    /// The newest message of its key is about to be added.
    fn replace(&mut self, frame: &Frame) {
        let Some(key) = frame.key() else { return };
        let old = self.last.get_or_insert_default().replace(key, frame.seq);
        if let Some(old) = old
            && let place = self.entries.partition_point(|entry| entry.seq < old)
            && let Some(entry) = self.entries.get_mut(place)
            && entry.seq == old
        {
            entry.replaced = true;
        }
    }

    /// Drops the oldest frame. `keep`: room for the newest messages of keys; none are kept without.
    pub(crate) fn evict(&mut self, keep: Option<KeepRoom>) -> Option<Rc<Frame>> {
        let Entry { frame, end, replaced, .. } = self.entries.pop_front()?;
        self.note_oldest();
        self.start = end;
        self.encodings -= encodings(&frame);
        let mut lost = (!replaced).then_some(frame.seq);
        if let Some(last) = &mut self.last {
            match (frame.key().filter(|_| !replaced), keep) {
                (Some(_), Some(room)) => lost = last.keep(&frame, room),
                (Some(key), None) => last.drop_newest(key),
                (None, _) => {}
            }
        }
        self.lost = self.lost.max(lost.unwrap_or_default());
        if keep.is_none() {
            self.forget_kept();
        }
        Some(frame)
    }

    /// What is older than its frames is kept beyond them from now on, but for what is gone up to
    /// `lost`.
    pub(crate) fn set_lost(&mut self, lost: Seq) {
        self.lost = lost;
    }

    /// Keeps a message of a key beyond its frames, unless a newer one is known.
    pub(crate) fn restore(&mut self, frame: Rc<Frame>, room: KeepRoom) {
        if frame.seq < self.first() {
            let gone = self.last.get_or_insert_default().restore_kept(&frame, room);
            self.lost = self.lost.max(gone.unwrap_or_default());
        }
    }

    /// What it keeps of keys beyond its frames, oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Rc<Frame>> {
        self.last.iter().flat_map(|last| last.kept(Seq(0)))
    }

    /// Keeps nothing of keys beyond its frames any more.
    pub(crate) fn forget_kept(&mut self) {
        let gone = self.last.as_mut().and_then(|last| last.clear());
        self.lost = self.lost.max(gone.unwrap_or_default());
    }

    /// The oldest frame's position, and when it was accepted.
    pub(crate) fn oldest(&self) -> Option<(Seq, Time)> {
        (!self.entries.is_empty()).then_some(self.oldest)
    }

    /// Another frame is the oldest.
    fn note_oldest(&mut self) {
        let oldest = self.entries.front().map(|entry| (entry.seq, entry.accepted_at));
        self.oldest = oldest.unwrap_or_default();
    }

    /// Place of the first entry that brings a reader at `cursor` forward.
    fn place(&self, cursor: Seq) -> usize {
        // The common case: the reader has everything, and no entry is looked at.
        if cursor > self.head {
            return self.entries.len();
        }
        // Else it has nearly everything: what is newest is in the cache, the middle is not.
        let newest = self.entries.iter().rev().take(NEAR);
        let near = newest.take_while(|entry| entry.seq >= cursor).count();
        if near < NEAR {
            return self.entries.len() - near;
        }
        self.entries.partition_point(|entry| entry.seq < cursor)
    }

    /// Frames that bring a reader at `cursor` (its next position) forward, oldest first. A reader
    /// with a cursor below `first` has missed something.
    pub(crate) fn from(&self, cursor: Seq) -> impl Iterator<Item = &Rc<Frame>> {
        self.entries.range(self.place(cursor)..).map(|entry| &entry.frame)
    }

    /// The frames before the position `cursor`, newest first.
    pub(crate) fn before(&self, cursor: Seq) -> impl Iterator<Item = &Rc<Frame>> {
        self.entries.range(..self.place(cursor)).rev().map(|entry| &entry.frame)
    }

    /// Those from `cursor` on that no newer one of the same key replaces, and before them what is
    /// kept of keys beyond the log.
    pub(crate) fn newest_from(&self, cursor: Seq) -> impl Iterator<Item = &Rc<Frame>> {
        let kept = self.last.iter().flat_map(move |last| last.kept(cursor));
        let entries = self.entries.range(self.place(cursor)..).filter(|entry| !entry.replaced);
        kept.chain(entries.map(|entry| &entry.frame))
    }

    /// The frames `from ..= to`, each with whether it waits for this shard.
    pub(crate) fn range(&self, from: Seq, to: Seq) -> impl Iterator<Item = (&Rc<Frame>, bool)> {
        let entries = self.entries.range(self.place(from)..).take_while(move |e| e.seq <= to);
        entries.map(|entry| (&entry.frame, entry.counted))
    }

    /// The oldest of the last `n` positions up to `to`: of the messages up to there that are here,
    /// where they are no neighbours.
    pub(crate) fn last(&self, to: Seq, n: u64) -> Seq {
        #[cfg(test)]
        let n = n - u64::from(RecoveryFault::Short.is_present() && n > 1);
        if !self.sparse {
            return Seq((to.0 + 1).saturating_sub(n));
        }
        let end = self.place(to.next());
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        self.entries.get(end.saturating_sub(n)).map_or(to.next(), |entry| entry.frame.first)
    }

    /// Frames that end at `to` or before it.
    pub(crate) fn frames_to(&self, to: Seq) -> usize {
        self.place(to.next())
    }

    /// Messages that a reader at `cursor` still has before it, as far as they are known.
    pub(crate) fn messages_from(&self, cursor: Seq) -> u64 {
        match self.sparse {
            true => self.unread(cursor).0 as u64,
            false => (self.head.0 + 1).saturating_sub(cursor.0),
        }
    }

    /// Frames that a reader at `cursor` still has before it, and their bytes.
    pub(crate) fn unread(&self, cursor: Seq) -> (usize, usize) {
        let place = self.place(cursor);
        (self.entries.len() - place, self.bytes_behind(place))
    }

    /// Bytes of the frames `from ..= to`.
    pub(crate) fn bytes_of(&self, from: Seq, to: Seq) -> usize {
        self.bytes_from(from) - self.bytes_from(to.next())
    }

    /// Bytes of the frames a reader at `cursor` still has before it.
    pub(crate) fn bytes_from(&self, cursor: Seq) -> usize {
        self.bytes_behind(self.place(cursor))
    }

    fn bytes_behind(&self, place: usize) -> usize {
        let below = match place {
            0 => self.start,
            place if place == self.entries.len() => self.end,
            place => self.entries[place - 1].end,
        };
        (self.end - below) as usize
    }
}

#[cfg(test)]
mod tests;

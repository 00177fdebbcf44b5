//! A channel's recent frames in order, read at many cursors.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frame::Frame;
use crate::types::{Epoch, Seq};

/// Frames whose spans follow each other without a hole, oldest first.
#[derive(Debug)]
pub(crate) struct Log {
    epoch: Epoch,
    head: Seq,
    entries: VecDeque<Entry>,
    /// Bytes ever appended; an entry's `end` is this sum after it.
    appended: u64,
}

#[derive(Debug)]
struct Entry {
    frame: Arc<Frame>,
    end: u64,
    /// Whether the frame waits for this shard among others; backlog does not.
    counted: bool,
}

impl Log {
    /// An empty log whose next message is `head + 1`.
    pub(crate) fn new(epoch: Epoch, head: Seq) -> Log {
        Log { epoch, head, entries: VecDeque::new(), appended: 0 }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Position of the newest message, also when its frame is gone.
    pub(crate) fn head(&self) -> Seq {
        self.head
    }

    /// Position from which on every message is here: `head + 1` when nothing is.
    pub(crate) fn first(&self) -> Seq {
        self.entries.front().map_or(self.head.next(), |entry| entry.frame.first)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the frames held.
    pub(crate) fn bytes(&self) -> usize {
        let start = self.entries.front().map_or(self.appended, Entry::start);
        (self.appended - start) as usize
    }

    /// Adds the next frame (invariant 2: `frame` starts right after the head). `counted` says
    /// whether the frame waits to hear that this shard is done with it.
    pub(crate) fn append(&mut self, frame: Arc<Frame>, counted: bool) {
        assert_eq!(frame.first, self.head.next(), "a log has no holes");
        self.head = frame.seq;
        self.appended += frame.bytes().len() as u64;
        self.entries.push_back(Entry { frame, end: self.appended, counted });
    }

    /// Puts older frames before the oldest, as far as they reach it without a hole.
    pub(crate) fn prepend(&mut self, older: &[Arc<Frame>]) -> usize {
        let mut added = 0;
        for frame in older.iter().rev() {
            if frame.seq.next() != self.first() {
                continue;
            }
            // Sums only matter relative to each other; make room below zero by shifting all.
            let bytes = frame.bytes().len() as u64;
            let start = self.entries.front().map_or(self.appended, Entry::start);
            if start < bytes {
                let shift = bytes - start;
                self.appended += shift;
                self.entries.iter_mut().for_each(|entry| entry.end += shift);
            }
            let end = self.entries.front().map_or(self.appended, Entry::start);
            self.entries.push_front(Entry { frame: frame.clone(), end, counted: false });
            added += frame.bytes().len();
        }
        added
    }

    /// Drops the oldest frame.
    pub(crate) fn evict(&mut self) -> Option<Arc<Frame>> {
        self.entries.pop_front().map(|entry| entry.frame)
    }

    /// The oldest frame.
    pub(crate) fn oldest(&self) -> Option<&Arc<Frame>> {
        self.entries.front().map(|entry| &entry.frame)
    }

    /// Frames that bring a reader at `cursor` (its next position) forward, oldest first. A reader
    /// whose cursor is below `first` has missed something.
    pub(crate) fn from(&self, cursor: Seq) -> impl Iterator<Item = &Arc<Frame>> {
        let start = self.entries.partition_point(|entry| entry.frame.seq < cursor);
        self.entries.range(start..).map(|entry| &entry.frame)
    }

    /// The frames `from ..= to`, each with whether it waits for this shard.
    pub(crate) fn range(&self, from: Seq, to: Seq) -> impl Iterator<Item = (&Arc<Frame>, bool)> {
        let start = self.entries.partition_point(|entry| entry.frame.seq < from);
        let entries = self.entries.range(start..).take_while(move |e| e.frame.seq <= to);
        entries.map(|entry| (&entry.frame, entry.counted))
    }

    /// Bytes of the frames a reader at `cursor` still has before it.
    pub(crate) fn bytes_from(&self, cursor: Seq) -> usize {
        let start = self.entries.partition_point(|entry| entry.frame.seq < cursor);
        let below = self.entries.get(start).map_or(self.appended, Entry::start);
        (self.appended - below) as usize
    }
}

impl Entry {
    fn start(&self) -> u64 {
        self.end - self.frame.bytes().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::Time;

    fn frame(seq: u64, len: usize) -> Arc<Frame> {
        let bytes = vec![seq as u8; len].into_boxed_slice();
        Arc::new(Frame::new(bytes, Seq(seq), Time(seq), 1))
    }

    proptest! {
        /// Against a plain list: the same frames from every cursor, the same byte counts.
        #[test]
        fn a_log_reads_like_a_list(ops in prop::collection::vec((0..4u8, 1..50usize), 1..80)) {
            let mut log = Log::new(Epoch(1), Seq(100));
            let mut list: VecDeque<(u64, usize)> = VecDeque::new();
            let mut gone: Vec<Arc<Frame>> = Vec::new();
            for (op, len) in ops {
                match op {
                    0 | 1 => {
                        let seq = log.head().0 + 1;
                        log.append(frame(seq, len), true);
                        list.push_back((seq, len));
                    }
                    2 => {
                        gone.extend(log.evict());
                        list.pop_front();
                    }
                    _ => {
                        let added = log.prepend(&gone);
                        for old in gone.drain(..).rev() {
                            list.push_front((old.seq.0, old.bytes().len()));
                        }
                        prop_assert!(log.len() == list.len(), "{added}");
                    }
                }
                prop_assert_eq!(log.bytes(), list.iter().map(|f| f.1).sum::<usize>());
                for cursor in 100..log.head().0 + 2 {
                    let want: Vec<u64> =
                        list.iter().map(|f| f.0).filter(|seq| *seq >= cursor).collect();
                    let got: Vec<u64> = log.from(Seq(cursor)).map(|f| f.seq.0).collect();
                    prop_assert_eq!(got, want);
                    let bytes: usize =
                        list.iter().filter(|f| f.0 >= cursor).map(|f| f.1).sum();
                    prop_assert_eq!(log.bytes_from(Seq(cursor)), bytes);
                }
            }
        }
    }
}

use proptest::prelude::*;

use super::*;
use crate::types::MessageKey;

fn frame(seq: u64, len: usize) -> Rc<Frame> {
    let bytes = vec![seq as u8; len].into_boxed_slice();
    Rc::new(Frame::new(bytes, Seq(seq), Time(seq), 1))
}

proptest! {
    /// Against a plain list: the same frames from every cursor, the same byte counts.
    #[test]
    fn a_log_reads_like_a_list(ops in prop::collection::vec((0..4u8, 1..50usize), 1..80)) {
        let mut log = Log::new(Epoch(1), Seq(100));
        let mut list: VecDeque<(u64, usize)> = VecDeque::new();
        let mut gone: Vec<Rc<Frame>> = Vec::new();
        for (op, len) in ops {
            match op {
                0 | 1 => {
                    let seq = log.head().0 + 1;
                    log.append(frame(seq, len), true);
                    list.push_back((seq, len));
                }
                2 => {
                    gone.extend(log.evict(None));
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
            prop_assert_eq!(log.oldest().map(|(seq, _)| seq.0), list.front().map(|f| f.0));
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

/// What a log with keys must be: every message with its key, and where the log begins.
#[derive(Default)]
struct Model {
    messages: Vec<Option<u8>>,
    first: u64,
}

impl Model {
    fn is_newest(&self, seq: u64) -> bool {
        let key = self.messages[seq as usize - 1];
        key.is_none() || !self.messages[seq as usize..].contains(&key)
    }

    /// What a reader gets of the newest messages.
    fn newest(&self, cursor: u64) -> Vec<u64> {
        let is_held = |seq: &u64| {
            let is_kept = self.messages[*seq as usize - 1].is_some();
            self.is_newest(*seq) && (*seq >= self.first || is_kept)
        };
        (cursor..=self.messages.len() as u64).filter(is_held).collect()
    }
}

fn keyed(seq: u64, key: Option<u8>) -> Rc<Frame> {
    let key = key.map(|key| MessageKey::parse(&key.to_string()).unwrap());
    Rc::new(Frame::with_key(vec![0; 10].into(), key, Seq(seq), Time(seq), 1))
}

proptest! {
    /// The newest message of each key is held, the log's own limits or not, and what is lost is
    /// known to be.
    #[test]
    fn the_newest_message_of_each_key_is_kept(
        ops in prop::collection::vec((0..3u8, prop::option::of(0..5u8)), 1..80),
    ) {
        let room = Some(KeepRoom { frames: 100, bytes: 1_000 });
        let (mut log, mut model) = (Log::new(Epoch(1), Seq(0)), Model::default());
        model.first = 1;
        for (op, key) in ops {
            if op > 0 {
                model.messages.push(key);
                log.append(keyed(model.messages.len() as u64, key), true);
            } else if let Some(dropped) = log.evict(room) {
                prop_assert_eq!(dropped.seq.0, model.first);
                model.first += 1;
            }
            let newest: Vec<u64> = log.newest_from(Seq(1)).map(|frame| frame.seq.0).collect();
            prop_assert_eq!(newest, model.newest(1));
            let lost = (1..model.first).rfind(|seq| model.messages[*seq as usize - 1].is_none());
            prop_assert_eq!(log.lost().0, lost.unwrap_or(0));
            let held = (1..model.first).filter(|seq| model.newest(1).contains(seq)).count();
            prop_assert_eq!(log.kept_bytes(), 10 * held);
        }
    }

    /// Bounded: the oldest are lost first, and no key is known without its message.
    #[test]
    fn what_is_kept_has_a_bound(
        keys in prop::collection::vec(0..20u8, 1..80),
        frames in 0..5usize,
        bytes in 0..50usize,
    ) {
        let room = KeepRoom { frames, bytes };
        let mut log = Log::new(Epoch(1), Seq(0));
        for (seq, key) in (1..).zip(keys) {
            log.append(keyed(seq, Some(key)), true);
            if log.len() > 3 {
                log.evict(Some(room));
            }
            let held = log.newest_from(Seq(1)).count();
            prop_assert!(held <= 3 + frames.min(bytes / 10));
            prop_assert_eq!(log.last.as_ref().map(|last| last.keys()), Some(held));
            let oldest = log.newest_from(Seq(1)).next().map_or(Seq(0), |frame| frame.seq);
            prop_assert!(log.lost() < oldest);
        }
        log.evict(None);
        prop_assert_eq!(log.kept_bytes(), 0);
    }
}

#[test]
fn older_messages_that_come_back_are_no_news() {
    let mut log = Log::new(Epoch(1), Seq(0));
    for (seq, key) in (1..).zip([Some(1), Some(2), Some(1), None]) {
        log.append(keyed(seq, key), true);
    }
    let room = Some(KeepRoom { frames: 9, bytes: 90 });
    let older: Vec<_> = (0..3).filter_map(|_| log.evict(room)).collect();
    let newest = |log: &Log| log.newest_from(Seq(1)).map(|frame| frame.seq.0).collect::<Vec<_>>();
    assert_eq!(newest(&log), [2, 3, 4]);
    log.prepend(&older);
    assert_eq!(newest(&log), [2, 3, 4]);
    assert_eq!((log.kept_bytes(), log.lost()), (0, Seq(0)));
}

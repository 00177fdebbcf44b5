use proptest::prelude::*;

use super::*;

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

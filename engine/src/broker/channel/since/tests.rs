use super::*;
use crate::shared_frame::{Encodings, InContext};
use crate::types::{Seq, Time};

fn frame_at(start: u64, need: u64) -> Frame {
    let bytes = || vec![0; 100].into_boxed_slice();
    let encodings = Encodings::new(Some(InContext { bytes: bytes(), start, need }));
    Frame::with_encodings((bytes(), Some(encodings)), None, Seq(1), Time(0), 1)
}

#[test]
fn a_newcomer_follows_once_it_has_what_a_message_refers_to() {
    let mut since = Since::COLD;
    let first = frame_at(5_000, 904);
    assert_eq!((since.take(&first), since), (Deflation::Twin, Since(5_000)));
    assert_eq!(since.take(&frame_at(9_000, 4_904)), Deflation::Twin);
    assert_eq!(since.take(&frame_at(9_100, 5_004)), Deflation::Context);
    assert_eq!(since, Since(5_000), "what comes in order changes nothing");
}

#[test]
fn a_new_compressor_s_first_message_is_for_all() {
    let mut since = Since::COLD;
    assert_eq!(since.take(&frame_at(5_000, 5_000)), Deflation::Context);
    assert_eq!(since.take(&frame_at(5_100, 5_000)), Deflation::Context);
}

#[test]
fn what_is_missed_makes_cold() {
    let mut since = Since(100);
    assert_eq!(since.take(&frame_at(200, 100)), Deflation::Context);
    since.interrupt();
    assert_eq!((since.take(&frame_at(300, 100)), since), (Deflation::Twin, Since(300)));
    let gap = Frame::gap(vec![0; 100].into(), Seq(5), Seq(7), Time(0));
    assert_eq!((since.take(&gap), since), (Deflation::Twin, Since::COLD));
    let mut span = Span::default();
    for frame in [&frame_at(400, 400), &gap, &frame_at(600, 400), &frame_at(700, 400)] {
        span.add(frame);
    }
    since = Since(0);
    assert_eq!((span.take(&mut since), since), (Deflation::Twin, Since(600)));
}

#[test]
fn who_follows_no_context_is_sent_none() {
    for (mut since, encoding) in [(Since::TWINS, Deflation::Twin), (Since::ASIDE, Deflation::Aside)]
    {
        let before = since;
        since.interrupt();
        assert_eq!(since.take(&frame_at(0, 0)), encoding);
        assert_eq!(since, before);
        assert!(!since.follows());
    }
}

use super::*;
use proptest::prelude::*;

const STAMP_0: Stamp =
    Stamp { publisher: PublisherId(0), channel: Channel(0), index: 0, intended: 0 };

#[test]
fn the_smallest_document_has_the_smallest_size() {
    assert_eq!(STAMP_0.document("00c0ffee", &filler(MIN_PAYLOAD)).len(), MIN_PAYLOAD);
    assert_eq!(STAMP_0.document("00c0ffee", &filler(128)).len(), 128);
}

#[test]
fn another_run_is_nothing_and_a_torn_stamp_is_illegible() {
    let mut locator = Locator::new("00c0ffee", MIN_PAYLOAD);
    let other = STAMP_0.document("00c0ffef", "");
    assert_eq!(locator.find(other.as_bytes()), Found::Nothing);
    assert_eq!(locator.find(b"00c0ffee.001.00000000000x.1"), Found::Illegible);
    assert_eq!(locator.find(b"00c0ffee."), Found::Illegible);
}

#[test]
fn filler_that_is_cut_off_is_checked_as_far_as_it_goes() {
    let mut locator = Locator::new("00c0ffee", 200);
    let text = STAMP_0.document("00c0ffee", &filler(200)).into_bytes();
    assert_eq!(locator.find(&text[..150]), Found::Whole(STAMP_0));
    let short = STAMP_0.document("00c0ffee", &filler(199)).into_bytes();
    assert_eq!(locator.find(&short), Found::Damaged(STAMP_0));
}

prop_compose! {
    fn stamps()(
        publisher in 0..1u32 << 24, channel in 0..1_000_000u32, index in 0..1u64 << 32,
        intended in 0..1u64 << 52,
    ) -> Stamp {
        let (publisher, channel) = (PublisherId(publisher), Channel(channel));
        Stamp { publisher, channel, index, intended }
    }
}

proptest! {
    #[test]
    fn a_stamp_is_found_wherever_it_stands(
        stamp in stamps(), prefixes in proptest::collection::vec("[a-z{\":]{0,40}", 1..5),
    ) {
        let mut locator = Locator::new("00c0ffee", 100);
        for prefix in prefixes {
            let text = format!("{prefix}{}", stamp.document("00c0ffee", &filler(100)));
            prop_assert_eq!(locator.find(text.as_bytes()), Found::Whole(stamp));
        }
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(stamp in stamps(), at in 7..98usize, byte in 0x20..0x7fu8) {
        let mut text = stamp.document("00c0ffee", &filler(100)).into_bytes();
        prop_assume!(text[at] != byte);
        text[at] = byte;
        let found = Locator::new("00c0ffee", 100).find(&text);
        let expected = match at {
            ..16 => Found::Nothing,
            16..60 => Found::Illegible,
            _ => Found::Damaged(stamp),
        };
        prop_assert_eq!(found, expected);
    }
}

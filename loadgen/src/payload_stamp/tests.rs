use super::*;
use crate::schedule::MAX_PUBLISHERS;
use proptest::prelude::*;

#[test]
fn the_smallest_document_has_the_smallest_size() {
    let stamp = Stamp { publisher: PublisherId(0), sequence: 0, intended: 0 };
    assert_eq!(stamp.document("00c0ffee", "").len(), MIN_PAYLOAD);
}

#[test]
fn another_run_and_torn_stamps_are_not_found() {
    let mut locator = Locator::new("00c0ffee");
    let text =
        Stamp { publisher: PublisherId(1), sequence: 2, intended: 3 }.document("00c0ffef", "");
    assert_eq!(locator.find(text.as_bytes()), None);
    assert_eq!(locator.find(b"00c0ffee.001.00000000000x.1"), None);
    assert_eq!(locator.find(b"00c0ffee."), None);
}

proptest! {
    #[test]
    fn a_stamp_is_found_wherever_it_stands(
        publisher in 0..=MAX_PUBLISHERS, sequence in 0..1_000_000_000_000u64, intended: u64,
        prefixes in proptest::collection::vec("[a-z{\":]{0,40}", 1..5),
    ) {
        let stamp = Stamp { publisher: PublisherId(publisher), sequence, intended };
        let mut locator = Locator::new("00c0ffee");
        for prefix in prefixes {
            let text = format!("{prefix}{}", stamp.document("00c0ffee", "xx"));
            prop_assert_eq!(locator.find(text.as_bytes()), Some(stamp));
        }
    }
}

use proptest::prelude::*;

use super::*;
use crate::limits::MAX_SHARDS;

proptest! {
    #[test]
    fn a_cursor_survives_its_encoding(shard in 0..MAX_SHARDS, slot: u32) {
        let cursor = Cursor { shard, slot };
        prop_assert_eq!(Cursor::decode(cursor.encode()), cursor);
    }
}

#[test]
fn a_listing_starts_with_cursor_zero() {
    assert_eq!(Cursor::decode(0), Cursor { shard: 0, slot: 0 });
}

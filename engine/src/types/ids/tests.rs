use super::*;

#[test]
fn a_channel_index_is_four_bytes_and_its_generation_wraps_within_its_slot() {
    assert_eq!(size_of::<ChannelIndex>(), 4);
    let last = ChannelIndex::new(MAX_CHANNELS_PER_SHARD as u32 - 1, 4_095);
    assert_eq!((last.slot(), last.generation()), ((1 << 20) - 1, 4_095));
    let next = last.next_generation();
    assert_eq!((next.slot(), next.generation()), (last.slot(), 0));
    assert_ne!(next, last);
}

use super::*;
use crate::types::Encoding;

fn plain(place: usize) -> LivePosition {
    LivePosition::new(Encoding::Plain, place)
}

#[test]
fn subscriptions_are_found_whatever_their_number() {
    let mut all = Subscriptions::default();
    let at = |n| (ChannelIndex::new(n, 0), plain(n as usize * 10));
    for (channel, position) in [5, 1, 9, 3].map(at) {
        all.insert(Subscription { channel, position });
    }
    all.moved(ChannelIndex::new(9, 0), plain(7));
    assert_eq!(all.get(ChannelIndex::new(9, 0)).unwrap().position, plain(7));
    assert_eq!(all.remove(ChannelIndex::new(1, 0)).unwrap().position, plain(10));
    assert!(all.get(ChannelIndex::new(1, 0)).is_none());
    assert_eq!(all.as_slice().len(), 3);
}

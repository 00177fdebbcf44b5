use super::*;

fn names(count: usize) -> impl Iterator<Item = ChannelName> {
    (0..count).map(|n| ChannelName::parse(&format!("prices:{n}")).unwrap())
}

#[test]
fn names_that_differ_in_their_last_byte_spread_over_the_shards() {
    for shards in [2, 3, 8, 64] {
        let of = Homes::new([1, 2], shards);
        let mut homes = vec![0; shards];
        names(100 * shards).for_each(|name| homes[of.of(&name).index()] += 1);
        assert!(homes.iter().all(|n| (60..=150).contains(n)), "{shards}: {homes:?}");
    }
}

#[test]
fn names_that_share_a_shard_under_one_key_spread_under_another() {
    let (one, other) = (Homes::new([1, 2], 8), Homes::new([3, 4], 8));
    let mut homes = [0; 8];
    let together = names(6_400).filter(|name| one.of(name) == ShardId(0));
    together.for_each(|name| homes[other.of(&name).index()] += 1);
    assert!(homes.iter().all(|n| (60..=150).contains(n)), "{homes:?}");
}

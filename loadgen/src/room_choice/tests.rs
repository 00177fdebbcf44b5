use super::*;

#[test]
fn without_a_law_the_channels_are_taken_in_turn() {
    let one = RoomChoice::new(3, 1, 0.0, 1);
    let found: Vec<u32> = (0..5).flat_map(|client| one.of(client)).map(|c| c.0).collect();
    assert_eq!(found, [0, 1, 2, 0, 1]);
    let two = RoomChoice::new(3, 2, 0.0, 1);
    let found: Vec<u32> = (0..3).flat_map(|client| two.of(client)).map(|c| c.0).collect();
    assert_eq!(found, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn zipf_makes_the_first_channel_as_popular_as_its_share() {
    let rooms = RoomChoice::new(4, 1, 1.0, 7);
    let mut counts = [0u32; 4];
    (0..10_000)
        .flat_map(|client| rooms.of(client))
        .for_each(|channel| counts[channel.index()] += 1);
    // 1 : 1/2 : 1/3 : 1/4, within five standard deviations.
    for (count, share) in counts.into_iter().zip([0.48, 0.24, 0.16, 0.12]) {
        let slack = 5.0 * f64::sqrt(10_000.0 * share * (1.0 - share));
        assert!((f64::from(count) - 10_000.0 * share).abs() < slack, "{counts:?}");
    }
}

#[test]
fn a_subscriber_is_in_each_of_its_channels_once_and_in_the_same_again() {
    let rooms = RoomChoice::new(5, 5, 2.0, 7);
    for client in 0..100 {
        let mut channels = rooms.of(client);
        assert_eq!(channels, rooms.of(client));
        channels.sort_unstable();
        assert_eq!(channels, (0..5).map(Channel).collect::<Vec<_>>());
    }
}

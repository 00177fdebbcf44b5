use super::*;

fn name(n: usize) -> ChannelName {
    ChannelName::parse(&n.to_string()).unwrap()
}

#[test]
fn a_channel_goes_on_where_it_stood() {
    let mut forgotten = Forgotten::default();
    forgotten.remember(name(1), Seq(7));
    assert_eq!(forgotten.recall(&name(1)), Seq(7));
    assert_eq!(forgotten.recall(&name(2)), Seq(0), "a new one");
}

#[test]
fn channels_that_are_passed_take_no_place() {
    let mut forgotten = Forgotten::default();
    forgotten.remember(name(1), Seq(7));
    (0..=FORGOTTEN_CHANNELS).for_each(|_| forgotten.pass(Seq(9)));
    assert_eq!(forgotten.recall(&name(1)), Seq(7));
    assert_eq!(forgotten.recall(&name(2)), Seq(9), "no position is used twice");
}

#[test]
fn beyond_the_bound_no_position_is_used_twice() {
    let mut forgotten = Forgotten::default();
    for round in 1..=3 {
        for n in 0..FORGOTTEN_CHANNELS {
            forgotten.remember(name(n), Seq(round * 10 + n as u64 % 7));
        }
    }
    forgotten.remember(name(FORGOTTEN_CHANNELS), Seq(5));
    assert!(forgotten.heads.len() <= FORGOTTEN_CHANNELS);
    assert_eq!(forgotten.order.len(), FORGOTTEN_CHANNELS);
    assert_eq!(forgotten.recall(&name(FORGOTTEN_CHANNELS)), Seq(5), "one that is remembered");
    for n in 0..FORGOTTEN_CHANNELS {
        assert!(forgotten.recall(&name(n)) >= Seq(30 + n as u64 % 7), "{n}");
    }
}

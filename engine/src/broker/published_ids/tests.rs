use std::time::Duration;

use super::*;

fn channel(name: &str, service: u8) -> ChannelName {
    ChannelName::parse(name).unwrap().at(ServiceId(service))
}

fn id(user: &str, id: &str) -> PublishId {
    PublishId { user: user.into(), id: id.into() }
}

fn at(seconds: u64) -> Time {
    Time(0) + Duration::from_secs(seconds)
}

#[test]
fn an_id_is_known_to_its_user_in_its_channel_for_a_while() {
    let mut ids = PublishedIds::default();
    ids.insert(at(0), &channel("a", 0), id("u", "1"), Seq(7));
    ids.insert(at(60), &channel("b", 0), id("u", "1"), Seq(9));
    let mut find = |seconds, name, service, user, text| {
        ids.find(at(seconds), &channel(name, service), &id(user, text))
    };
    assert_eq!(find(1, "a", 0, "u", "1"), Some(Seq(7)));
    assert_eq!(find(1, "b", 0, "u", "1"), Some(Seq(9)));
    assert_eq!(find(1, "a", 0, "u", "2"), None);
    assert_eq!(find(1, "a", 0, "v", "1"), None);
    assert_eq!(find(1, "a", 1, "u", "1"), None);
    assert_eq!(find(120, "a", 0, "u", "1"), None);
    assert_eq!(find(120, "b", 0, "u", "1"), Some(Seq(9)));
    assert_eq!(find(180, "b", 0, "u", "1"), None);
    assert!(ids.owners.is_empty() && ids.by_count.is_empty() && ids.order.is_empty());
}

#[test]
fn ids_are_known_where_they_went_over() {
    let mut ids = PublishedIds::default();
    ids.insert(at(0), &channel("a", 0), id("u", "old"), Seq(1));
    ids.insert(at(60), &channel("a", 0), id("u", "1"), Seq(7));
    ids.insert(at(61), &channel("b", 1), id("", "1"), Seq(8));
    assert_eq!(ids.find(at(130), &channel("a", 0), &id("u", "old")), None);
    let published = ids.export();
    assert_eq!(published.iter().map(|one| one.seq.0).collect::<Vec<_>>(), [7, 8]);
    let mut there = PublishedIds::default();
    there.import(published.clone());
    assert_eq!(there.export(), published);
    assert_eq!(there.find(at(140), &channel("a", 0), &id("u", "1")), Some(Seq(7)));
    assert_eq!(there.find(at(140), &channel("b", 1), &id("", "1")), Some(Seq(8)));
    assert_eq!(there.find(at(190), &channel("a", 0), &id("u", "1")), None, "as long as before");
}

#[test]
fn who_has_the_most_ids_loses_the_oldest() {
    let mut ids = PublishedIds::default();
    let a = channel("a", 0);
    ids.insert(at(0), &a, id("few", "0"), Seq(1));
    for n in 0..3 * PUBLISHED_IDS {
        ids.insert(at(1), &a, id("many", &n.to_string()), Seq(2));
    }
    assert_eq!(ids.total, PUBLISHED_IDS);
    assert!(ids.order.len() <= 2 * PUBLISHED_IDS + 1);
    assert_eq!(ids.find(at(2), &a, &id("few", "0")), Some(Seq(1)));
    assert_eq!(ids.find(at(2), &a, &id("many", "0")), None);
    let last = (3 * PUBLISHED_IDS - 1).to_string();
    assert_eq!(ids.find(at(2), &a, &id("many", &last)), Some(Seq(2)));
    assert_eq!(ids.find(at(200), &a, &id("many", &last)), None);
    assert_eq!((ids.total, ids.by_count.len()), (0, 0));
}

//! One hub, driven by hand.

mod abandoned;
mod connections;
mod disconnect;
mod reconnects;
mod recorded_state;
mod reports;
mod status;

use super::*;
use crate::config::Service;
use crate::limits::LISTING_LOOKS;
use crate::types::{MessageType, ServiceId};

#[test]
fn a_service_with_few_channels_is_listed_in_steps_past_the_many_of_another() {
    let config = Config { services: vec![Service::default(); 2], ..Config::default() };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 1, 1);
    let mut add = |service, text: &str| {
        let name = ChannelName::parse(text).unwrap().at(ServiceId(service));
        hub.parts.core.channels.find_or_add(&mut hub.parts.core.cx, &name, None).unwrap().slot()
    };
    let last = 2 * LISTING_LOOKS;
    (0..last).for_each(|n| assert_eq!(add(0, &n.to_string()), n));
    assert_eq!(add(1, "few"), last);
    let list = |from| hub.channels(ServiceId(1), from, 10);
    assert!(matches!(list(0), (none, Some(LISTING_LOOKS)) if none.is_empty()));
    assert!(matches!(list(LISTING_LOOKS), (none, Some(next)) if none.is_empty() && next == last));
    assert!(matches!(list(last), (one, None) if one[0].name.as_str() == "few"));
    // A page ends where it is full.
    let (page, next) = hub.channels(ServiceId(0), 0, 10);
    assert_eq!((page.len(), next), (10, Some(10)));
}

#[test]
fn a_message_takes_as_long_as_all_that_is_handled_with_it() {
    let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 8, 0);
    let handled = [MessageType::Ping, MessageType::Subscribe, MessageType::Ping];
    handled.into_iter().for_each(|kind| hub.parts.sessions.push_handled(ServiceId(0), kind));
    hub.record_handling(3_000_000);
    hub.record_handling(9_000_000);
    let snapshot = hub.recorder().swap(None);
    for (kind, n) in [(MessageType::Ping, 2), (MessageType::Subscribe, 1)] {
        let times = snapshot.services[0].handling[kind as usize].as_ref().unwrap();
        assert_eq!((times.len(), times.count_between(3_000_000, 3_000_000)), (n, n));
    }
}

//! Status documents.

use super::*;
use crate::limits::CHANNEL_IDLE;
use crate::types::Time;

fn document(len: usize) -> Arc<JsonObject> {
    let text = format!(r#"{{"status":"{}"}}"#, "x".repeat(len));
    Arc::new(JsonObject::parse(text.as_bytes()).unwrap())
}

#[test]
fn documents_have_a_bound_and_give_back_what_they_took() {
    let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 1, 1);
    let name = |i: usize| ChannelName::parse(&format!("c:{i}")).unwrap();
    let large = document(1 << 20);
    let mut kept = 0;
    while hub.set_document(&name(kept), Some(Arc::clone(&large))).is_ok() {
        kept += 1;
    }
    assert_eq!(kept, 63, "64 MiB hold 63 documents of a little more than 1 MiB");
    assert_eq!(hub.set_document(&name(0), None), Ok(true));
    assert_eq!(hub.set_document(&name(0), None), Ok(false));
    assert_eq!(hub.set_document(&name(99), Some(Arc::clone(&large))), Ok(false));
    assert_eq!(hub.set_document(&name(99), Some(large)), Ok(true), "in its own place");
    for i in 0..=99 {
        hub.set_document(&name(i), None).unwrap();
    }
    assert_eq!(hub.parts.core.channels.document_bytes(), 0);
}

#[test]
fn documents_are_shared_between_services() {
    let services = ["flooded", "other"].map(|name| Service { name: name.into(), ..<_>::default() });
    let config = Config { services: services.into(), ..Config::default() };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 1, 1);
    let name = |service, i: usize| ChannelName::parse(&format!("c:{i}")).unwrap().at(service);
    let large = document(1 << 20);
    let mut put = |service| {
        let mut fill = 0..;
        let put = |i: &usize| hub.set_document(&name(service, *i), Some(large.clone())).is_ok();
        fill.by_ref().take_while(put).count()
    };
    assert_eq!([put(ServiceId(0)), put(ServiceId(1))], [31, 31], "half of 64 MiB each");
    assert_eq!(hub.set_document(&name(ServiceId(0), 0), Some(document(3))), Ok(true));
    assert_eq!(hub.set_document(&name(ServiceId(0), 0), None), Ok(true));
    hub.set_document(&name(ServiceId(0), 99), Some(large)).unwrap();
}

#[test]
fn a_channel_stays_for_its_document() {
    let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 1, 1);
    let name = ChannelName::parse("pool:1").unwrap();
    hub.set_document(&name, Some(document(3))).unwrap();
    let late = Now { mono: Time(0) + CHANNEL_IDLE * 100, unix_us: 0 };
    hub.begin_iteration(late);
    (0..100).for_each(|_| hub.handle_tick());
    assert!(hub.document(&name).is_some());
    hub.set_document(&name, None).unwrap();
    let later = Now { mono: late.mono + CHANNEL_IDLE * 2, unix_us: 0 };
    hub.begin_iteration(later);
    (0..100).for_each(|_| hub.handle_tick());
    assert!(hub.parts.core.channels.find(&name).is_none());
}

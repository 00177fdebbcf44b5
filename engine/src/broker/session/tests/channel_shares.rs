//! Channels that exist by a subscription alone: shares of the table, and an end with the last one.

use super::*;
use crate::types::{ChannelName, EventName, JsonObject, Publication, PublishError};

/// Places of the shard: 2 for each connection, 8 for each address, 48 for all subscribers.
const PLACES: usize = 64;

fn rig() -> Rig {
    let service = Service { message_rate: 0, ..Service::default() };
    let config = Config { max_channels: PLACES, ..Config::from(service) };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 64, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    Rig { hub: Box::new(hub), key, now }
}

impl Rig {
    /// Another client takes the place of this one, which stays.
    fn come_from(&mut self, address: &str) {
        let admission = Admission::plain((address.parse::<std::net::IpAddr>().unwrap(), 1).into());
        self.key = self.hub.admit(admission).unwrap();
        self.hear();
    }

    /// Subscribes, and returns why not.
    fn refusal(&mut self, channel: &str) -> Option<String> {
        self.subscribe(channel);
        let heard = self.hear();
        let reply = heard.iter().find(|m| m["correlation_id"] == channel).unwrap();
        let code = reply["error_code"].as_str()?;
        assert_eq!(code, "LIMIT_EXCEEDED");
        Some(reply["error_message"].as_str().unwrap().to_owned())
    }

    fn leave(&mut self, channel: &str) {
        self.say(&json!({"id": "u", "type": "unsubscribe", "room": channel}));
        assert_eq!(self.hear().last().unwrap()["data"]["status"], "unsubscribed");
    }

    fn publish_to(&mut self, channel: &str) -> Result<Seq, PublishError> {
        let channel = ChannelName::parse(channel).unwrap();
        let (event, data) = (EventName::parse("e").unwrap(), JsonObject::parse(b"{}").unwrap());
        self.hub.publish(&Publication { channel, event, data, key: None })
    }

    fn knows(&self, channel: &str) -> bool {
        self.hub.log(&ChannelName::parse(channel).unwrap()).is_some()
    }
}

#[test]
fn one_connection_cannot_take_the_table() {
    let mut rig = rig();
    rig.hear();
    assert_eq!([rig.refusal("1"), rig.refusal("2")], [None, None]);
    let said = rig.refusal("3").unwrap();
    assert!(said.starts_with("This connection is subscribed to as many channels"), "{said}");
    // Others of its address are served, and so are channels that something was published to.
    rig.publish_to("3").unwrap();
    assert_eq!(rig.refusal("3"), None);
    rig.come_from("127.0.0.1");
    assert_eq!(rig.refusal("4"), None);
    // What was published to is no one's share.
    rig.publish_to("4").unwrap();
    assert_eq!([rig.refusal("5"), rig.refusal("6")], [None, None]);
    assert!(rig.refusal("7").is_some());
    let mut totals = Totals::new(1, 1);
    totals.absorb(&rig.hub.recorder().swap(None));
    assert_eq!(totals.count(crate::telemetry::Count::ChannelRefusals), 2);
    rig.hub.check();
}

#[test]
fn one_address_cannot_take_the_table() {
    for (own, other) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8:0:1::1")] {
        let mut rig = rig();
        for n in 0..PLACES / 8 {
            rig.come_from(if own.contains(':') && n % 2 == 1 { "2001:db8::2" } else { own });
            assert_eq!(rig.refusal(&n.to_string()), None);
        }
        rig.come_from(own);
        let said = rig.refusal("more").unwrap();
        assert!(said.starts_with("Your address is subscribed to as many channels"), "{said}");
        rig.come_from(other);
        assert_eq!(rig.refusal("more"), None);
    }
}

#[test]
fn a_publisher_gets_a_channel_where_subscribers_have_used_theirs_up() {
    let mut rig = rig();
    for n in 0..PLACES * 3 / 4 {
        rig.come_from(&format!("10.0.0.{n}"));
        assert_eq!(rig.refusal(&n.to_string()), None);
    }
    rig.come_from("10.0.1.1");
    let said = rig.refusal("more").unwrap();
    assert!(said.ends_with("room for another channel that nothing was published to"), "{said}");
    for n in 0..PLACES / 4 {
        rig.publish_to(&format!("published:{n}")).unwrap();
    }
    assert_eq!(rig.publish_to("more"), Err(PublishError::ChannelLimit));
    assert_eq!(rig.refusal("more").unwrap(), "The server has no room for another channel");
}

#[test]
fn who_subscribes_and_unsubscribes_leaves_nothing() {
    let mut rig = rig();
    for n in 0..10 * PLACES {
        let name = n.to_string();
        assert_eq!(rig.refusal(&name), None);
        rig.leave(&name);
        assert!(!rig.knows(&name));
    }
    // Nor does a client that is cut off; a second subscriber keeps the channel.
    assert_eq!([rig.refusal("a"), rig.refusal("b")], [None, None]);
    let first = rig.key;
    rig.come_from("10.0.0.1");
    assert_eq!(rig.refusal("b"), None);
    rig.hub.end_by(first, Ending::Lost);
    rig.hear();
    assert_eq!((rig.knows("a"), rig.knows("b")), (false, true));
    // A channel that was published to stays for clients that come back.
    rig.publish_to("b").unwrap();
    rig.leave("b");
    assert!(rig.knows("b"));
}

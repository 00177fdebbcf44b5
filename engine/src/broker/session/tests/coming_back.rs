//! Clients that come back to a channel that had no subscriber for long.

use super::*;
use crate::config::Retention;
use crate::limits::{CHANNEL_IDLE, TICK};
use crate::types::{ChannelName, EventName, JsonObject, Publication, Seq};

const AGE: Duration = Duration::from_secs(600);

fn rig(max_channels: usize) -> Rig {
    let retention = Retention { age: AGE, ..Retention::default() };
    let keepalive = Duration::from_secs(86_400);
    let config = Config { retention, max_channels, keepalive, ..Config::default() };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 8, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    Rig { hub: Box::new(hub), key, now }
}

impl Rig {
    fn publish(&mut self, channel: &str) -> Seq {
        let channel = ChannelName::parse(channel).unwrap();
        let (event, data) = (EventName::parse("e").unwrap(), JsonObject::parse(b"{}").unwrap());
        self.hub.publish(&Publication { channel, event, data, key: None }).unwrap()
    }

    /// Time passes, and every channel is looked after.
    fn wait(&mut self, time: Duration) {
        self.hear();
        self.pass(time);
        (0..100).for_each(|_| self.pass(TICK));
        assert!(self.hear().is_empty());
    }

    /// The client was subscribed, has got two messages and left; its position.
    fn left(&mut self) -> Value {
        self.subscribe("news");
        self.publish("news");
        self.publish("news");
        let epoch = self.hear().iter().find_map(|m| m["data"].get("epoch").cloned()).unwrap();
        self.say(&json!({"id": "u", "type": "unsubscribe", "room": "news"}));
        assert_eq!(self.hear().last().unwrap()["data"]["status"], "unsubscribed");
        json!({"epoch": epoch, "seq": 2})
    }

    /// What it is told when it comes back, and the positions of the events behind that.
    fn back(&mut self, since: &Value) -> (Value, Vec<u64>) {
        let data = json!({"channel": "news", "since": since});
        self.say(&json!({"id": "b", "type": "subscribe", "data": data}));
        let heard = self.hear();
        let place = heard.iter().position(|m| m["correlation_id"] == "b").unwrap();
        let events = heard[place..].iter().filter_map(|m| m["seq"].as_u64()).collect();
        (heard[place]["data"].clone(), events)
    }
}

#[test]
fn who_comes_back_within_the_age_of_the_log_gets_what_was_missed() {
    let mut rig = rig(100);
    let since = rig.left();
    rig.wait(AGE / 3);
    rig.publish("news");
    rig.wait(AGE / 3);
    rig.publish("news");
    rig.wait(AGE / 2);
    let (told, events) = rig.back(&since);
    assert_eq!((&told["recovered"], &told["seq"]), (&json!(true), &json!(4)), "{told}");
    assert_eq!(events, [3, 4]);
}

#[test]
fn a_channel_that_was_forgotten_goes_on_and_says_what_was_missed() {
    let mut rig = rig(100);
    let since = rig.left();
    rig.wait(AGE + CHANNEL_IDLE);
    rig.wait(CHANNEL_IDLE);
    assert!(rig.hub.log(&ChannelName::parse("news").unwrap()).is_none(), "it is forgotten");
    let (told, _) = rig.back(&since);
    assert_eq!((&told["recovered"], &told["seq"]), (&json!(true), &json!(2)), "{told}");
    assert_eq!((rig.publish("news"), rig.hear()[0]["seq"].as_u64()), (Seq(3), Some(3)));
    rig.say(&json!({"id": "u", "type": "unsubscribe", "room": "news"}));
    rig.hear();
    rig.wait(2 * AGE);
    rig.wait(CHANNEL_IDLE);
    let (told, events) = rig.back(&since);
    assert_eq!((&told["recovered"], &told["reason"]), (&json!(false), &json!("retention")));
    assert_eq!((&told["seq"], &told["epoch"]), (&json!(3), &since["epoch"]), "{events:?}");
}

#[test]
fn with_half_the_places_taken_a_channel_without_subscribers_is_forgotten_early() {
    let mut rig = rig(2);
    let since = rig.left();
    rig.publish("other");
    rig.wait(CHANNEL_IDLE);
    assert!(rig.hub.log(&ChannelName::parse("news").unwrap()).is_none(), "it makes room");
    let (told, _) = rig.back(&since);
    assert_eq!(told["recovered"], true, "nothing was missed: {told}");
}

#[test]
fn a_position_of_another_epoch_is_told_of_a_restart() {
    let mut rig = rig(100);
    rig.left();
    let (told, _) = rig.back(&json!({"epoch": "0123456789abcdef", "seq": 2}));
    assert_eq!((&told["recovered"], &told["reason"]), (&json!(false), &json!("restart")));
}

#[test]
fn a_subscriber_may_go_on_elsewhere() {
    let mut rig = rig(100);
    let since = rig.left();
    rig.publish("news");
    rig.back(&since);
    for (from, seqs) in [(0, vec![1, 2, 3]), (2, vec![3]), (3, vec![])] {
        let (told, events) = rig.back(&json!({"epoch": since["epoch"], "seq": from}));
        assert_eq!((&told["recovered"], &told["seq"]), (&json!(true), &json!(3)), "{told}");
        assert_eq!((&told["oldest"], events), (&json!(1), seqs));
    }
    let (told, events) = rig.back(&json!({"epoch": since["epoch"], "seq": 4}));
    assert_eq!((&told["recovered"], &told["seq"]), (&json!(false), &json!(3)), "{told}");
    assert_eq!((&told["reason"], events), (&json!("ahead"), vec![]));
    // Still one subscription, which goes on.
    rig.publish("news");
    assert_eq!(rig.hear().iter().filter_map(|m| m["seq"].as_u64()).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_list_goes_on_in_each_of_its_channels() {
    let mut rig = rig(100);
    for channel in ["a", "b", "c", "a", "b", "c"] {
        rig.publish(channel);
    }
    rig.hear();
    let data = json!({"channels": ["a", "b", "c"]});
    rig.say(&json!({"id": "s", "type": "subscribe", "data": data}));
    let heard = rig.hear();
    let confirmed = heard.iter().find(|m| m["correlation_id"] == "s").unwrap();
    let positions = &confirmed["data"]["positions"];
    let epoch = &positions["a"]["epoch"];
    assert_eq!(positions["b"], json!({"seq": 2, "epoch": epoch, "oldest": 1}));
    let since = json!({"a": {"epoch": epoch, "seq": 1}, "c": {"epoch": epoch, "seq": 9}});
    let data = json!({"channels": ["a", "b", "c"], "since": since});
    rig.say(&json!({"id": "t", "type": "subscribe", "data": data}));
    let heard = rig.hear();
    let positions = &heard[0]["data"]["positions"];
    assert_eq!(positions["a"]["recovered"], true, "{positions}");
    assert!(positions["b"].get("recovered").is_none(), "{positions}");
    assert_eq!(
        (&positions["c"]["recovered"], &positions["c"]["reason"]),
        (&json!(false), &json!("ahead"))
    );
    let events: Vec<_> =
        heard.iter().filter_map(|m| Some((m["room"].as_str()?, m["seq"].as_u64()?))).collect();
    assert_eq!(events, [("a", 2)]);
}

#[test]
fn what_a_log_still_has_follows_behind_a_gap() {
    let mut rig = rig(100);
    let since = rig.left();
    rig.wait(AGE / 2);
    rig.publish("news");
    rig.publish("news");
    rig.wait(2 * AGE / 3);
    let behind = json!({"epoch": since["epoch"], "seq": 1});
    rig.say(&json!({"id": "b", "type": "subscribe", "data": {"channel": "news", "since": behind}}));
    let heard = rig.hear();
    let told = &heard[0]["data"];
    assert_eq!((&told["recovered"], &told["partial"]), (&json!(false), &json!(true)), "{told}");
    assert_eq!(
        (&told["reason"], &told["oldest"], &told["seq"]),
        (&json!("retention"), &json!(3), &json!(4))
    );
    let gap = &heard[1]["data"];
    assert_eq!((&gap["from_seq"], &gap["to_seq"]), (&json!(2), &json!(2)), "{gap}");
    assert_eq!(heard[2..].iter().filter_map(|m| m["seq"].as_u64()).collect::<Vec<_>>(), [3, 4]);
    let data = json!({"channel": "news", "since": behind, "all_or_nothing": true});
    rig.say(&json!({"id": "b", "type": "subscribe", "data": data}));
    let heard = rig.hear();
    assert_eq!((&heard[0]["data"]["recovered"], heard.len()), (&json!(false), 1));
    assert!(heard[0]["data"].get("partial").is_none());
    // Of another epoch everything is new.
    let (told, events) = rig.back(&json!({"epoch": "0123456789abcdef", "seq": 9}));
    assert_eq!((&told["reason"], &told["partial"]), (&json!("restart"), &json!(true)));
    assert_eq!(events, [3, 4]);
}

#[test]
fn a_newcomer_may_begin_with_the_last_messages() {
    let mut rig = rig(100);
    for _ in 0..5 {
        rig.publish("news");
    }
    rig.hear();
    for (last, seqs) in [(2, vec![4, 5]), (0, vec![]), (100, vec![1, 2, 3, 4, 5]), (1, vec![5])] {
        let data = json!({"channel": "news", "last": last});
        rig.say(&json!({"id": "l", "type": "subscribe", "data": data}));
        let heard = rig.hear();
        let told = heard.iter().find(|m| m["correlation_id"] == "l").unwrap();
        assert_eq!((&told["data"]["seq"], told["data"].get("recovered")), (&json!(5), None));
        let events: Vec<_> = heard.iter().filter_map(|m| m["seq"].as_u64()).collect();
        assert_eq!(events, seqs);
    }
    rig.publish("news");
    assert_eq!(rig.hear().iter().filter_map(|m| m["seq"].as_u64()).collect::<Vec<_>>(), [6]);
}

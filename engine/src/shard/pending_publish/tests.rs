use super::*;
use crate::limits::RECEIVE_BUFFER;
use crate::types::{EventName, JsonObject};

#[test]
fn a_channel_that_refused_one_gets_nothing_later_of_the_same_command() {
    let full = Err(PublishError::Saturated);
    let item = |channel: &str| Publication {
        channel: ChannelName::parse(channel).unwrap(),
        event: EventName::parse("e").unwrap(),
        data: JsonObject::parse(b"{}").unwrap(),
        key: None,
    };
    let (reply, answer) = oneshot::channel();
    let items = ["a", "b", "a", "b"].map(item).to_vec();
    let mut pending = Some(PendingPublish::new(items, reply));
    // The first finds no room; the later ones would.
    let mut room = [full, Ok(Seq(1)), Ok(Seq(2))].into_iter();
    let mut iterations = 0;
    while let Some(waiting) = pending.take() {
        pending = waiting.publish_next(|_| room.next().unwrap());
        iterations += 1;
    }
    assert_eq!(iterations, 4);
    assert_eq!(answer.recv().unwrap(), [full, Ok(Seq(1)), full, Ok(Seq(2))]);
}

#[test]
fn a_large_publication_counts_as_its_bytes_do() {
    let item = |bytes: usize| Publication {
        channel: ChannelName::parse("c").unwrap(),
        event: EventName::parse("e").unwrap(),
        data: JsonObject::parse(format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes)).as_bytes()).unwrap(),
        key: None,
    };
    let (reply, _answer) = oneshot::channel();
    let items = vec![item(1), item(10 * RECEIVE_BUFFER), item(1)];
    let mut pending = Some(PendingPublish::new(items, reply));
    let mut costs = Vec::new();
    while let Some(waiting) = pending.take() {
        costs.push(waiting.next_cost());
        pending = waiting.publish_next(|_| Ok(Seq(1)));
    }
    assert_eq!(costs, [1, 11, 1]);
}

//! Publishing into mailboxes that no shard empties but the test.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;
use crate::sync::{Cost, Doorbell, MailboxReceiver, OrderState, Stage, mailbox};
use crate::types::PublishError;
use crate::types::{ChannelName, Epoch, EventName, Homes, JsonObject, Seq, ServiceId};

fn homes(shards: usize) -> Homes {
    Homes::new([7; 2], shards)
}

/// A name such that a channel of it begins with its home, of 1, 2 or 4 shards: `2:anything` lives
/// on shard 2.
fn channel(name: &str) -> ChannelName {
    let names = (0..).map(|n| ChannelName::parse(&format!("{name}{n}")).unwrap());
    let at_home = |name: &ChannelName| name.class() == homes(4).of(name).0.to_string();
    names.into_iter().find(at_home).unwrap()
}

/// `n` identifies the publication.
fn publication(name: &str, n: u64) -> Publication {
    Publication {
        channel: channel(name),
        event: EventName::parse("e").unwrap(),
        data: JsonObject::parse(format!(r#"{{"n":{n}}}"#).as_bytes()).unwrap(),
        key: None,
    }
}

fn n_of(publication: &Publication) -> u64 {
    let text = publication.data.as_str();
    text[r#"{"n":"#.len()..text.len() - 1].parse().unwrap()
}

/// A serving engine's publisher, and the mailboxes of its shards.
fn publisher(shards: usize, capacity: usize) -> (Publisher, Vec<MailboxReceiver<Command>>) {
    let make =
        |_| mailbox(Cost { entries: capacity, bytes: 1_000 }, Arc::new(Doorbell::new().unwrap()));
    let (mailboxes, receivers) = (0..shards).map(make).unzip();
    let handle = Handle {
        stage: Stage::default(),
        mailboxes,
        order: OrderState::new(Epoch(1)),
        homes: homes(shards),
        external: None,
        feeds: Vec::new(),
    };
    handle.stage.serve();
    (Publisher::new(Arc::new(handle), ServiceId(0)), receivers)
}

type Reply = oneshot::Sender<Vec<Result<Seq, PublishError>>>;

fn take(mailbox: &mut MailboxReceiver<Command>) -> (Vec<Publication>, Reply) {
    match mailbox.pop() {
        Some((Command::Publish { items, reply }, cost)) => {
            assert_eq!(cost, super::cost(&items));
            (items, reply)
        }
        _ => panic!("expected publications"),
    }
}

proptest! {
    #[test]
    fn a_batch_keeps_the_order_of_channels_and_of_answers(
        homes in prop::collection::vec(0_u8..4, 0..40),
        answer_order in Just([0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let (publisher, mut mailboxes) = publisher(4, 100);
        let batch = homes.iter().zip(0..).map(|(home, n)| publication(&format!("{home}:c"), n));
        let ticket = publisher.try_publish_batch(batch.collect()).unwrap();
        for home in answer_order {
            if homes.contains(&(home as u8)) {
                let (items, reply) = take(&mut mailboxes[home]);
                let ns: Vec<u64> = items.iter().map(n_of).collect();
                prop_assert!(ns.is_sorted());
                prop_assert!(ns.iter().all(|n| usize::from(homes[*n as usize]) == home));
                reply.send(ns.into_iter().map(|n| Ok(Seq(n))).collect()).unwrap();
            }
            prop_assert!(mailboxes[home].is_empty());
        }
        let expected: Vec<_> = (0..homes.len() as u64).map(|n| Ok(Seq(n))).collect();
        prop_assert_eq!(ticket.wait(), expected);
    }
}

#[test]
fn a_batch_without_room_at_one_home_goes_nowhere() {
    let (publisher, mut mailboxes) = publisher(2, 2);
    let _first = publisher.try_publish(publication("1:c", 0)).unwrap();
    let batch = |last| ["0:a", "0:b", "1:a", last].map(|channel| publication(channel, 0)).to_vec();
    let refused = publisher.try_publish_batch(batch("1:b")).unwrap_err();
    assert_eq!(refused, PublishError::Saturated);
    assert!(mailboxes[0].is_empty());
    take(&mut mailboxes[1]);
    assert!(mailboxes[1].is_empty());
    let _accepted = publisher.try_publish_batch(batch("1:b")).expect("all room came back");
}

/// A publication with so many bytes of data.
fn of_bytes(name: &str, bytes: usize) -> Publication {
    let data = format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - 8));
    let data = JsonObject::parse(data.as_bytes()).unwrap();
    assert_eq!(data.as_str().len(), bytes);
    Publication { data, ..publication(name, 0) }
}

#[test]
fn a_mailbox_is_full_when_its_bytes_are_used_up() {
    let (publisher, mut mailboxes) = publisher(1, 100);
    let _ticket = publisher.try_publish(of_bytes("0:c", 600)).unwrap();
    let refused = publisher.try_publish(of_bytes("0:c", 401));
    assert_eq!(refused.unwrap_err(), PublishError::Saturated);
    let batch = vec![of_bytes("0:c", 200), of_bytes("0:c", 201)];
    assert_eq!(publisher.try_publish_batch(batch).unwrap_err(), PublishError::Saturated);
    assert_eq!((mailboxes[0].used(), mailboxes[0].take_refusals()), (1, 2));
    let _rest = publisher.try_publish(of_bytes("0:c", 400)).unwrap();
    (0..2).for_each(|_| drop(take(&mut mailboxes[0])));
    let _again = publisher.try_publish(of_bytes("0:c", 1_000)).expect("all bytes came back");
}

#[test]
fn a_publication_that_is_too_large_is_refused_and_takes_no_room() {
    let (publisher, mailboxes) = publisher(1, 100);
    let large = of_bytes("0:c", MAX_PUBLICATION + 1);
    assert_eq!(publisher.try_publish(large.clone()).unwrap_err(), PublishError::TooLarge);
    let batch = vec![publication("0:c", 1), large];
    assert_eq!(publisher.try_publish_batch(batch).unwrap_err(), PublishError::TooLarge);
    assert!(mailboxes[0].is_empty());
    // At the limit only the mailbox's room counts.
    let refused = publisher.try_publish(of_bytes("0:c", MAX_PUBLICATION));
    assert_eq!(refused.unwrap_err(), PublishError::Saturated);
}

#[test]
fn a_full_mailbox_refuses_and_takes_again_when_emptied() {
    let (publisher, mut mailboxes) = publisher(1, 1);
    let ticket = publisher.try_publish(publication("0:c", 1)).unwrap();
    let refused = publisher.try_publish(publication("0:c", 2));
    assert_eq!(refused.unwrap_err(), PublishError::Saturated);
    let (_, reply) = take(&mut mailboxes[0]);
    reply.send(vec![Err(PublishError::Saturated)]).unwrap();
    assert_eq!(ticket.wait(), Err(PublishError::Saturated));
    let _ticket = publisher.try_publish(publication("0:c", 3)).unwrap();
}

#[test]
fn a_ticket_can_be_polled_first_and_waited_for_later() {
    let (publisher, mut mailboxes) = publisher(1, 8);
    let mut ticket = publisher.try_publish(publication("0:c", 1)).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(pin!(&mut ticket).poll(&mut context), Poll::Pending);
    let (_, reply) = take(&mut mailboxes[0]);
    let home = std::thread::spawn(move || reply.send(vec![Ok(Seq(9))]));
    assert_eq!(ticket.wait(), Ok(Seq(9)));
    home.join().unwrap().unwrap();
}

#[test]
fn a_dropped_ticket_is_nobodys_problem() {
    let (publisher, mut mailboxes) = publisher(1, 8);
    drop(publisher.try_publish(publication("0:c", 1)).unwrap());
    let (items, reply) = take(&mut mailboxes[0]);
    assert_eq!(items.len(), 1);
    assert!(reply.send(vec![Ok(Seq(1))]).is_err());
}

#[test]
fn a_shard_that_ends_loses_only_its_own_part_of_a_batch() {
    let (publisher, mut mailboxes) = publisher(2, 8);
    let batch = [("0:c", 0), ("1:c", 1), ("0:c", 2)].map(|(c, n)| publication(c, n)).to_vec();
    let ticket = publisher.try_publish_batch(batch).unwrap();
    drop(mailboxes.pop());
    let (_, reply) = take(&mut mailboxes[0]);
    reply.send(vec![Ok(Seq(5)), Ok(Seq(6))]).unwrap();
    assert_eq!(ticket.wait(), [Ok(Seq(5)), Err(PublishError::Closed), Ok(Seq(6))]);
}

#[test]
fn a_draining_engine_accepts_nothing_more() {
    let (publisher, mailboxes) = publisher(1, 8);
    publisher.handle.stage.drain();
    let ticket = publisher.try_publish(publication("0:c", 1)).unwrap();
    assert_eq!(ticket.wait(), Err(PublishError::Closed));
    let batch = vec![publication("0:c", 1), publication("0:c", 2)];
    let ticket = publisher.try_publish_batch(batch).unwrap();
    assert_eq!(ticket.wait(), [Err(PublishError::Closed); 2]);
    assert!(mailboxes[0].is_empty());
}

#[test]
fn independent_publications_are_refused_only_where_their_home_is_full() {
    let (publisher, mut mailboxes) = publisher(2, 2);
    let _first = publisher.try_publish(publication("1:c", 0)).unwrap();
    let items = [("1:a", 'a'), ("0:b", 'b'), ("1:c", 'c'), ("0:d", 'd')];
    let items = items.map(|(channel, tag)| (publication(channel, 0), tag)).to_vec();
    let (tickets, refused) = publisher.publish_each(items.into_iter());
    assert_eq!(refused, ['a', 'c']);
    let (items, reply) = take(&mut mailboxes[0]);
    assert_eq!(items.len(), 2, "one message and one wake-up for both");
    reply.send(vec![Ok(Seq(7)), Err(PublishError::Saturated)]).unwrap();
    let [ticket] = tickets.try_into().unwrap();
    let results: Vec<_> = pollster::block_on(ticket.results()).collect();
    assert_eq!(results, [('b', Ok(Seq(7))), ('d', Err(PublishError::Saturated))]);
}

#[test]
fn independent_publications_to_shards_that_have_ended_are_lost() {
    let (publisher, mailboxes) = publisher(2, 8);
    drop(mailboxes);
    let items = || vec![(publication("0:c", 1), 1), (publication("1:c", 2), 2)];
    let lost = |publisher: &Publisher| -> Vec<_> {
        let (tickets, refused) = publisher.publish_each(items().into_iter());
        assert!(refused.is_empty());
        tickets.into_iter().flat_map(|ticket| pollster::block_on(ticket.results())).collect()
    };
    let all = [(1, Err(PublishError::Closed)), (2, Err(PublishError::Closed))];
    assert_eq!(lost(&publisher), all);
    publisher.handle.stage.drain();
    assert_eq!(lost(&publisher), all);
}

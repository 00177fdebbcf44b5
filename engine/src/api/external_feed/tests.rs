use super::*;
use crate::sync::{Doorbell, OrderState, Stage, mailbox};
use crate::types::{ChannelName, EventName, Homes, JsonObject, Publication, Seq, Sequenced};

fn message(channel: &str, seq: u64) -> FeedItem {
    let publication = Publication {
        channel: ChannelName::parse(channel).unwrap(),
        event: EventName::parse("e").unwrap(),
        data: JsonObject::parse(b"{}").unwrap(),
        key: None,
    };
    let (seq, prev) = (Seq(seq), Seq(seq - 1));
    FeedItem::Message(Sequenced { publication, seq, prev, id: [0; 16], unix_us: 0 })
}

fn gap(channel: &str, to: u64) -> FeedItem {
    FeedItem::Gap { channel: ChannelName::parse(channel).unwrap(), after: Seq(0), to: Seq(to) }
}

#[test]
fn what_finds_no_room_comes_back_in_order_and_nothing_passes_it() {
    let room = Cost { entries: 2, bytes: 1_000 };
    let (feed, mut notices) = mailbox(room, Arc::new(Doorbell::new().unwrap()));
    let handle = Handle {
        stage: Stage::default(),
        mailboxes: Vec::new(),
        order: OrderState::new(Epoch(1)),
        homes: Homes::new([1, 2], 1),
        external: None,
        feeds: vec![Arc::new(feed)],
    };
    let feed = ExternalFeed::new(Arc::new(handle));
    let position = |item: &FeedItem| match item {
        FeedItem::Message(message) => message.seq.0,
        FeedItem::Gap { to, .. } => to.0,
    };
    let all = (1..=2).map(|seq| message("a", seq)).chain([gap("a", 3), message("a", 4)]);
    let refused = feed.deliver(all.collect());
    assert_eq!(refused.iter().map(position).collect::<Vec<_>>(), [3, 4]);
    // What is told to all has room in any case, behind what was delivered.
    feed.degrade("no_quorum");
    for _ in 0..2 {
        assert!(matches!(notices.pop(), Some((UpstreamNotice::Message(_), _))));
    }
    assert!(matches!(notices.pop(), Some((UpstreamNotice::Degraded(Some("no_quorum")), _))));
    assert!(notices.is_empty());
    assert!(feed.deliver(refused).is_empty());
    assert!(matches!(notices.pop(), Some((UpstreamNotice::Gap { to: Seq(3), .. }, _))));
    assert!(matches!(notices.pop(), Some((UpstreamNotice::Message(_), _))));
}

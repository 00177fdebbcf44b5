use super::*;
use crate::sync::{Doorbell, OrderState, Stage, mailbox};
use crate::types::{ChannelName, EventName, Homes, JsonObject, Publication, Seq};

fn message(channel: &str, seq: u64) -> Sequenced {
    Sequenced {
        publication: Publication {
            channel: ChannelName::parse(channel).unwrap(),
            event: EventName::parse("e").unwrap(),
            data: JsonObject::parse(b"{}").unwrap(),
            key: None,
        },
        seq: Seq(seq),
        prev: Seq(seq - 1),
        id: [0; 16],
        unix_us: 0,
    }
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
    let seqs = |messages: &[Sequenced]| messages.iter().map(|m| m.seq.0).collect::<Vec<_>>();
    let refused = feed.deliver((1..=4).map(|seq| message("a", seq)).collect());
    assert_eq!(seqs(&refused), [3, 4]);
    // What is told to all has room in any case, behind what was delivered.
    feed.degrade("no_quorum");
    for _ in 0..2 {
        assert!(matches!(notices.pop(), Some((UpstreamNotice::Message(_), _))));
    }
    assert!(matches!(notices.pop(), Some((UpstreamNotice::Degraded(Some("no_quorum")), _))));
    assert!(notices.is_empty());
    assert!(feed.deliver(refused).is_empty());
}

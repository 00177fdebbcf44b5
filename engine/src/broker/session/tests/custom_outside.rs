//! The same where an external order has what is published on the protocol's channel.

use super::*;
use crate::broker::upstream_messages::{Older, UpstreamNotice, UpstreamRequest};
use crate::config::{Followed, Unavailable};
use crate::limits::{INTEREST_LINGER, TICK, UPSTREAM_PATIENCE};
use crate::tests::ticker::Ticker;
use crate::types::{
    ChannelIndex, ChannelName, Epoch, EventName, JoinToken, JsonObject, Publication, Seq, Sequenced,
};

const EPOCH: Epoch = Epoch(7);

fn rig() -> Rig {
    let protocol = Protocol::Custom(Arc::new(Ticker("ticks")));
    let access = Access { mode: AuthMode::Off, ..Access::default() };
    let config = Config::from(Service { access, protocol, ..Service::default() });
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 8, 1).with_epoch(EPOCH);
    hub.follow_an_order();
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    Rig { hub: Box::new(hub), key, now }
}

fn channel() -> ChannelName {
    ChannelName::parse("ticks").unwrap()
}

/// A message with its number as position.
fn message(n: u64) -> Sequenced {
    let publication = Publication {
        channel: channel(),
        event: EventName::parse("e").unwrap(),
        data: JsonObject::parse(json!({ "n": n }).to_string().as_bytes()).unwrap(),
        key: None,
    };
    Sequenced { publication, seq: Seq(n), prev: Seq(0), id: [0; 16], unix_us: 0 }
}

impl Rig {
    /// What the order is asked: where a channel is to be followed, by which question.
    fn questions(&mut self) -> Vec<Option<(ChannelIndex, JoinToken)>> {
        let question = |request| match request {
            UpstreamRequest::Follow { channel: index, token, name, wanted, taken_over } => {
                let Older { since, last, messages, .. } = wanted;
                assert_eq!((name, since, last, messages), (channel(), None, 1, 1));
                assert_eq!(taken_over, None);
                Some((index, token))
            }
            UpstreamRequest::Unfollow { name } => {
                assert_eq!(name, channel());
                None
            }
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| self.hub.poll_upstream()).map(question).collect()
    }

    /// The only question is to follow the channel.
    fn question(&mut self) -> (ChannelIndex, JoinToken) {
        let asked = self.questions();
        assert!(matches!(asked[..], [Some(_)]), "{asked:?}");
        asked[0].unwrap()
    }

    fn told(&mut self, notice: UpstreamNotice) {
        assert!(self.hub.handle_upstream(notice).is_none(), "it is taken whatever is owed");
    }

    fn comes(&mut self, n: u64) {
        self.told(UpstreamNotice::Message(Box::new(message(n))));
    }

    /// The order answers in an epoch, with the newest message.
    fn order_answers(&mut self, (channel, token): (ChannelIndex, JoinToken), epoch: Epoch, n: u64) {
        let messages = if n > 0 { vec![message(n)] } else { Vec::new() };
        let followed = Followed { epoch, head: Seq(n), after: Seq(0), messages };
        self.told(UpstreamNotice::Followed { channel, token, followed: Ok(followed) });
    }

    /// What the next update is made of.
    fn update(&mut self) -> Value {
        loop {
            self.pass(TICK);
            if let Some(update) = self.hear().into_iter().find(|one| one["type"] == "update") {
                return update["data"]["n"].clone();
            }
        }
    }
}

#[test]
fn updates_wait_for_no_order_and_have_its_newest_message() {
    let mut rig = rig();
    // At once, not with the next tick.
    let question = rig.question();
    assert_eq!(rig.update(), Value::Null);
    rig.order_answers(question, EPOCH, 50);
    assert_eq!(rig.update(), 50);
    rig.comes(90);
    assert_eq!(rig.update(), 90);
    rig.comes(80);
    rig.told(UpstreamNotice::Gap { channel: channel(), after: Seq(90), to: Seq(95) });
    assert_eq!([rig.update(), rig.update()], [90, 90]);
    assert!(rig.questions().is_empty());
    // Updates have positions of their own.
    let log = rig.hub.log(&channel()).unwrap();
    assert_eq!((log.head(), log.epoch()), (Seq(5), EPOCH));
}

#[test]
fn what_comes_before_the_answer_is_the_newest_all_the_same() {
    let mut rig = rig();
    let question = rig.question();
    rig.comes(60);
    rig.order_answers(question, EPOCH, 50);
    assert_eq!(rig.update(), 60);
}

#[test]
fn an_order_that_does_not_answer_is_asked_again() {
    let mut rig = rig();
    let (channel, token) = rig.question();
    let followed = Err(Unavailable);
    rig.told(UpstreamNotice::Followed { channel, token, followed });
    assert_eq!(rig.update(), Value::Null);
    let asked = rig.questions();
    assert!(matches!(asked[..], [None, Some(_)]), "{asked:?}");
    // That one has no answer at all.
    let start = rig.now.mono;
    while rig.now.mono.since(start) < UPSTREAM_PATIENCE + 2 * Duration::from_secs(1) {
        assert_eq!(rig.update(), Value::Null);
    }
    let again = rig.questions();
    assert!(matches!(again[..], [None, Some(_)]), "{again:?}");
    rig.order_answers(asked[1].unwrap(), EPOCH, 40);
    assert_eq!(rig.update(), Value::Null, "an answer to a question that was given up");
    rig.order_answers(again[1].unwrap(), EPOCH, 50);
    assert_eq!(rig.update(), 50);
}

#[test]
fn in_another_epoch_updates_go_on_and_positions_begin_anew() {
    let mut rig = rig();
    let question = rig.question();
    rig.order_answers(question, EPOCH, 50);
    rig.told(UpstreamNotice::Epoch(Epoch(8)));
    let question = rig.question();
    assert_eq!(rig.update(), 50, "nothing was published since");
    rig.order_answers(question, Epoch(8), 0);
    assert_eq!(rig.update(), 50);
    rig.comes(3);
    assert_eq!(rig.update(), 3);
    assert_eq!(rig.hub.log(&channel()).unwrap().head(), Seq(3));
}

#[test]
fn without_clients_the_channel_is_followed_no_more() {
    let mut rig = rig();
    let question = rig.question();
    rig.order_answers(question, EPOCH, 50);
    assert_eq!(rig.update(), 50);
    rig.hub.handle_end(rig.key, crate::broker::ReceiveEnd::Reset);
    let start = rig.now.mono;
    while rig.now.mono.since(start) < INTEREST_LINGER + Duration::from_secs(2) {
        rig.pass(TICK);
    }
    assert_eq!(rig.questions(), [None]);
    // What was on its way is declined.
    rig.comes(60);
    assert_eq!(rig.questions(), [None]);

    let newcomer = connect(&mut rig.hub, rig.now, None);
    rig.key = newcomer;
    let question = rig.question();
    rig.order_answers(question, EPOCH, 70);
    assert_eq!(rig.update(), 70);
}

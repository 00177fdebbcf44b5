use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::cluster::chain::Message;
use crate::cluster::stream_view::{Answer, Question, StreamInfo};
use crate::cluster::watched::Watched;

const KEPT: Kept = Kept { age: Duration::from_hours(1), messages: 100 };

/// Asks to follow a channel; what is answered.
fn follow(
    partition: &mut Partition,
    tokens: &Arc<str>,
    since: Option<Seq>,
) -> (Option<ReadJob>, mpsc::Receiver<Option<Result<Followed, Unavailable>>>) {
    let (sender, receiver) = mpsc::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let channel = ChannelName::parse("room:1").unwrap();
    let (last, messages, bytes) = (0, 100, 1 << 20);
    let request = FollowRequest { channel, since, last, messages, bytes, taken_over: None, reply };
    (partition.follow((Arc::clone(tokens), Epoch(1)), request), receiver)
}

fn is_gap_to(items: &[FeedItem], position: Seq) -> bool {
    matches!(items, [FeedItem::Gap { to, .. }] if *to == position)
}

#[test]
fn what_a_stream_has_dropped_at_a_channel_s_end_is_told_at_once() {
    let names = Names::new(Arc::from([String::from("a")]), 128);
    let names = (&names, Epoch(1));
    let tokens: Arc<str> = "a.room:1".into();
    let mut partition = Partition::new(Subjects::new("u", 0), "n".into(), 1, KEPT);
    let mut jobs = Vec::new();
    let (_, answer) = follow(&mut partition, &tokens, None);
    assert!(partition.handle_step(names, &tokens, Step::Begin { head: 4 }, &mut jobs).is_empty());
    assert_eq!(answer.recv().unwrap().unwrap().unwrap().head, position(4));
    let items = partition.handle_step(names, &tokens, Step::Gap { after: 4, to: 6 }, &mut jobs);
    assert!(is_gap_to(&items, position(6)), "{items:?}");
}

#[test]
fn a_gap_is_told_behind_older_messages_that_are_read() {
    let names = Names::new(Arc::from([String::from("a")]), 128);
    let names = (&names, Epoch(1));
    let tokens: Arc<str> = "a.room:1".into();
    let mut partition = Partition::new(Subjects::new("u", 0), "n".into(), 1, KEPT);
    let mut jobs = Vec::new();
    let (_, answer) = follow(&mut partition, &tokens, Some(position(2)));
    partition.handle_step(names, &tokens, Step::Begin { head: 4 }, &mut jobs);
    let job = jobs.pop().unwrap();
    assert!(
        partition.handle_step(names, &tokens, Step::Gap { after: 4, to: 6 }, &mut jobs).is_empty()
    );
    let backlog = Backlog { from: 2, messages: Vec::new(), newest: 4, is_whole: true };
    let items = partition.handle_backlog(names, (tokens, job.of), Some(backlog));
    assert_eq!(answer.recv().unwrap().unwrap().unwrap().head, position(4));
    assert!(is_gap_to(&items, position(6)), "{items:?}");
}

/// A partition with a channel that a pattern wants, from behind position 3 on.
fn appeared(names: (&Names, Epoch), tokens: &Arc<str>) -> Partition {
    let mut partition = Partition::new(Subjects::new("u", 0), "n".into(), 1, KEPT);
    partition.view.watch(Arc::new(Watched::new(["_.ro".into()])));
    let info = StreamInfo { epoch: 1, created: 0, first_seq: 1, last_seq: 4 };
    let (id, question) = partition.view.poll_question(Duration::ZERO).unwrap();
    assert_eq!(question, Question::Info);
    partition.view.handle_answer(Duration::ZERO, id, Answer::Info(info));
    let message = Message { seq: 5, prev: 3, time: 1, data: Bytes::from_static(b"?") };
    partition.view.handle_live(Duration::ZERO, tokens, message);
    while let Some(event) = partition.poll_event() {
        if let Event::Channel { channel, step } = event {
            assert!(partition.handle_step(names, &channel, step, &mut Vec::new()).is_empty());
        }
    }
    assert_eq!(partition.counts.foreign, 1);
    partition
}

#[test]
fn a_channel_that_comes_unasked_is_delivered_before_and_after_the_engine_asks() {
    let names = Names::new(Arc::from([String::from("a")]), 128);
    let names = (&names, Epoch(1));
    let tokens: Arc<str> = "_.room:1".into();
    let mut partition = appeared(names, &tokens);
    let gap = Step::Gap { after: 5, to: 6 };
    let items = partition.handle_step(names, &tokens, gap.clone(), &mut Vec::new());
    assert!(is_gap_to(&items, position(6)), "{items:?}");
    // The engine has what came of it: nothing is to be read.
    let (job, answer) = follow(&mut partition, &tokens, Some(position(6)));
    let followed = answer.recv().unwrap().unwrap().unwrap();
    assert_eq!((followed.head, followed.messages.len()), (position(3), 0));
    assert!(job.is_none());
    let items = partition.handle_step(names, &tokens, gap, &mut Vec::new());
    assert!(is_gap_to(&items, position(6)), "{items:?}");
    partition.unfollow(&tokens);
    assert!(!partition.view.follows(&tokens), "all of it was delivered");
}

#[test]
fn older_messages_of_a_channel_that_came_unasked_end_where_it_began() {
    let names = Names::new(Arc::from([String::from("a")]), 128);
    let names = (&names, Epoch(1));
    let tokens: Arc<str> = "_.room:1".into();
    let mut partition = appeared(names, &tokens);
    let (job, _answer) = follow(&mut partition, &tokens, Some(position(1)));
    let Some(ReadJob { of: Reading::Follow { head, .. }, .. }) = job else { panic!("{job:?}") };
    assert_eq!(head, position(3));
    let gap = Step::Gap { after: 5, to: 6 };
    let items = partition.handle_step(names, &tokens, gap, &mut Vec::new());
    assert!(is_gap_to(&items, position(6)), "it does not wait for them: {items:?}");
}

#[test]
fn what_waits_for_older_messages_that_cannot_be_read_is_delivered_to_patterns() {
    let names = Names::new(Arc::from([String::from("a")]), 128);
    let names = (&names, Epoch(1));
    let tokens: Arc<str> = "_.rose".into();
    let mut partition = appeared(names, &"_.room:1".into());
    let (_, _answer) = follow(&mut partition, &tokens, Some(position(1)));
    let mut jobs = Vec::new();
    partition.handle_step(names, &tokens, Step::Begin { head: 4 }, &mut jobs);
    let gap = Step::Gap { after: 4, to: 6 };
    assert!(partition.handle_step(names, &tokens, gap, &mut jobs).is_empty());
    let job = jobs.pop().unwrap();
    let items = partition.handle_backlog(names, (tokens, job.of), None);
    assert!(is_gap_to(&items, position(6)), "{items:?}");
}

/// Asks to follow a channel that was taken over up to a position; what is answered.
fn take_over(
    partition: &mut Partition,
    (tokens, epoch): (&Arc<str>, Epoch),
    seq: Seq,
) -> Option<Result<Followed, Unavailable>> {
    let (sender, receiver) = mpsc::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let channel = ChannelName::parse("room:1").unwrap();
    let (last, messages, bytes) = (0, 100, 1 << 20);
    let (since, taken_over) = (Some(seq), Some((epoch, seq)));
    let request = FollowRequest { channel, since, last, messages, bytes, taken_over, reply };
    assert!(partition.follow((Arc::clone(tokens), Epoch(1)), request).is_none());
    receiver.try_recv().ok().flatten()
}

/// A partition with nine messages in its stream, and what its view asks beside its audit.
fn begun() -> (Partition, impl Fn(&mut Partition) -> Vec<Question>) {
    let mut partition = Partition::new(Subjects::new("u", 0), "n".into(), 1, KEPT);
    partition.view.begin(StreamInfo { epoch: 1, created: 0, first_seq: 1, last_seq: 9 });
    let asked = |partition: &mut Partition| {
        let all = std::iter::from_fn(|| partition.view.poll_question(Duration::ZERO));
        all.map(|(_, question)| question).filter(|question| *question != Question::Info).collect()
    };
    (partition, asked)
}

#[test]
fn a_channel_that_was_taken_over_goes_on_at_once_and_asks_nothing() {
    let tokens: Arc<str> = "a.room:1".into();
    let (mut partition, asked) = begun();
    let answer = take_over(&mut partition, (&tokens, Epoch(1)), position(4)).unwrap().unwrap();
    assert_eq!((answer.head, answer.after, answer.messages.len()), (position(4), position(4), 0));
    assert_eq!((partition.view.last(&tokens), asked(&mut partition)), (4, Vec::new()));
    // What names the position before follows; what does not has something missing before it.
    let message = |seq, prev| Message { seq, prev, time: 1, data: Bytes::new() };
    partition.view.handle_live(Duration::ZERO, &tokens, message(10, 4));
    assert_eq!(partition.view.last(&tokens), 10);
    partition.view.handle_live(Duration::ZERO, &tokens, message(13, 12));
    assert_eq!(partition.view.last(&tokens), 10);
    assert_eq!(asked(&mut partition), [Question::Messages { channel: tokens, from: 10 }]);
}

#[test]
fn of_a_message_that_was_taken_over_in_part_the_rest_is_read() {
    let tokens: Arc<str> = "a.room:1".into();
    let (mut partition, asked) = begun();
    let part = Seq(position(5).0 - 3);
    let answer = take_over(&mut partition, (&tokens, Epoch(1)), part).unwrap().unwrap();
    assert_eq!(answer.head, part);
    assert_eq!(asked(&mut partition), [Question::Messages { channel: tokens, from: 4 }]);
}

#[test]
fn a_position_of_another_epoch_is_asked_for_as_ever() {
    let tokens: Arc<str> = "a.room:1".into();
    let (mut partition, asked) = begun();
    assert!(take_over(&mut partition, (&tokens, Epoch(2)), position(4)).is_none());
    assert_eq!(asked(&mut partition), [Question::Newest { channels: vec![tokens] }]);
}

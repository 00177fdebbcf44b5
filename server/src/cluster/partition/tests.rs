use std::sync::mpsc;

use super::*;

const KEPT: Kept = Kept { age: Duration::from_hours(1), messages: 100 };

/// Asks to follow a channel; what is answered.
fn follow(
    partition: &mut Partition,
    tokens: &Arc<str>,
    since: Option<Seq>,
) -> (Option<ReadJob>, mpsc::Receiver<Option<Result<Followed, Unavailable>>>) {
    let (sender, receiver) = mpsc::channel();
    let reply = Reply::new(move |answer| sender.send(answer).unwrap());
    let channel = ChannelName::parse("room:1").unwrap();
    let (last, messages, bytes) = (0, 100, 1 << 20);
    let request = FollowRequest { channel, since, last, messages, bytes, reply };
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
    let items = partition.handle_step(names, &tokens, Step::Gap { to: 6 }, &mut jobs);
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
    assert!(partition.handle_step(names, &tokens, Step::Gap { to: 6 }, &mut jobs).is_empty());
    let backlog = Backlog { from: 2, messages: Vec::new(), newest: 4, is_whole: true };
    let items = partition.handle_backlog(names, (tokens, job.of), Some(backlog));
    assert_eq!(answer.recv().unwrap().unwrap().unwrap().head, position(4));
    assert!(is_gap_to(&items, position(6)), "{items:?}");
}

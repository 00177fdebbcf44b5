use bytes::Bytes;
use uringcast_engine::Reply;

use super::*;

const EPOCH: Epoch = Epoch(9);

fn names() -> Names {
    Names::new(["s".to_owned()].into(), 32)
}

fn channel() -> ChannelName {
    ChannelName::parse("a").expect("a name")
}

/// A message with so many publications.
fn message(seq: u64, count: usize) -> Message {
    let entries = vec![r#"{"event":"e","data":{}}"#; count];
    let data = Bytes::from(entries.join("\u{1e}"));
    Message { seq, prev: 0, time: 5_000, data }
}

fn read(from: u64, messages: &[(u64, usize)]) -> Backlog {
    let newest = messages.last().map_or(0, |(seq, _)| *seq);
    let messages = messages.iter().map(|(seq, count)| message(*seq, *count)).collect();
    Backlog { from, messages, newest, is_whole: false }
}

fn follow(since: Option<u64>, messages: usize) -> FollowRequest {
    let (since, reply) = (since.map(Seq), Reply::new(|_| {}));
    FollowRequest {
        channel: channel(),
        since,
        last: 0,
        messages,
        bytes: 1 << 20,
        taken_over: None,
        reply,
    }
}

fn seqs(messages: &[Sequenced]) -> Vec<u64> {
    messages.iter().map(|message| message.seq.0).collect()
}

#[test]
fn what_is_behind_a_position_is_given_where_its_message_is_still_there() {
    let request = follow(Some(2 * 256 - 1), 100);
    assert_eq!(first_of(&request), 2);
    let followed = read(2, &[(2, 3), (5, 1)]).followed(&names(), (EPOCH, Seq(0)), &request);
    assert_eq!(seqs(&followed.messages), [512, 1280]);
    assert_eq!((followed.after, followed.head), (Seq(511), Seq(1280)));
    let prevs: Vec<_> = followed.messages.iter().map(|message| message.prev.0).collect();
    assert_eq!(prevs, [511, 512]);
    assert_eq!(followed.messages[0].unix_us, 5);
}

#[test]
fn where_it_is_gone_those_behind_it_begin_later() {
    let request = follow(Some(2 * 256), 100);
    let followed = read(2, &[(4, 2), (5, 1)]).followed(&names(), (EPOCH, Seq(0)), &request);
    assert_eq!(seqs(&followed.messages), [1023, 1024, 1280]);
    assert_eq!((followed.after, followed.head), (Seq(1022), Seq(1280)));
}

#[test]
fn a_young_channel_is_given_from_its_beginning() {
    let request = follow(Some(0), 100);
    assert_eq!(first_of(&request), 0);
    let followed = read(0, &[(2, 1)]).followed(&names(), (EPOCH, Seq(0)), &request);
    assert_eq!(followed.after, Seq(511), "it is not known what was before");
    let backlog = Backlog { is_whole: true, ..read(0, &[(2, 1)]) };
    let followed = backlog.followed(&names(), (EPOCH, Seq(0)), &request);
    assert_eq!((followed.after, seqs(&followed.messages)), (Seq(0), vec![512]));
}

#[test]
fn of_too_many_the_newest_are_given() {
    let request = follow(Some(256), 2);
    let followed = read(1, &[(1, 1), (2, 1), (3, 1), (4, 1)]);
    let followed = followed.followed(&names(), (EPOCH, Seq(0)), &request);
    assert_eq!(seqs(&followed.messages), [768, 1024]);
    assert_eq!(followed.after, Seq(512));
}

#[test]
fn a_channel_without_messages_goes_on_at_its_head() {
    let followed = read(0, &[]).followed(&names(), (EPOCH, Seq(768)), &follow(None, 10));
    assert_eq!((followed.after, followed.head), (Seq(768), Seq(768)));
    // A client may have come from a node that told it a gap.
    let followed = read(7, &[]).followed(&names(), (EPOCH, Seq(0)), &follow(Some(7 * 256), 10));
    assert_eq!((followed.after, followed.head), (Seq(1792), Seq(0)));
}

#[test]
fn messages_of_other_programs_are_left_out() {
    let mut backlog = read(0, &[(1, 1), (2, 1), (3, 1)]);
    backlog.messages[1].data = Bytes::from_static(b"hello");
    let followed = backlog.followed(&names(), (EPOCH, Seq(0)), &follow(None, 10));
    assert_eq!(seqs(&followed.messages), [256, 768]);
}

fn page(since: Option<u64>, reverse: bool, messages: usize) -> ReadPage {
    let (since, reply) = (since.map(Seq), Reply::new(|_| {}));
    let channel = channel();
    let request = ReadRequest { channel, since, reverse, messages, bytes: 1 << 20, reply };
    read(0, &[(1, 1), (2, 1), (3, 2)]).page(&names(), EPOCH, &request)
}

#[test]
fn history_is_read_in_both_directions() {
    let forward = page(Some(256), false, 2);
    assert_eq!((seqs(&forward.messages), forward.more), (vec![512, 767], true));
    assert_eq!((forward.oldest, forward.newest), (Some(Seq(256)), Seq(768)));
    let rest = page(Some(767), false, 2);
    assert_eq!((seqs(&rest.messages), rest.more), (vec![768], false));
    let newest = page(None, true, 3);
    assert_eq!((seqs(&newest.messages), newest.more), (vec![768, 767, 512], true));
    let older = page(Some(512), true, 3);
    assert_eq!((seqs(&older.messages), older.more), (vec![256], false));
}

use bytes::Bytes;

use super::*;
use crate::cluster::stream_positions::StreamPosition;
use crate::limits::{
    AUDIT_INTERVAL, AUDIT_MARGIN, NEWEST_CHANNELS, QUESTION_RETRY_MAX, ROLLBACK_PATIENCE,
    STREAM_QUESTIONS,
};

const AGE: Duration = Duration::from_secs(120);
const KEPT: Kept = Kept { age: AGE, messages: 1_000 };

const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn info(epoch: u64, last_seq: u64) -> StreamInfo {
    StreamInfo { epoch, created: 0, first_seq: 1, last_seq }
}

fn message(seq: u64, prev: u64, time: Duration) -> Message {
    Message { seq, prev, time: time.as_nanos() as u64, data: Bytes::new() }
}

fn newest(positions: &[(&str, u64)], up_to: u64) -> Answer {
    let positions = positions.iter().map(|(channel, seq)| (Arc::from(*channel), *seq));
    Answer::Newest { newest: positions.collect(), up_to }
}

/// A view that gets its answers by hand.
struct Asked {
    view: StreamView,
    now: Duration,
}

impl Asked {
    /// In life 1, with `last_seq` messages, and its first audit done.
    fn begun(last_seq: u64) -> Asked {
        let mut asked = Asked { view: StreamView::new(KEPT), now: Duration::ZERO };
        asked.expect(Question::Info, Answer::Info(info(1, last_seq)));
        asked.expect(Question::Info, Answer::Info(info(1, last_seq)));
        assert_eq!(asked.events(), ["Epoch(1)"]);
        asked
    }

    fn join(&mut self, channel: &str, head: u64, up_to: u64) {
        assert!(self.view.join(&channel.into()));
        self.expect(asks(&[channel]), newest(&[(channel, head)], up_to));
        let begin = Step::Begin { head };
        assert_eq!(
            self.events(),
            [format!("{:?}", Event::Channel { channel: channel.into(), step: begin })]
        );
    }

    fn question(&mut self) -> Option<(QuestionId, Question)> {
        self.view.poll_question(self.now)
    }

    fn expect(&mut self, question: Question, answer: Answer) {
        let (id, asked) = self.question().unwrap_or_else(|| panic!("{question:?} is not asked"));
        assert_eq!(asked, question);
        self.view.handle_answer(self.now, id, answer);
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.view.poll_event()).map(|event| format!("{event:?}")).collect()
    }

    /// Passes the time until the next question.
    fn wait(&mut self) {
        self.now = self.now.max(self.view.next_due().expect("something is due"));
    }
}

fn asks(channels: &[&str]) -> Question {
    Question::Newest { channels: channels.iter().map(|one| Arc::from(*one)).collect() }
}

#[test]
fn nothing_is_asked_of_replicas_before_the_leader_has_answered() {
    let mut asked = Asked { view: StreamView::new(KEPT), now: Duration::ZERO };
    assert!(asked.view.join(&"a".into()));
    let (id, question) = asked.question().expect("the leader is asked");
    assert_eq!((question, asked.question()), (Question::Info, None));
    asked.view.handle_answer(asked.now, id, Answer::Failed);
    assert_eq!(asked.question(), None, "it waits");
    asked.wait();
    asked.expect(Question::Info, Answer::Info(info(1, 9)));
    asked.expect(Question::Info, Answer::Info(info(1, 9)));
    asked.expect(asks(&["a"]), newest(&[("a", 7)], 8));
    assert_eq!(asked.events(), ["Epoch(1)"], "8 is less than the leader has");
    asked.wait();
    asked.expect(asks(&["a"]), newest(&[("a", 7)], 9));
    assert_eq!(asked.events().len(), 1);
}

#[test]
fn an_audit_finds_the_last_message_of_a_channel() {
    let mut asked = Asked::begun(5);
    asked.join("a", 5, 5);
    assert_eq!(asked.question(), None);
    asked.now += AUDIT_INTERVAL;
    asked.expect(Question::Info, Answer::Info(info(1, 6)));
    asked.expect(asks(&["a"]), newest(&[("a", 5)], 5));
    assert_eq!(asked.question(), None, "a replica that is behind proves nothing");
    asked.wait();
    asked.expect(asks(&["a"]), newest(&[("a", 6)], 6));
    assert_eq!(asked.view.counts().finds, 1);
    let messages = vec![message(5, 0, at(0)), message(6, 0, at(0))];
    asked.expect(Question::Messages { channel: "a".into(), from: 5 }, Answer::Messages(messages));
    assert_eq!(asked.events().len(), 1);
    assert_eq!(asked.view.last("a"), 6);
}

#[test]
fn after_an_outage_that_is_longer_than_messages_are_kept_a_gap_is_told() {
    let mut asked = Asked::begun(5);
    asked.join("a", 5, 5);
    asked.now += AGE;
    asked.view.handle_out_of_touch(asked.now);
    asked.expect(Question::Info, Answer::Info(info(1, 9)));
    asked.expect(asks(&["a"]), newest(&[], 9));
    let gap = Event::Channel { channel: "a".into(), step: Step::Gap { after: 5, to: 9 } };
    assert_eq!(asked.events(), [format!("{gap:?}")]);
}

#[test]
fn after_a_short_outage_nothing_found_is_nothing_missed() {
    let mut asked = Asked::begun(5);
    asked.join("a", 5, 5);
    asked.now += AGE - AUDIT_MARGIN - at(1);
    asked.view.handle_out_of_touch(asked.now);
    asked.expect(Question::Info, Answer::Info(info(1, 9)));
    asked.expect(asks(&["a"]), newest(&[], 9));
    assert_eq!(asked.events(), [""; 0]);
}

#[test]
fn another_stream_begins_all_channels_again() {
    let mut asked = Asked::begun(5);
    asked.join("a", 5, 5);
    asked.view.handle_live(at(1), "a", message(6, 5, at(1)));
    asked.events();
    // The new stream's second message has a position that is known, and a later time.
    asked.now = at(5_000);
    asked.view.handle_live(asked.now, "a", message(2, 1, asked.now));
    asked.expect(Question::Info, Answer::Info(info(2, 2)));
    assert_eq!(asked.events(), ["Epoch(2)"]);
    asked.expect(Question::Info, Answer::Info(info(2, 2)));
    asked.expect(asks(&["a"]), newest(&[("a", 2)], 2));
    assert_eq!(asked.events().len(), 1);
    assert_eq!(asked.view.counts().restarts, 1);
}

#[test]
fn a_stream_that_was_rolled_back_and_has_grown_again_is_known_by_its_times() {
    let mut asked = Asked::begun(5);
    asked.view.handle_live(at(1), "a", message(6, 5, at(1)));
    asked.view.handle_out_of_touch(asked.now);
    asked.expect(Question::Info, Answer::Info(info(1, 8)));
    asked.expect(Question::TimeAt { seq: 6 }, Answer::TimeAt(Some(12_345)));
    asked.expect(Question::NextEpoch { known: 1 }, Answer::Info(info(3, 8)));
    assert_eq!(asked.events(), ["Epoch(3)"]);
}

#[test]
fn a_stream_that_stays_behind_was_rolled_back() {
    let mut asked = Asked::begun(5);
    asked.view.handle_acknowledged(7);
    asked.view.handle_out_of_touch(asked.now);
    let end = asked.now + ROLLBACK_PATIENCE;
    while asked.now < end {
        asked.expect(Question::Info, Answer::Info(info(1, 6)));
        assert_eq!(asked.events(), [""; 0]);
        asked.wait();
    }
    assert!(asked.now < end + QUESTION_RETRY_MAX);
    asked.expect(Question::Info, Answer::Info(info(1, 6)));
    asked.expect(Question::NextEpoch { known: 1 }, Answer::Info(info(2, 6)));
    assert_eq!(asked.events(), ["Epoch(2)"]);
}

#[test]
fn a_leader_that_was_behind_twice_and_silent_between_is_no_roll_back() {
    let mut asked = Asked::begun(5);
    asked.view.handle_acknowledged(7);
    asked.view.handle_out_of_touch(asked.now);
    asked.expect(Question::Info, Answer::Info(info(1, 6)));
    let end = asked.now + ROLLBACK_PATIENCE;
    while asked.now < end {
        asked.wait();
        asked.expect(Question::Info, Answer::Failed);
    }
    asked.wait();
    asked.expect(Question::Info, Answer::Info(info(1, 6)));
    asked.wait();
    asked.expect(Question::Info, Answer::Info(info(1, 7)));
    assert_eq!(asked.events(), [""; 0]);
}

#[test]
fn an_election_is_followed_by_three_audits() {
    let mut asked = Asked::begun(5);
    asked.now = at(1_000);
    asked.view.handle_election(asked.now);
    for after in [0, 1_000, 5_000] {
        asked.wait();
        assert_eq!(asked.now, at(1_000 + after));
        asked.expect(Question::Info, Answer::Info(info(1, 5)));
    }
    assert_eq!(asked.view.counts().audits, 4);
}

#[test]
fn channels_that_begin_together_are_asked_about_together() {
    let mut asked = Asked::begun(5);
    let channels: Vec<_> = (0..NEWEST_CHANNELS + 1).map(|n| format!("c{n}")).collect();
    channels.iter().for_each(|channel| assert!(asked.view.join(&channel.as_str().into())));
    let counts = std::iter::from_fn(|| asked.question()).map(|(_, question)| match question {
        Question::Newest { channels, .. } => channels.len(),
        _ => 0,
    });
    assert_eq!(counts.collect::<Vec<_>>(), [NEWEST_CHANNELS, 1]);
}

#[test]
fn questions_under_way_are_bounded() {
    let mut asked = Asked::begun(5);
    let channels: Vec<_> = (0..STREAM_QUESTIONS + 1).map(|n| format!("c{n}")).collect();
    channels.iter().for_each(|channel| asked.join(channel, 5, 5));
    for (channel, seq) in channels.iter().zip(100..) {
        asked.view.handle_live(at(1), channel, message(seq, 99, at(1)));
    }
    assert_eq!(std::iter::from_fn(|| asked.question()).count(), STREAM_QUESTIONS);
    assert_eq!(asked.view.next_due(), None);
}

fn watched(prefixes: &[&str]) -> Arc<Watched> {
    Arc::new(Watched::new(prefixes.iter().map(|prefix| Box::from(*prefix))))
}

fn step(channel: &str, step: Step) -> String {
    format!("{:?}", Event::Channel { channel: channel.into(), step })
}

#[test]
fn a_channel_that_a_pattern_wants_is_followed_from_its_first_message_on() {
    let mut asked = Asked::begun(5);
    asked.view.watch(watched(&["ro"]));
    asked.view.handle_live(at(1), "room", message(6, 2, at(1)));
    asked.view.handle_live(at(1), "other", message(7, 0, at(1)));
    let first = Step::Deliver { prev: 2, message: message(6, 2, at(1)) };
    let begin = Step::Begin { head: 2 };
    assert_eq!(asked.events(), [step("room", begin), step("room", first)]);
    assert_eq!((asked.question(), asked.view.channels()), (None, 1));
    // One that was let go of comes again with its next message.
    asked.view.leave("room");
    asked.view.handle_live(at(1), "room", message(6, 2, at(1)));
    assert_eq!(asked.events(), [""; 0], "that was seen");
    asked.view.handle_live(at(1), "room", message(8, 6, at(1)));
    assert_eq!(asked.events().len(), 2);
}

#[test]
fn what_is_missing_of_a_stream_is_read_and_channels_in_it_begin_where_they_were() {
    let mut asked = Asked::begun(5);
    asked.view.watch(watched(&["ro"]));
    asked.view.handle_live(at(1), "other", message(8, 0, at(1)));
    let stored = vec![("room".into(), 6), ("room".into(), 7), ("other".into(), 8)];
    asked.expect(Question::Stored { from: 6 }, Answer::Stored(stored));
    let question = Question::NewestTo { channels: vec!["room".into()], up_to: 5 };
    asked.expect(question, newest(&[("room", 3)], 5));
    assert_eq!(asked.events(), [step("room", Step::Begin { head: 3 })]);
    let messages = [3, 6, 7].map(|seq| message(seq, 0, at(0))).to_vec();
    let question = Question::Messages { channel: "room".into(), from: 3 };
    asked.expect(question, Answer::Messages(messages));
    let told = [(3, 6), (6, 7)]
        .map(|(prev, seq)| step("room", Step::Deliver { prev, message: message(seq, 0, at(0)) }));
    assert_eq!(asked.events(), told);
    assert_eq!((asked.question(), asked.view.counts().missed), (None, 3));
}

#[test]
fn an_audit_finds_the_only_message_of_a_channel_that_nobody_has_heard_of() {
    let mut asked = Asked::begun(5);
    asked.view.watch(watched(&["ro"]));
    asked.now += AUDIT_INTERVAL;
    asked.expect(Question::Info, Answer::Info(info(1, 6)));
    asked.expect(Question::Stored { from: 6 }, Answer::Stored(vec![("room".into(), 6)]));
    let question = Question::NewestTo { channels: vec!["room".into()], up_to: 5 };
    asked.expect(question, newest(&[], 5));
    assert_eq!(asked.events(), [step("room", Step::Begin { head: 0 })]);
    assert!(matches!(asked.question(), Some((_, Question::Messages { from: 0, .. }))));
}

#[test]
fn channels_beyond_the_room_for_them_are_counted() {
    let mut asked = Asked::begun(5);
    asked.view.channels.room = 1;
    asked.join("a", 5, 5);
    assert!(asked.view.join(&"a".into()), "one that is followed needs no room");
    assert_eq!(asked.view.counts().refused, 0);
    assert!(!asked.view.join(&"b".into()));
    assert_eq!(asked.view.counts().refused, 1);
    // By a pattern: as it comes, and as it is read.
    asked.view.watch(watched(&["ro"]));
    asked.view.handle_live(at(1), "room:1", message(6, 0, at(1)));
    assert_eq!(asked.view.counts().refused, 2);
    asked.view.handle_live(at(1), "other", message(8, 0, at(1)));
    let stored = vec![("room:2".into(), 7), ("other".into(), 8)];
    asked.expect(Question::Stored { from: 7 }, Answer::Stored(stored));
    assert_eq!(asked.view.counts().refused, 3);
    assert_eq!((asked.events(), asked.question()), (Vec::new(), None));
    // The channel that has room goes on, and what it leaves is there for another one.
    asked.view.handle_live(at(1), "a", message(9, 5, at(1)));
    assert_eq!(asked.events().len(), 1);
    asked.view.leave("a");
    asked.view.handle_live(at(1), "room:1", message(10, 6, at(1)));
    assert_eq!((asked.view.counts().refused, asked.events().len()), (3, 2));
}

#[test]
fn one_that_is_followed_by_name_begins_no_later_than_its_pattern() {
    let mut asked = Asked::begun(5);
    assert!(asked.view.join(&"room".into()) && asked.view.join(&"other".into()));
    asked.view.watch(watched(&["ro"]));
    asked.view.handle_live(at(1), "room", message(6, 4, at(1)));
    asked.expect(asks(&["other"]), newest(&[], 6));
    asked.events();
    let question = Question::NewestTo { channels: vec!["room".into()], up_to: 5 };
    asked.expect(question, newest(&[("room", 4)], 5));
    let first = Step::Deliver { prev: 4, message: message(6, 4, at(1)) };
    let begin = Step::Begin { head: 4 };
    assert_eq!(asked.events(), [step("room", begin), step("room", first)]);
    // Without the pattern nothing of it is looked for.
    assert!(asked.view.join(&"rose".into()));
    asked.view.watch(watched(&[]));
    asked.expect(asks(&["rose"]), newest(&[], 6));
    assert_eq!(asked.events(), [step("rose", Step::Begin { head: 0 })]);
}

#[test]
fn before_patterns_are_known_channels_begin_where_the_process_before_was_for_them() {
    let mut asked = Asked::begun(9);
    let position = StreamPosition { seen: 5, ..asked.view.position(asked.now) };
    asked.view.take_over(asked.now, &position);
    assert_eq!(asked.view.position(asked.now).seen, 5, "if it hands over itself");
    assert!(asked.view.join(&"room".into()) && asked.view.join(&"other".into()));
    let question = |channels: &[&str]| Question::NewestTo {
        channels: channels.iter().map(|one| Arc::from(*one)).collect(),
        up_to: 5,
    };
    asked.expect(question(&["room", "other"]), newest(&[("room", 4)], 9));
    let begin = |(channel, head)| step(channel, Step::Begin { head });
    assert_eq!(asked.events(), [("room", 4), ("other", 0)].map(begin));
    // What it has missed is read, once it is known that it is wanted.
    asked.view.watch(watched(&["ro"]));
    let stored = vec![("room".into(), 8), ("third".into(), 9)];
    asked.expect(Question::Stored { from: 6 }, Answer::Stored(stored));
    let messages = [(4, 0), (8, 4)].map(|(seq, prev)| message(seq, prev, at(0))).to_vec();
    let read = Question::Messages { channel: "room".into(), from: 4 };
    asked.expect(read, Answer::Messages(messages));
    let missed = Step::Deliver { prev: 4, message: message(8, 4, at(0)) };
    assert_eq!(asked.events(), [step("room", missed)]);
}

#[test]
fn a_life_that_begins_before_patterns_are_known_is_theirs_from_its_first_message() {
    let mut asked = Asked::begun(9);
    let position = asked.view.position(asked.now);
    asked.view.take_over(asked.now, &position);
    assert!(asked.view.go_on(&"room".into(), (7, 7)));
    let info = StreamInfo { epoch: 2, created: 1, first_seq: 1, last_seq: 2 };
    asked.view.begin(info);
    assert_eq!((asked.events(), asked.view.position(asked.now).seen), (vec!["Epoch(2)".into()], 0));
    asked.view.watch(watched(&["ro"]));
    asked.expect(Question::Info, Answer::Info(info));
    asked.expect(Question::Stored { from: 1 }, Answer::Stored(vec![("room".into(), 2)]));
}

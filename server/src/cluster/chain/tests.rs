use super::*;

fn message(seq: u64, prev: u64) -> Message {
    Message { seq, prev, time: seq, data: Bytes::from(seq.to_string()) }
}

/// What steps are, in short.
fn said(steps: &mut Vec<Step>) -> String {
    let one = |step: Step| match step {
        Step::Deliver { prev, message } => format!("{prev}<{}", message.seq),
        Step::Gap { to, .. } => format!("gap {to}"),
        Step::Begin { head } => format!("begin {head}"),
    };
    steps.drain(..).map(one).collect::<Vec<_>>().join(", ")
}

struct Channel {
    chain: Chain,
    steps: Vec<Step>,
}

impl Channel {
    fn begun(head: u64) -> Channel {
        let mut channel = Channel { chain: Chain::joining(0), steps: Vec::new() };
        assert_eq!(channel.newest(head, head), format!("begin {head}"));
        channel
    }

    fn live(&mut self, seq: u64, prev: u64) -> String {
        self.chain.handle_live(message(seq, prev), &mut self.steps);
        said(&mut self.steps)
    }

    fn read(&mut self, seqs: &[u64]) -> String {
        let Some(Want::Messages { from }) = self.chain.want() else { panic!("wants no messages") };
        let messages = seqs.iter().map(|seq| message(*seq, 0)).collect();
        self.chain.handle_messages((from, false), messages, &mut self.steps);
        said(&mut self.steps)
    }

    fn newest(&mut self, newest: u64, up_to: u64) -> String {
        let newest = (newest > 0).then_some(newest);
        self.chain.handle_newest(newest, up_to, &mut self.steps);
        said(&mut self.steps)
    }
}

#[test]
fn what_follows_is_delivered_and_what_was_delivered_is_dropped() {
    let mut channel = Channel::begun(5);
    assert_eq!(channel.live(8, 5), "5<8");
    assert_eq!(channel.live(8, 5), "");
    assert_eq!(channel.live(9, 8), "8<9");
    assert_eq!(channel.live(3, 0), "");
    assert_eq!(channel.chain.want(), None);
}

#[test]
fn behind_a_hole_messages_wait_for_a_read() {
    let mut channel = Channel::begun(5);
    assert_eq!(channel.live(9, 7), "");
    assert_eq!(channel.live(10, 9), "");
    assert_eq!(channel.chain.want(), Some(Want::Messages { from: 5 }));
    assert_eq!(channel.read(&[5, 7]), "5<7, 7<9, 9<10");
    assert_eq!(channel.chain.want(), None);
}

#[test]
fn a_late_message_fills_its_hole_without_a_read() {
    let mut channel = Channel::begun(5);
    assert_eq!(channel.live(9, 7), "");
    assert_eq!(channel.live(7, 5), "5<7, 7<9");
    assert_eq!(channel.chain.want(), None);
    // The answer to the read that was begun says nothing new.
    let answer = vec![message(5, 0), message(7, 0)];
    channel.chain.handle_messages((5, false), answer, &mut channel.steps);
    assert_eq!(said(&mut channel.steps), "");
}

#[test]
fn a_replica_that_is_behind_is_asked_how_far_it_is_before_a_gap_is_told() {
    let mut channel = Channel::begun(5);
    channel.live(9, 7);
    assert_eq!(channel.read(&[5]), "");
    assert_eq!(channel.chain.want(), Some(Want::Newest { floor: 7 }));
    assert_eq!(channel.newest(5, 6), "", "it is behind");
    assert_eq!(channel.newest(9, 9), "", "it has something");
    assert_eq!(channel.read(&[5]), "", "another one is behind");
    assert_eq!(channel.newest(5, 7), "gap 7, 7<9", "nothing is there any more");
}

#[test]
fn where_the_last_message_is_gone_those_behind_it_may_be_gone_too() {
    let mut channel = Channel::begun(5);
    channel.live(20, 18);
    assert_eq!(channel.read(&[15, 18]), "gap 14, 14<15, 15<18, 18<20");
}

#[test]
fn where_nothing_can_have_been_dropped_yet_there_is_no_gap() {
    let mut channel = Channel::begun(5);
    channel.live(20, 18);
    let answer = |channel: &mut Channel| {
        let messages = vec![message(15, 0), message(18, 0)];
        channel.chain.handle_messages((5, true), messages, &mut channel.steps);
        said(&mut channel.steps)
    };
    assert_eq!(answer(&mut channel), "5<15, 15<18, 18<20");
    let mut channel = Channel::begun(5);
    channel.chain.handle_out_of_touch();
    channel.live(20, 18);
    assert_eq!(answer(&mut channel), "gap 14, 14<15, 15<18, 18<20");
}

#[test]
fn a_read_goes_on_until_all_is_there() {
    let mut channel = Channel::begun(5);
    channel.live(20, 18);
    assert_eq!(channel.read(&[5, 8, 9]), "5<8, 8<9");
    assert_eq!(channel.chain.want(), Some(Want::Messages { from: 9 }));
    assert_eq!(channel.read(&[9, 18]), "9<18, 18<20");
}

#[test]
fn a_message_without_one_before_it_proves_nothing_after_an_outage() {
    let mut channel = Channel::begun(5);
    assert_eq!(channel.live(6, 0), "5<6", "the one before was dropped by its age");
    channel.chain.handle_out_of_touch();
    assert_eq!(channel.live(9, 0), "");
    assert_eq!(channel.read(&[8, 9]), "gap 7, 7<8, 8<9");
    assert_eq!(channel.live(12, 0), "9<12", "in touch again");
}

#[test]
fn after_an_outage_the_next_message_is_proof_enough() {
    let mut channel = Channel::begun(5);
    channel.chain.handle_out_of_touch();
    assert_eq!(channel.live(9, 5), "5<9");
}

#[test]
fn what_an_audit_finds_is_read() {
    let mut channel = Channel::begun(5);
    channel.chain.handle_found(8);
    assert_eq!(channel.read(&[5, 7, 8]), "5<7, 7<8");
    channel.chain.handle_nothing_found();
    channel.chain.handle_all_gone(30, &mut channel.steps);
    assert_eq!(said(&mut channel.steps), "gap 30");
}

#[test]
fn what_comes_before_the_beginning_is_known_waits() {
    let mut channel = Channel { chain: Chain::joining(6), steps: Vec::new() };
    assert_eq!(channel.live(9, 7), "");
    assert_eq!(channel.live(10, 9), "");
    assert_eq!(channel.newest(5, 5), "", "it is behind");
    assert_eq!(channel.newest(7, 8), "begin 7, 7<9, 9<10");
}

#[test]
fn more_than_may_wait_is_left_to_the_stream() {
    let mut channel = Channel::begun(5);
    (0..=crate::limits::HELD_MESSAGES as u64).for_each(|n| drop(channel.live(11 + n, 10 + n)));
    let first = message(0, 0).data.len();
    assert!(channel.chain.held_bytes() > first);
    let steps = channel.read(&[5, 10]);
    assert_eq!(steps, "5<10", "the first one was let go of");
    assert!(channel.read(&[10, 11]).starts_with("10<11, 11<12, "));
    assert_eq!((channel.chain.want(), channel.chain.held_bytes()), (None, 0));
}

#[test]
fn a_new_life_begins_at_its_own_head() {
    let mut channel = Channel::begun(500);
    channel.chain.restart(7);
    assert_eq!(channel.chain.want(), Some(Want::Newest { floor: 7 }));
    assert_eq!(channel.newest(6, 7), "begin 6");
    assert_eq!(channel.live(8, 6), "6<8");
}

//! Frames that cost their number: PINGs, PONGs, small fragments; and what comes after the close.

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

use super::*;
use crate::broker::turn_limits::TurnLimits;
use crate::limits::{
    CLOSE_TIMEOUT, CLOSING_BYTES, MESSAGE_TIMEOUT, RECEIVE_BUFFER, REFUSALS_PER_RECEIVE,
    SMALL_FRAGMENT, SMALL_FRAME_RATE,
};

const RATE: u32 = 100;
/// What a full bucket lets pass.
const BURST: usize = 150;

fn rig() -> Rig {
    let mut rig = Rig::new(AuthMode::Off, None);
    assert_eq!(rig.hear()[0]["event"], "session.created");
    rig
}

fn masked(opcode: OpCode, payload: &[u8], is_final: bool) -> Vec<u8> {
    let header =
        FrameHeader { opcode, is_final, mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes).unwrap();
    bytes
}

/// Hands over frames in one receive. Returns the PONGs and other messages that are answered.
fn receive(rig: &mut Rig, frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Value>) {
    rig.hub.handle_received(rig.key, &mut frames.concat());
    let mut wire = Wire::default();
    while rig.hub.poll_transmit(&mut wire, &mut Alone) {}
    let (mut pongs, mut rest) = (Vec::new(), &wire.written[..]);
    while rest.first() == Some(&0x8a) {
        let end = 2 + usize::from(rest[1]);
        pongs.push(rest[2..end].to_vec());
        rest = &rest[end..];
    }
    (pongs, messages(rest))
}

fn pings(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| masked(OpCode::Control(Control::Ping), &n.to_be_bytes(), true)).collect()
}

#[test]
fn pings_within_the_rate_are_answered_one_by_one() {
    let mut rig = rig();
    let (pongs, told) = receive(&mut rig, &pings(BURST));
    assert_eq!(pongs.len(), BURST);
    assert!(told.is_empty() && !rig.hub.is_paused(rig.key));
}

#[test]
fn a_flood_of_pings_gets_one_pong_more_and_is_told_and_held_back() {
    let mut rig = rig();
    let (pongs, told) = receive(&mut rig, &pings(BURST + 300));
    assert_eq!(pongs.len(), BURST + 1);
    assert_eq!(pongs.last().unwrap()[..], (BURST + 299).to_be_bytes());
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["error_code"], "RATE_LIMIT_EXCEEDED");
    let key = rig.key;
    assert_eq!(rig.hub.poll_effect(), Some(Effect::PauseReceive(key)));
    rig.pass(Duration::from_millis(2_950));
    assert_eq!(rig.hub.poll_effect(), None, "300 frames are three seconds' worth");
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
}

#[test]
fn pongs_and_small_fragments_count_as_messages() {
    let pong = masked(OpCode::Control(Control::Pong), b"", true);
    let begun = masked(OpCode::Data(Data::Text), b"", false);
    let empty = masked(OpCode::Data(Data::Continue), b"", false);
    let small = masked(OpCode::Data(Data::Continue), &[b' '; SMALL_FRAGMENT - 1], false);
    let large = masked(OpCode::Data(Data::Continue), &[b' '; SMALL_FRAGMENT], false);
    for (frame, counts) in [(&pong, true), (&empty, true), (&small, true), (&large, false)] {
        let mut rig = rig();
        let mut frames = vec![begun.clone()];
        frames.extend(vec![frame.clone(); BURST + 10]);
        receive(&mut rig, &frames);
        assert_eq!(rig.hub.is_paused(rig.key), counts, "{} bytes", frame.len());
        let buffers = frames.concat().len() / RECEIVE_BUFFER;
        assert_eq!(rig.hub.handled() - buffers, if counts { BURST + 11 } else { 1 });
    }
}

#[test]
fn a_flood_of_pings_is_held_back_where_messages_have_no_rate() {
    let service = Service { message_rate: 0, ..Service::default() };
    let mut hub = Hub::new(Arc::new(Config::from(service)), ShardId(0), 1, 2, 1);
    let now = Now { mono: Time(0), unix_us: START * 1_000_000 };
    let key = connect(&mut hub, now, None);
    let mut rig = Rig { hub: Box::new(hub), key, now };
    rig.hear();
    let burst = SMALL_FRAME_RATE as usize * 3 / 2;
    let (pongs, told) = receive(&mut rig, &pings(burst));
    assert!(pongs.len() == burst && told.is_empty() && !rig.hub.is_paused(key));
    let (pongs, told) = receive(&mut rig, &pings(SMALL_FRAME_RATE as usize));
    assert_eq!((pongs.len(), &told[..]), (1, &[][..]), "the last one is answered");
    assert_eq!(rig.hub.poll_effect(), Some(Effect::PauseReceive(key)));
    rig.pass(Duration::from_millis(900));
    assert_eq!(rig.hub.poll_effect(), None);
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ResumeReceive(key)));
    // Messages have no rate at all.
    let ping = masked(OpCode::Data(Data::Text), br#"{"type":"ping"}"#, true);
    receive(&mut rig, &vec![ping; 2 * burst]);
    assert!(!rig.hub.is_paused(key));
}

#[test]
fn a_pause_for_a_rate_is_over_when_the_rate_is() {
    let mut rig = rig();
    let config = |byte_rate| {
        let access = Access { byte_rate, ..Access::default() };
        Arc::new(Config::from(Service { access, ..Service::default() }))
    };
    rig.hub.reconfigure(config(1));
    let key = rig.key;
    rig.hub.handle_received(key, &mut masked(OpCode::Data(Data::Text), &vec![b' '; 1 << 18], true));
    rig.asked();
    rig.hub.reconfigure(config(100));
    rig.pass(Duration::from_secs(60));
    assert!(rig.hub.is_paused(key), "at the new rate there is much to pay for");
    rig.hub.reconfigure(config(1_000));
    rig.pass(Duration::from_secs(60));
    assert!(rig.hub.is_paused(key), "a quarter of a megabyte takes minutes");
    rig.pass(Duration::from_secs(200));
    assert!(!rig.hub.is_paused(key), "and not days");
    assert_eq!(rig.hub.timers(), 0, "no other one is left");
}

#[test]
fn a_debt_is_paid_off_after_ten_seconds() {
    let mut rig = rig();
    receive(&mut rig, &pings(100 * RATE as usize));
    rig.asked();
    rig.pass(Duration::from_millis(10_050));
    assert!(!rig.hub.is_paused(rig.key));
}

#[test]
fn a_client_that_is_closed_may_send_so_much_more_and_is_cut() {
    let mut rig = rig();
    receive(&mut rig, &[b"\x83\x80\0\0\0\0".to_vec()]);
    let shut = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::ShutdownWrite(_)));
    let effects = |rig: &mut Rig| std::iter::from_fn(|| rig.hub.poll_effect()).collect::<Vec<_>>();
    assert!(shut(&effects(&mut rig)), "a fault ends the reading of frames");
    let key = rig.key;
    let mut sent = 0;
    while sent <= CLOSING_BYTES as usize {
        assert_eq!(effects(&mut rig), [], "after {sent} bytes");
        rig.hub.handle_received(key, &mut [0; 4_096]);
        sent += 4_096;
    }
    assert_eq!(effects(&mut rig), [Effect::CancelReceive(key)]);
}

#[test]
fn a_close_that_is_not_answered_has_one_deadline() {
    let mut rig = rig();
    rig.hub.end_by(rig.key, Ending::Close(CloseReason::Expelled));
    rig.hear();
    rig.asked();
    rig.pass(CLOSE_TIMEOUT - Duration::from_millis(1));
    assert_eq!(rig.hub.poll_effect(), None);
    rig.pass(Duration::from_millis(1));
    let key = rig.key;
    assert_eq!(rig.hub.poll_effect(), Some(Effect::ShutdownWrite(key)));
    assert_eq!(rig.hub.poll_effect(), Some(Effect::CancelReceive(key)));
    assert_eq!(rig.errors(ConnectionError::Timeout), 1);
}

/// Two clients of a shard that keeps little of unfinished messages.
fn small_rig() -> (Rig, ConnectionKey) {
    let mut rig = rig();
    let limits = TurnLimits { unfinished_bytes: 3_000, ..TurnLimits::default() };
    rig.hub.set_limits(limits);
    let other = connect(&mut rig.hub, rig.now, None);
    rig.hear();
    (rig, other)
}

/// The first bytes of a message that does not end.
fn begin(rig: &mut Rig, key: ConnectionKey, bytes: usize) {
    let mut begun = masked(OpCode::Data(Data::Text), &vec![b'x'; 1 << 16], true);
    begun.truncate(14 + bytes);
    rig.hub.handle_received(key, &mut begun);
}

#[test]
fn who_holds_most_of_unfinished_messages_gives_way_to_the_others() {
    let (mut rig, other) = small_rig();
    let greedy = rig.key;
    begin(&mut rig, greedy, 2_500);
    begin(&mut rig, other, 400);
    assert!(rig.hub.is_open(greedy) && rig.hub.is_open(other));
    rig.hub.handle_received(other, &mut [b'x'; 200]);
    assert!(!rig.hub.is_open(greedy) && rig.hub.is_open(other));
    let told = rig.hear();
    assert_eq!(told[0], json!({"close": 4102, "reason": "Message was not finished in time"}));
    // What it held is free at once.
    rig.hub.handle_received(other, &mut [b'x'; 2_000]);
    assert!(rig.hub.is_open(other));
}

#[test]
fn a_message_has_its_time_to_come_whole_whatever_else_comes() {
    let mut rig = rig();
    let key = rig.key;
    begin(&mut rig, key, 10);
    let (mut passed, second) = (Duration::ZERO, Duration::from_secs(1));
    while rig.hub.is_open(key) {
        assert!(passed <= MESSAGE_TIMEOUT + 2 * second, "it may hold its memory for ever");
        rig.hub.handle_received(key, b"x".to_vec().as_mut_slice());
        (0..20).for_each(|_| rig.pass(second / 20));
        passed += second;
    }
    assert!(passed >= MESSAGE_TIMEOUT, "{passed:?}");
    assert_eq!(rig.hear().last().unwrap()["close"], 4102);
}

#[test]
fn of_a_flood_of_messages_few_are_answered_and_all_are_paid_for() {
    let mut rig = rig();
    let empty = masked(OpCode::Data(Data::Text), b"", true);
    let (_, told) = receive(&mut rig, &vec![empty.clone(); BURST + 564]);
    let count = |code: &str| told.iter().filter(|reply| reply["error_code"] == code).count();
    assert_eq!(count("DECODE_ERROR"), BURST);
    assert_eq!(count("RATE_LIMIT_EXCEEDED"), REFUSALS_PER_RECEIVE as usize + 1);
    assert_eq!(rig.message_errors(MessageError::RateLimited), 565);
    rig.asked();
    rig.pass(Duration::from_millis(4_900));
    assert!(rig.hub.is_paused(rig.key), "500 messages are five seconds' worth");
    rig.pass(Duration::from_millis(150));
    assert!(!rig.hub.is_paused(rig.key));
    // A few too many are answered one by one, and the client goes on as it was told.
    rig.pass(Duration::from_secs(2));
    let (_, told) = receive(&mut rig, &vec![empty; BURST + 2]);
    assert_eq!(told.len(), BURST + 2);
    rig.pass(Duration::from_millis(50));
    assert!(!rig.hub.is_paused(rig.key));
}

#[test]
fn channels_of_a_request_count_as_an_iteration_s_work() {
    let mut rig = rig();
    let channels: Vec<String> = (0..100).map(|n| format!("c:{n}")).collect();
    rig.say(&json!({"type": "subscribe", "data": {"channels": channels}}));
    assert_eq!(rig.hub.handled(), 100);
}

#[test]
fn whole_buffers_count_as_an_iteration_s_work() {
    let mut rig = rig();
    let key = rig.key;
    begin(&mut rig, key, 10);
    assert_eq!(rig.hub.handled(), 0);
    rig.hub.handle_received(key, &mut vec![b'x'; 10 * RECEIVE_BUFFER + 1]);
    assert_eq!(rig.hub.handled(), 10);
}

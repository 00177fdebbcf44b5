use std::net::TcpListener;
use std::thread;

use super::*;

const SOON: Duration = Duration::from_secs(30);

fn pair() -> (Link, Link) {
    let (one, other) = UnixStream::pair().unwrap();
    (Link::new(one).unwrap(), Link::new(other).unwrap())
}

#[test]
fn a_message_arrives_with_its_body_and_all_descriptors() {
    let (one, other) = pair();
    let body: Vec<u8> = (0..300_000_u32).map(|byte| byte as u8).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let many = vec![listener.as_fd(); HANDOVER_DESCRIPTORS + 3];
    one.send(Kind::Hello, b"", &[]).unwrap();
    one.send(Kind::State, &body, &many).unwrap();
    one.send(Kind::Ready, b"r", &[]).unwrap();
    let hello = other.receive(SOON).unwrap();
    assert_eq!((hello.kind, hello.version, hello.body.len()), (Kind::Hello, VERSION, 0));
    let state = other.receive(SOON).unwrap();
    assert_eq!(state.kind, Kind::State);
    assert!(*state.body == body);
    assert_eq!(state.descriptors.len(), many.len());
    let same = TcpListener::from(state.descriptors.into_iter().next_back().unwrap());
    assert_eq!(same.local_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(other.receive(SOON).unwrap().body.as_slice(), b"r");
}

#[test]
fn silence_and_an_end_are_told_apart() {
    let (one, other) = pair();
    assert!(matches!(other.receive(Duration::ZERO), Err(NoMessage::TimedOut)));
    one.send(Kind::Taken, b"", &[]).unwrap();
    // Unread at the other end's close.
    other.send(Kind::Commit, b"", &[]).unwrap();
    drop(one);
    assert_eq!(other.receive(SOON).unwrap().kind, Kind::Taken);
    assert!(matches!(other.receive(SOON), Err(NoMessage::Closed)));
    assert!(other.send(Kind::Refused, b"", &[]).is_err());
}

#[test]
fn the_last_word_is_read_behind_its_end_and_what_was_read_is_overwritten() {
    let (one, other) = pair();
    one.send(Kind::State, b"keys", &[]).unwrap();
    let state = other.receive(SOON).unwrap();
    one.send(Kind::Refused, b"why", &[]).unwrap();
    drop(one);
    assert_eq!(other.receive(SOON).unwrap().body.as_slice(), b"why");
    let read = state.file.unwrap().read(4).unwrap_err();
    assert_eq!(read.kind(), io::ErrorKind::UnexpectedEof, "the sender has overwritten and cut it");
}

#[test]
fn a_wait_goes_on_until_the_message_is_there() {
    let (one, other) = pair();
    let waits = thread::spawn(move || other.receive(SOON).unwrap().kind);
    one.send(Kind::Rings, b"", &[]).unwrap();
    assert_eq!(waits.join().unwrap(), Kind::Rings);
}

#[test]
fn what_is_no_message_is_refused() {
    for bytes in [[0; HEADER], [0xff; HEADER]] {
        let (one, other) = pair();
        one.send_once(&bytes, &[]).unwrap();
        assert!(matches!(other.receive(SOON), Err(NoMessage::Broken(_))));
    }
    // A length without a file.
    let (one, other) = pair();
    let mut header = [0; HEADER];
    (header[0], header[8]) = (Kind::State as u8, 1);
    one.send_once(&header, &[]).unwrap();
    assert!(matches!(other.receive(SOON), Err(NoMessage::Broken(_))));
    // A shorter file than was said.
    let (one, other) = pair();
    let file = SecretFile::new(b"abc").unwrap();
    header[8] = 4;
    one.send_once(&header, &[file.as_fd()]).unwrap();
    assert!(matches!(other.receive(SOON), Err(NoMessage::Broken(_))));
}

//! The frame reader against tungstenite's `WebSocketContext`: the same messages and the same class
//! of fault for any stream of frames, however it is cut.

use std::io::{self, Cursor, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::error::Error;
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};
use uringcast_engine::wire::deflate::Inflater;
use uringcast_engine::wire::frame::{Event, FrameError, Reader};

/// Small, so that streams run into it.
const MAX_MESSAGE: usize = 300;

/// How reading a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More bytes could have followed.
    Open,
    Closed,
    Protocol,
    Utf8,
    TooBig,
}

/// One event, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Seen {
        match event {
            Event::Text(text) => Seen::Text(text.into()),
            Event::Binary(bytes) => Seen::Binary(bytes.into()),
            Event::Ping(bytes) => Seen::Ping(bytes.into()),
            Event::Pong(bytes) => Seen::Pong(bytes.into()),
            Event::Close(close) => Seen::Close(close.map(|(code, reason)| (code, reason.into()))),
        }
    }
}

/// Our reader, fed in pieces of the given sizes, again and again.
fn ours(stream: &[u8], sizes: &[usize]) -> (Vec<Seen>, End) {
    let (mut reader, mut inflater) = (Reader::default(), Inflater::default());
    let mut seen = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let mut piece = rest[..size].to_vec();
        rest = &rest[size..];
        let mut decoding = reader.decode(&mut piece, MAX_MESSAGE, &mut inflater);
        loop {
            match decoding.next() {
                Ok(None) => break,
                Ok(Some(event)) => seen.push(Seen::from(event)),
                Err(FrameError::Protocol(_) | FrameError::Corrupt) => return (seen, End::Protocol),
                Err(FrameError::InvalidUtf8) => return (seen, End::Utf8),
                Err(FrameError::TooBig(_) | FrameError::TooManyFragments) => {
                    return (seen, End::TooBig);
                }
            }
        }
        if matches!(seen.last(), Some(Seen::Close(_))) {
            return (seen, End::Closed);
        }
    }
    (seen, End::Open)
}

/// A socket that has received the stream and nothing since.
struct Received<'a>(Cursor<&'a [u8]>);

impl Read for Received<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Received<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// tungstenite as a server.
fn theirs(stream: &[u8]) -> (Vec<Seen>, End) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut socket = Received(Cursor::new(stream));
    let mut seen = Vec::new();
    loop {
        let message = match context.read(&mut socket) {
            Ok(message) => message,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, End::Open);
            }
            Err(Error::ConnectionClosed) => return (seen, End::Closed),
            Err(Error::Protocol(_)) => return (seen, End::Protocol),
            Err(Error::Utf8(_)) => return (seen, End::Utf8),
            Err(Error::Capacity(_)) => return (seen, End::TooBig),
            Err(error) => panic!("{error:?}"),
        };
        seen.push(match message {
            Message::Text(text) => Seen::Text(text.as_str().into()),
            Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Seen::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Seen::Pong(bytes.to_vec()),
            Message::Close(close) => {
                // tungstenite replaces a forbidden code; our reader reports a fault.
                if close.as_ref().is_some_and(|close| close.reason == "Protocol violation") {
                    return (seen, End::Protocol);
                }
                let close = close.map(|close| (close.code.into(), close.reason.as_str().into()));
                seen.push(Seen::Close(close));
                return (seen, End::Closed);
            }
            Message::Frame(_) => panic!("reading gives no raw frames"),
        });
    }
}

/// A client's frame as it may be sent, right or wrong.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    masked: bool,
    mask: [u8; 4],
    payload: Vec<u8>,
    /// Written in a longer form than needed.
    long: bool,
}

impl Frame {
    fn write(&self, out: &mut Vec<u8>) {
        let masked = if self.masked { 0x80 } else { 0 };
        out.push(self.first);
        match self.payload.len() {
            len if self.long || len > 0xffff => {
                out.push(masked | 127);
                out.extend((len as u64).to_be_bytes());
            }
            len @ 126.. => {
                out.push(masked | 126);
                out.extend((len as u16).to_be_bytes());
            }
            len => out.push(masked | len as u8),
        }
        let mask = if self.masked { self.mask } else { [0; 4] };
        if self.masked {
            out.extend(mask);
        }
        out.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    }
}

/// Mostly good first bytes, so that a sequence has good frames before its first fault.
fn first_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => Just(0x81),
        3 => Just(0x82),
        4 => Just(0x01),
        2 => Just(0x02),
        6 => Just(0x00),
        4 => Just(0x80),
        3 => Just(0x89),
        2 => Just(0x8a),
        1 => Just(0x88),
        1 => any::<u8>(),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let close = (990u16..1020, "[a-zé€]{0,5}")
        .prop_map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
    prop_oneof![
        6 => "[a-zé€😀]{0,20}".prop_map(String::into_bytes),
        2 => close,
        2 => vec(any::<u8>(), 0..4),
        // Pieces of characters, so that fragments cut them.
        2 => vec(prop_oneof![Just(0xe2u8), Just(0x82), Just(0xac)], 0..6),
        1 => vec(Just(b'x'), 0..MAX_MESSAGE + 10),
        1 => vec(any::<u8>(), 124..128),
    ]
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame =
        (first_byte(), prop::bool::weighted(0.99), any::<[u8; 4]>(), payload(), any::<u8>())
            .prop_map(|(first, masked, mask, payload, long)| Frame {
                first,
                masked,
                mask,
                payload,
                long: long < 8,
            });
    vec(frame, 0..12)
}

/// One message in fragments, with control frames between them: always good.
fn fragmented() -> impl Strategy<Value = (Vec<Frame>, Vec<Seen>)> {
    let piece = ("[a-zé€😀]{0,8}", 0usize..4, any::<[u8; 4]>());
    (vec(piece, 1..10), any::<bool>()).prop_map(|(pieces, text)| {
        let whole: String = pieces.iter().map(|(piece, ..)| piece.as_str()).collect();
        let bytes = whole.as_bytes();
        let last = pieces.len() - 1;
        let (mut frames, mut seen, mut at) = (Vec::new(), Vec::new(), 0);
        for (index, (piece, control, mask)) in pieces.iter().enumerate() {
            // Shifted by a few bytes, so that characters are cut.
            let end = if index == last { bytes.len() } else { at + piece.len() / 2 };
            let opcode = if index > 0 { 0 } else { 2 - u8::from(text) };
            let final_bit = if index == last { 0x80 } else { 0 };
            let frame = |first, payload: &[u8]| Frame {
                first,
                masked: true,
                mask: *mask,
                payload: payload.to_vec(),
                long: false,
            };
            frames.push(frame(final_bit | opcode, &bytes[at..end]));
            at = end;
            if *control == 0 && index < last {
                frames.push(frame(0x89, b"p"));
                seen.push(Seen::Ping(b"p".to_vec()));
            }
        }
        seen.push(if text { Seen::Text(whole) } else { Seen::Binary(whole.into_bytes()) });
        (frames, seen)
    })
}

/// Whether two ends are of one class. Where a frame has two faults, either may be named.
fn agree(frames: &[Frame], ours: End, theirs: End) -> bool {
    let any = |test: fn(&Frame) -> bool| frames.iter().any(test);
    match (ours, theirs) {
        (End::Protocol, End::TooBig) => any(|frame| frame.payload.len() > MAX_MESSAGE),
        (End::Protocol, End::Utf8) => any(|frame| {
            let reason = frame.payload.get(2..).unwrap_or_default();
            frame.first == 0x88 && std::str::from_utf8(reason).is_err()
        }),
        (ours, theirs) => ours == theirs,
    }
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    let mut stream = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut stream));
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_frames_read_as_tungstenite_reads_them(
        frames in frames(),
        sizes in vec(1usize..40, 1..20),
    ) {
        let stream = bytes(&frames);
        let (mut seen, mut end) = ours(&stream, &sizes);
        let (their_seen, their_end) = theirs(&stream);
        // The IANA registry has this code, and tungstenite takes it for a forbidden one.
        let bad_gateway = |event: &mut Seen| matches!(event, Seen::Close(Some((1014, _))));
        if seen.pop_if(bad_gateway).is_some() {
            end = End::Protocol;
        }
        prop_assert_eq!(&seen, &their_seen);
        prop_assert!(agree(&frames, end, their_end), "{:?}, tungstenite {:?}", end, their_end);
    }

    #[test]
    fn good_fragments_become_one_message(
        (frames, expected) in fragmented(),
        sizes in vec(1usize..40, 1..20),
    ) {
        prop_assert_eq!(ours(&bytes(&frames), &sizes), (expected, End::Open));
    }

    #[test]
    fn the_cuts_of_a_stream_do_not_matter(
        stream in vec(any::<u8>(), 0..200),
        frames in frames(),
        sizes in vec(1usize..40, 1..20),
    ) {
        let stream = [bytes(&frames), stream].concat();
        prop_assert_eq!(ours(&stream, &sizes), ours(&stream, &[usize::MAX]));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        stream in vec(any::<u8>(), 0..600),
        sizes in vec(1usize..40, 1..20),
    ) {
        ours(&stream, &sizes);
    }
}

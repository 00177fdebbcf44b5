use super::*;
use crate::limits::MAX_FRAGMENTS;
use crate::wire::deflate::Inflater;

const MAX: usize = 1 << 20;
const MASK: [u8; 4] = [0xa1, 0x02, 0xf3, 0x44];

/// A client frame: the first byte as given, masked, its length in the shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    out
}

/// Everything a reader makes of the chunks, as text.
fn read(reader: &mut Reader, chunks: &[&[u8]], max: usize) -> (Vec<String>, Option<FrameError>) {
    let (mut seen, mut inflater) = (Vec::new(), Inflater::default());
    for chunk in chunks {
        let mut input = chunk.to_vec();
        let mut decoding = reader.decode(&mut input, max, &mut inflater);
        loop {
            match decoding.next() {
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
        assert_eq!(decoding.consumed(), chunk.len(), "nothing is left behind");
    }
    (seen, None)
}

fn fault(stream: &[u8]) -> Option<FrameError> {
    read(&mut Reader::default(), &[stream], MAX).1
}

fn protocol_fault(stream: &[u8]) -> &'static str {
    match fault(stream) {
        Some(FrameError::Protocol(reason)) => reason,
        other => panic!("expected a protocol fault, not {other:?}"),
    }
}

fn events(stream: &[u8]) -> Vec<String> {
    let (events, error) = read(&mut Reader::default(), &[stream], MAX);
    assert_eq!(error, None);
    events
}

#[test]
fn whole_frames_become_events() {
    let long = vec![7; 70_000];
    let stream = [
        frame(0x81, "grüße".as_bytes()),
        frame(0x82, &[1, 255]),
        frame(0x89, b"a"),
        frame(0x8a, b""),
        frame(0x82, &long),
        frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']),
    ]
    .concat();
    assert_eq!(
        events(&stream),
        [
            "Text(\"grüße\")".to_owned(),
            "Binary([1, 255])".to_owned(),
            "Ping([97])".to_owned(),
            "Pong([])".to_owned(),
            format!("{:?}", Event::Binary(&long)),
            "Close(Some((1000, \"bye\")))".to_owned(),
        ]
    );
}

#[test]
fn every_cut_of_a_stream_gives_the_same_events() {
    let stream = [
        frame(0x01, "gr\u{fc}".as_bytes()),
        frame(0x89, b"within"),
        frame(0x00, b""),
        frame(0x80, "\u{df}e".as_bytes()),
        frame(0x82, &[9; 200]),
        frame(0x88, b""),
    ]
    .concat();
    let whole = events(&stream);
    assert_eq!(whole[1], "Text(\"grüße\")");
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        let (seen, error) = read(&mut Reader::default(), &[left, right], MAX);
        assert_eq!((seen, error), (whole.clone(), None), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&mut Reader::default(), &bytes, MAX), (whole, None));
}

#[test]
fn a_header_without_payload_begins_no_message() {
    let one = frame(0x81, b"a");
    let (header, payload) = one.split_at(6);
    let (seen, error) = read(&mut Reader::default(), &[header, payload, &one], MAX);
    assert_eq!((seen.len(), error), (2, None), "the second is no message within the first");
}

#[test]
fn a_stream_at_rest_holds_nothing() {
    let mut reader = Reader::default();
    let stream = [frame(0x01, b"a"), frame(0x89, b"p"), frame(0x80, b"b")].concat();
    for cut in 1..stream.len() {
        read(&mut reader, &[&stream[..cut]], MAX);
        assert!(format!("{reader:?}").contains("Some"), "cut at {cut} is within a message");
        read(&mut reader, &[&stream[cut..]], MAX);
        assert_eq!(format!("{reader:?}"), "Reader { partial: None, ended: false, deflate: None }");
    }
}

#[test]
fn nothing_is_decoded_after_a_close_frame() {
    let mut reader = Reader::default();
    let stream = [frame(0x88, b""), frame(0x81, b"late"), vec![0xff; 40]].concat();
    assert_eq!(read(&mut reader, &[&stream, &stream], MAX), (vec!["Close(None)".into()], None));
}

#[test]
fn nothing_is_decoded_after_a_fault() {
    let mut reader = Reader::default();
    let stream = [frame(0x81, b"a"), frame(0x83, b""), frame(0x81, b"b")].concat();
    let (seen, error) = read(&mut reader, &[&stream], MAX);
    assert_eq!((seen.len(), error), (1, Some(FrameError::Protocol("reserved opcode"))));
    assert_eq!(read(&mut reader, &[&frame(0x81, b"c")], MAX), (vec![], None));
}

#[test]
fn faults_of_the_header_are_protocol_errors() {
    for first in [0x83, 0x87, 0x8b, 0x8f, 0x03, 0x0b] {
        assert_eq!(protocol_fault(&frame(first, b"")), "reserved opcode");
    }
    for first in [0xc1, 0xa1, 0x91, 0xf9] {
        assert_eq!(protocol_fault(&frame(first, b"")), "reserved bits are set");
    }
    assert_eq!(protocol_fault(&[0x81, 0x01, b'a']), "client frame is not masked");
    for first in [0x08, 0x09, 0x0a] {
        assert_eq!(protocol_fault(&frame(first, b"")), "control frame is fragmented");
    }
    for first in [0x88, 0x89, 0x8a] {
        assert_eq!(protocol_fault(&frame(first, &[3; 126])), "control frame is too long");
    }
    let top_bit = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(protocol_fault(&top_bit), "impossible length");
}

#[test]
fn faults_of_the_sequence_are_protocol_errors() {
    assert_eq!(protocol_fault(&frame(0x80, b"a")), "continuation of nothing");
    let nested = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    assert_eq!(protocol_fault(&nested), "new message within a message");
    let after = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x00, b"c")].concat();
    assert_eq!(protocol_fault(&after), "continuation of nothing");
}

#[test]
fn close_frames_carry_nothing_or_a_valid_code() {
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        assert_eq!(events(&close(code)), [format!("Close(Some(({code}, \"\")))")]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65_535] {
        assert_eq!(protocol_fault(&close(code)), "close frame with an invalid code", "{code}");
    }
    assert_eq!(protocol_fault(&frame(0x88, &[3])), "close frame with half a code");
    let bad_reason = frame(0x88, &[0x03, 0xe8, 0xff]);
    assert_eq!(fault(&bad_reason), Some(FrameError::InvalidUtf8));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    assert_eq!(fault(&frame(0x81, &[0xff])), Some(FrameError::InvalidUtf8));
    assert_eq!(fault(&frame(0x81, &[0xe2, 0x82])), Some(FrameError::InvalidUtf8), "cut short");
    assert_eq!(fault(&frame(0x81, &[0xed, 0xa0, 0x80])), Some(FrameError::InvalidUtf8));
    let cut_at_the_end = [frame(0x01, b"a"), frame(0x80, &[0xe2, 0x82])].concat();
    assert_eq!(fault(&cut_at_the_end), Some(FrameError::InvalidUtf8));
    assert_eq!(events(&frame(0x82, &[0xff])).len(), 1, "binary is any bytes");
}

#[test]
fn bad_text_is_refused_with_the_piece_that_spoils_it() {
    assert_eq!(fault(&frame(0x01, &[b'a', 0xff])), Some(FrameError::InvalidUtf8));
    assert_eq!(fault(&frame(0x01, &[b'a', 0xe2, 0x82])), None, "may still become a character");
    let spoilt = [frame(0x01, &[0xe2, 0x82]), frame(0x00, b"a")].concat();
    assert_eq!(fault(&spoilt), Some(FrameError::InvalidUtf8));
    let whole = frame(0x81, &[b'a', 0xff, b'b', b'c']);
    assert_eq!(fault(&whole[..8]), Some(FrameError::InvalidUtf8), "before the frame's end");
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let mut reader = Reader::default();
    let exact = frame(0x82, &[1; 1000]);
    assert_eq!(read(&mut reader, &[&exact], 1000).1, None);
    let header = &frame(0x82, &[1; 1001])[..8];
    assert_eq!(read(&mut reader, &[header], 1000).1, Some(FrameError::TooBig(1001)));

    let start = frame(0x02, &[1; 600]);
    let (fits, too_much) = (frame(0x80, &[1; 400]), frame(0x80, &[1; 401]));
    let mut reader = Reader::default();
    let (seen, error) = read(&mut reader, &[&start, &fits, &start, &too_much[..8]], 1000);
    assert_eq!((seen.len(), error), (1, Some(FrameError::TooBig(1001))));
}

#[test]
fn memory_for_a_message_comes_with_its_bytes() {
    let mut reader = Reader::default();
    let stream = frame(0x82, &vec![1; MAX]);
    read(&mut reader, &[&stream[..100]], MAX);
    let message = |reader: &Reader| reader.message().expect("a message has begun").capacity();
    assert!(message(&reader) < 1_000, "a length alone reserves nothing");
    for chunk in stream[100..stream.len() - 1].chunks(4_000) {
        read(&mut reader, &[chunk], MAX);
        assert!(message(&reader) <= MAX);
    }
}

#[test]
fn as_many_fragments_as_the_limit_says_are_one_message() {
    let begin = |fragments: u32| {
        let mut stream = frame(0x01, b"");
        (1..fragments - 1).for_each(|_| stream.extend(frame(0x00, b"")));
        stream
    };
    let whole = [begin(MAX_FRAGMENTS), frame(0x80, b"x")].concat();
    assert_eq!(events(&whole), ["Text(\"x\")"]);
    let one_more = [begin(MAX_FRAGMENTS + 1), frame(0x80, b"x")].concat();
    assert_eq!(fault(&one_more), Some(FrameError::TooManyFragments));
}

#[test]
fn the_rest_of_an_input_can_be_presented_again() {
    let stream = [frame(0x81, b"a"), frame(0x81, b"b")].concat();
    let (mut reader, mut inflater) = (Reader::default(), Inflater::default());
    let mut input = stream.clone();
    let mut decoding = reader.decode(&mut input, MAX, &mut inflater);
    assert_eq!(decoding.next(), Ok(Some(Event::Text("a"))));
    let consumed = decoding.consumed();
    assert_eq!(read(&mut reader, &[&stream[consumed..]], MAX), (vec!["Text(\"b\")".into()], None));
}

#[test]
fn written_frames_have_the_shortest_length_form() {
    let written = |len: usize| {
        let mut out = Vec::new();
        encode(Opcode::Binary, &vec![5; len], &mut out);
        assert_eq!(&out[out.len() - len..], vec![5; len]);
        out[..out.len() - len].to_vec()
    };
    assert_eq!(written(0), [0x82, 0]);
    assert_eq!(written(125), [0x82, 125]);
    assert_eq!(written(126), [0x82, 126, 0, 126]);
    assert_eq!(written(65_535), [0x82, 126, 255, 255]);
    assert_eq!(written(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn a_close_reason_is_cut_between_characters() {
    let mut out = Vec::new();
    close(1001, &"ü".repeat(100), &mut out);
    assert_eq!(out[..4], [0x88, 124, 0x03, 0xe9]);
    assert_eq!(std::str::from_utf8(&out[4..]), Ok("ü".repeat(61).as_str()));
}

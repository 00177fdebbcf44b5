use super::*;
use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Control, Data};

const HEAD: usize = 4096;

fn server_frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    let mut bytes = Vec::new();
    header.format(payload.len() as u64, &mut bytes).unwrap();
    bytes.extend_from_slice(payload);
    bytes
}

fn frames(reader: &mut FrameReader, bytes: &[u8]) -> Result<Vec<(Opcode, Vec<u8>)>, String> {
    let mut seen = Vec::new();
    reader.feed::<String>(bytes, |frame| {
        assert!(frame.length >= frame.payload.len() as u64);
        seen.push((frame.opcode, frame.payload.to_vec()));
        Ok(())
    })?;
    Ok(seen)
}

#[test]
fn what_a_server_must_not_send_is_refused() {
    let masked = [0x81, 0x80, 0, 0, 0, 0];
    let reserved = [0xc1, 0x00];
    let fragment = [0x01, 0x00];
    let long_ping = [0x89, 126, 0, 126];
    for bytes in [&masked[..], &reserved, &fragment, &long_ping] {
        assert!(frames(&mut FrameReader::keeping(HEAD), bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn compressed_frames_are_kept_whole_where_they_are_agreed_on() {
    let payload = vec![7; 3 * HEAD];
    let mut bytes = server_frame(OpCode::Data(Data::Text), &payload);
    bytes[0] |= COMPRESSED;
    assert!(frames(&mut FrameReader::keeping(HEAD), &bytes).is_err());
    let mut reader = FrameReader::keeping(HEAD);
    reader.accept_compressed(payload.len());
    assert_eq!(frames(&mut reader, &bytes[..100]), Ok(vec![]));
    assert_eq!(frames(&mut reader, &bytes[100..]), Ok(vec![(Opcode::Text, payload)]));
    let mut reader = FrameReader::keeping(HEAD);
    reader.accept_compressed(HEAD);
    assert!(frames(&mut reader, &bytes).unwrap_err().contains("longer"));
    assert!(frames(&mut reader, &[0xc9, 0]).is_err(), "a compressed ping");
}

#[test]
fn a_client_frame_is_what_the_oracle_reads() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = vec![b'x'; length];
        let mut bytes = Vec::new();
        write_masked(&mut bytes, Opcode::Text, &payload, [1, 2, 3, 4]);
        let mut cursor = std::io::Cursor::new(&bytes);
        let (header, found) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
        assert_eq!((found, header.mask), (length as u64, Some([1, 2, 3, 4])));
        let body = &bytes[cursor.position() as usize..];
        assert!(body.iter().zip([1, 2, 3, 4].iter().cycle()).all(|(b, m)| b ^ m == b'x'));
        assert_eq!(body.len(), length);
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        lengths in proptest::collection::vec(
            prop_oneof![0..300usize, Just(5_000), Just(70_000)], 1..8),
        cuts in proptest::collection::vec(1..9_000usize, 1..20),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (i, &length) in lengths.iter().enumerate() {
            let payload: Vec<u8> = (0..length).map(|k| (k * 7 + i) as u8).collect();
            let ping = length < 126 && i % 2 == 1;
            let code = if ping { OpCode::Control(Control::Ping) } else {
                OpCode::Data(Data::Text) };
            bytes.extend(server_frame(code, &payload));
            expected.push((if ping { Opcode::Ping } else { Opcode::Text }, payload));
        }
        let mut reader = FrameReader::keeping(HEAD);
        let (mut seen, mut rest, mut cuts) = (Vec::new(), &bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            seen.extend(frames(&mut reader, now).unwrap());
            rest = later;
        }
        prop_assert_eq!(seen.len(), expected.len());
        for ((opcode, head), (wanted, payload)) in seen.iter().zip(&expected) {
            prop_assert_eq!(opcode, wanted);
            prop_assert!(payload.starts_with(head));
            prop_assert!(head.len() >= payload.len().min(HEAD));
        }
    }
}

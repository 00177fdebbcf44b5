//! Client frames, RFC 6455 section 5: written by the load, read by the floor.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use uringcast_engine::wire::frame::Opcode;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// Appends a masked client frame.
pub fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let opcode = match opcode {
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Binary => OpCode::Data(Data::Binary),
        Opcode::Pong => OpCode::Control(Control::Pong),
        _ => unreachable!("the load writes no other frames"),
    };
    let header = FrameHeader { opcode, mask: Some(MASK), ..FrameHeader::default() };
    header.format(payload.len() as u64, out).expect("a Vec takes every byte");
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], MASK);
}

fn mask(bytes: &mut [u8], mask: [u8; 4]) {
    let word = u32::from_ne_bytes(mask);
    let mut words = bytes.chunks_exact_mut(4);
    for chunk in &mut words {
        let value = u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]) ^ word;
        chunk.copy_from_slice(&value.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// The whole frames of a client's stream.
#[derive(Debug, Default)]
pub struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Takes further bytes and hands every whole frame's payload, unmasked, to `each`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Opcode, &[u8])) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let mut cursor = Cursor::new(&self.held[at..]);
            let Ok(Some((header, len))) = FrameHeader::parse(&mut cursor) else { break };
            let start = at + cursor.position() as usize;
            let end = start + len as usize;
            if end > self.held.len() {
                break;
            }
            let payload = &mut self.held[start..end];
            mask(payload, header.mask.unwrap_or_default());
            let opcode = match header.opcode {
                OpCode::Data(Data::Text) => Opcode::Text,
                OpCode::Data(Data::Binary) => Opcode::Binary,
                _ => Opcode::Ping,
            };
            each(opcode, payload);
            at = end;
        }
        self.held.drain(..at);
    }
}

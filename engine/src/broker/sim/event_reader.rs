//! The stream of a client that is written Server-Sent Events.

use serde_json::Value;

use super::client::Client;
use super::truth::Truth;
use crate::types::Encoding;
use crate::wire::frame::{Opcode, encode};

/// Takes the first chunk out of a body, if it is whole.
fn next_chunk(buffer: &mut Vec<u8>) -> Option<String> {
    let head = buffer.windows(2).position(|two| two == b"\r\n")?;
    let len = std::str::from_utf8(&buffer[..head]).expect("a chunk's length");
    let len = usize::from_str_radix(len, 16).expect("a chunk's length");
    let end = head + 2 + len + 2;
    if buffer.len() < end {
        return None;
    }
    let chunk: Vec<u8> = buffer.drain(..end).collect();
    assert_eq!(&chunk[end - 2..], b"\r\n");
    Some(String::from_utf8(chunk[head + 2..end - 2].to_vec()).expect("events are UTF-8"))
}

impl Client {
    /// Judges every whole event of the stream.
    pub(super) fn take_events(&mut self, truth: &Truth) {
        while let Some(chunk) = next_chunk(&mut self.buffer) {
            if chunk.is_empty() {
                assert!(self.closed.is_some(), "the end of a stream that was not closed");
                continue;
            }
            assert!(self.closed.is_none(), "an event behind the last one");
            assert!(chunk.ends_with("\n\n"), "a chunk is an event: {chunk:?}");
            let field = |name: &str| chunk.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = field("data: ") else {
                assert!(chunk == ":\n\n" || field("id: ").is_some(), "what is {chunk:?}");
                continue;
            };
            let value: Value = serde_json::from_str(data).expect("JSON");
            if field("event: ") == Some("close") {
                self.closed = value["code"].as_u64().map(|code| code as u16);
                self.reason = value["reason"].as_str().unwrap().into();
                continue;
            }
            let mut frame = Vec::new();
            encode(Opcode::Text, data.as_bytes(), &mut frame);
            self.envelope(&value, &frame, truth);
            self.note_id(&value, field("id: "));
        }
    }

    /// The `id` of an event names the event's own position, and no other.
    fn note_id(&self, value: &Value, id: Option<&str>) {
        let position = value["seq"].as_u64().or(value["data"]["to_seq"].as_u64());
        let Some(seq) = position.filter(|_| self.encoding == Encoding::Event) else {
            return assert_eq!(id, None, "an id of an event without a position: {value}");
        };
        let (epoch, position) = id.and_then(|id| id.split_once(':')).expect("an id");
        assert_eq!(epoch.len(), 16);
        assert_eq!(position, format!("{}={seq}", value["room"].as_str().unwrap()));
    }
}

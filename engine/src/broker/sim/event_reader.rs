//! The stream of a client that is written Server-Sent Events.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::Client;
use super::truth::Truth;
use crate::types::{Encoding, Epoch, Seq};
use crate::wire::event_stream::StreamRequest;
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
    /// Judges the response as far as it has come.
    pub(super) fn take_events(&mut self, truth: &Truth) {
        if !self.answered && !self.take_head() {
            return;
        }
        while self.closed.is_none_or(|code| code >= 1000)
            && let Some(chunk) = next_chunk(&mut self.buffer)
        {
            self.take_event(&chunk, truth);
        }
    }

    /// Takes the head, and of another response than a stream the body. Returns whether it was
    /// whole.
    fn take_head(&mut self) -> bool {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = self.buffer.windows(END.len()).position(|bytes| bytes == END) else {
            return false;
        };
        let text = String::from_utf8(self.buffer.clone()).expect("UTF-8");
        let (head, body) = text.split_at(end + END.len());
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        if status == Some(200) {
            assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
            self.buffer.drain(..end + END.len());
            self.answered = true;
            return true;
        }
        let length =
            head.split_once("Content-Length: ").unwrap_or_else(|| panic!("no length in {head}")).1;
        let length: usize = length.split_once("\r\n").unwrap().0.parse().expect("a length");
        assert!(body.len() <= length, "{text}");
        if body.len() < length {
            return false;
        }
        let value: Value = serde_json::from_str(body).expect("JSON");
        self.reason = value["error"]["message"].as_str().expect("a message").into();
        (self.closed, self.answered) = (status, true);
        self.orders.clear();
        self.buffer.clear();
        true
    }

    /// Judges an event.
    fn take_event(&mut self, chunk: &str, truth: &Truth) {
        if chunk.is_empty() {
            return assert!(self.closed.is_some(), "the end of a stream that was not closed");
        }
        assert!(self.closed.is_none(), "an event behind the last one");
        assert!(chunk.ends_with("\n\n"), "a chunk is an event: {chunk:?}");
        let field = |name: &str| chunk.lines().find_map(|line| line.strip_prefix(name));
        let id = field("id: ");
        let Some(data) = field("data: ") else {
            let known = chunk == ":\n\n" || chunk.starts_with("retry: ") || id.is_some();
            assert!(known, "what is {chunk:?}");
            return id.into_iter().for_each(|id| self.check_id(id, truth));
        };
        let value: Value = serde_json::from_str(data).expect("JSON");
        if field("event: ") == Some("close") {
            self.closed = value["code"].as_u64().map(|code| code as u16);
            self.reason = value["reason"].as_str().unwrap().into();
            return;
        }
        let mut frame = Vec::new();
        encode(Opcode::Text, data.as_bytes(), &mut frame);
        self.envelope(&value, &frame, truth);
        let has_position = value["seq"].is_u64() || value["event"] == "gap";
        assert_eq!(id.is_some(), has_position, "an id of a position, and of no other: {value}");
        id.into_iter().for_each(|id| self.check_id(id, truth));
    }

    /// An `id` says what the client has of each of its channels, or of the event's own.
    fn check_id(&self, id: &str, truth: &Truth) {
        let channels = self.beliefs.keys().map(|channel| truth.channel_name(*channel));
        let mut channels: Vec<_> =
            channels.map(|name| name.clone().at(Default::default())).collect();
        let mut query = form_urlencoded::Serializer::new(String::new());
        channels.iter().for_each(|name| {
            query.append_pair("channel", name.as_str());
        });
        let request = StreamRequest::parse(&query.finish(), Some(id)).expect("an id");
        let told: BTreeMap<String, (Epoch, Seq)> = request
            .since
            .into_iter()
            .map(|(name, epoch, seq)| (name.as_str().to_owned(), (epoch, seq)))
            .collect();
        channels.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let names: Vec<&str> = channels.iter().map(|name| name.as_str()).collect();
        let is_own = self.encoding == Encoding::Event && told.len() == 1;
        assert!(is_own || told.keys().eq(names), "{id} is not about all channels");
        for (channel, belief) in &self.beliefs {
            let Some(&(epoch, seq)) = told.get(truth.name(*channel)) else { continue };
            let life = truth.life(*channel, &epoch.to_string());
            assert_eq!(belief.life(), Some(life), "{id}");
            assert_eq!(belief.next, Some(seq.0 + 1), "{id} of {}", truth.name(*channel));
        }
    }
}

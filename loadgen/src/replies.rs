//! What a publisher is answered: over a WebSocket, or over pipelined HTTP/1.1. Pure.

use std::collections::VecDeque;

use crate::client::{Client, Event, Fault, Reply};
use crate::schedule::{Channel, PublisherId, Schedule};

/// More than this for one HTTP answer is none of ours.
const MAX_ANSWER: usize = 64 * 1024;

/// The server's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// With the channel, if the answer names the message.
    Refused {
        channel: Option<Channel>,
        code: String,
    },
}

/// The requests of one publisher, and the answers to them.
#[derive(Debug)]
pub(crate) enum Replies {
    Ws(Client),
    Http(HttpReplies),
}

impl Replies {
    /// Takes received bytes; `ready` is set once requests may be sent.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        schedule: &Schedule,
        publisher: PublisherId,
        out: &mut Vec<u8>,
        ready: &mut bool,
        outcome: &mut impl FnMut(Outcome),
    ) -> Result<(), Fault> {
        match self {
            Self::Ws(client) => client.receive(bytes, out, |event| match event {
                Event::Ready => *ready = true,
                Event::Text(text) => {
                    if let Some(answer) = answer(text, schedule, publisher) {
                        outcome(answer);
                    }
                }
            }),
            Self::Http(replies) => replies.receive(bytes, outcome),
        }
    }
}

/// The outcome a WebSocket message reports, if it does.
fn answer(text: &[u8], schedule: &Schedule, publisher: PublisherId) -> Option<Outcome> {
    let reply = Reply::parse(text)?;
    match reply.error() {
        Some(code) => {
            let sequence = reply.correlation_id.and_then(|id| id.parse::<u64>().ok());
            let channel = sequence.map(|sequence| schedule.channel_of(publisher, sequence));
            Some(Outcome::Refused { channel, code: code.to_owned() })
        }
        None => (reply.kind == "response" && reply.event == Some("publish"))
            .then_some(Outcome::Accepted),
    }
}

/// Answers in the order of the requests (RFC 9112 section 9.3.2).
#[derive(Debug)]
pub(crate) struct HttpReplies {
    /// The head of every request, up to the length of its body.
    head: String,
    bytes: Vec<u8>,
    /// The channels of the requests not yet answered.
    waiting: VecDeque<Channel>,
}

impl HttpReplies {
    /// For requests to this host.
    pub(crate) fn new(host: &str, api_key: Option<&str>) -> Self {
        let key = api_key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let head = format!(
            "POST /v1/publish HTTP/1.1\r\nHost: {host}\r\n{key}\
             Content-Type: application/json\r\nContent-Length: "
        );
        Self { head, bytes: Vec::new(), waiting: VecDeque::new() }
    }

    /// Appends a request that publishes to this channel.
    pub(crate) fn request(&mut self, channel: Channel, body: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{}{}\r\n\r\n", self.head, body.len()).as_bytes());
        out.extend_from_slice(body.as_bytes());
        self.waiting.push_back(channel);
    }

    fn receive(&mut self, bytes: &[u8], outcome: &mut impl FnMut(Outcome)) -> Result<(), Fault> {
        self.bytes.extend_from_slice(bytes);
        let mut used = 0;
        while let Some((status, size)) = http_answer(&self.bytes[used..])? {
            used += size;
            let channel = self.waiting.pop_front();
            outcome(match status {
                200..300 => Outcome::Accepted,
                _ => Outcome::Refused { channel, code: format!("HTTP {status}") },
            });
        }
        self.bytes.drain(..used);
        Ok(())
    }
}

/// The status and the size of the first answer with its body, `None` while it is incomplete.
fn http_answer(bytes: &[u8]) -> Result<Option<(u16, usize)>, Fault> {
    let strange = || Fault::Protocol("an HTTP answer without a content-length");
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_ANSWER => return Ok(None),
        _ => return Err(Fault::Protocol("something that is not HTTP")),
    };
    let status = parsed.code.unwrap_or_default();
    let body = match parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length")) {
        Some(header) => std::str::from_utf8(header.value)
            .ok()
            .and_then(|value| value.trim().parse::<usize>().ok())
            .filter(|length| *length <= MAX_ANSWER)
            .ok_or_else(strange)?,
        None if status == 204 => 0,
        None => return Err(strange()),
    };
    Ok((bytes.len() >= head + body).then_some((status, head + body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Arrivals;

    const SCHEDULE: Schedule = Schedule {
        rate: 1.0,
        length: std::time::Duration::from_secs(1),
        publishers: 1,
        channels: 3,
        arrivals: Arrivals::Constant,
        seed: 0,
    };

    #[test]
    fn pipelined_answers_belong_to_the_requests_in_order() {
        let mut replies = HttpReplies::new("localhost", None);
        for channel in [5, 6, 7].map(Channel) {
            replies.request(channel, "", &mut Vec::new());
        }
        let bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}\
            HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy\
            HTTP/1.1 204 No Content\r\n\r\n";
        let mut outcomes = Vec::new();
        for byte in bytes {
            replies.receive(&[*byte], &mut |outcome| outcomes.push(outcome)).unwrap();
        }
        let refused = Outcome::Refused { channel: Some(Channel(6)), code: "HTTP 503".into() };
        assert_eq!(outcomes, [Outcome::Accepted, refused, Outcome::Accepted]);
    }

    #[test]
    fn a_refusal_is_traced_to_its_channel() {
        let busy =
            br#"{"type":"error","correlation_id":"4","event":"publish","error_code":"BUSY"}"#;
        let refused = Outcome::Refused { channel: Some(Channel(1)), code: "BUSY".into() };
        assert_eq!(answer(busy, &SCHEDULE, PublisherId(0)), Some(refused));
        let ack = br#"{"type":"response","event":"publish","data":{"status":"published"}}"#;
        assert_eq!(answer(ack, &SCHEDULE, PublisherId(0)), Some(Outcome::Accepted));
        assert_eq!(
            answer(br#"{"type":"event","event":"session.created"}"#, &SCHEDULE, PublisherId(0)),
            None
        );
    }
}

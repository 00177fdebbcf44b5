//! The server's answers to a publisher: over a WebSocket, or over pipelined HTTP/1.1. Pure.

use std::collections::VecDeque;

use http::header::CONTENT_LENGTH;
use tungstenite::handshake::client::Response;
use tungstenite::handshake::machine::TryParse;

use crate::client::{Client, Event, Fault};
use crate::dialect::Dialect;
use crate::envelope_reply::Reply;

/// A longer HTTP answer is not one of the control port.
const MAX_ANSWER: usize = 64 * 1024;

/// The server's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// With the sequence of the message, if the answer names it.
    Refused {
        sequence: Option<u64>,
        code: String,
    },
}

/// The requests of one publisher, and the answers to them.
#[derive(Debug)]
pub(crate) enum Replies {
    Ws(Box<Client>),
    Http(HttpReplies),
}

impl Replies {
    /// Takes received bytes; `ready` is set once requests may be sent.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        ready: &mut bool,
        outcome: &mut impl FnMut(Outcome),
    ) -> Result<(), Fault> {
        match self {
            Self::Ws(client) => {
                let dialect = client.dialect().cloned();
                let answer = |text: &[u8]| match &dialect {
                    Some(dialect) => foreign_answer(dialect, text),
                    None => answer(text),
                };
                client.receive(bytes, out, |event| match event {
                    Event::Upgraded | Event::Confirmed(_) | Event::Inflating | Event::Inflated => {}
                    Event::Ready => *ready = true,
                    Event::Text(text, _) => answer(text).into_iter().for_each(&mut *outcome),
                })
            }
            Self::Http(replies) => replies.receive(bytes, outcome),
        }
    }
}

/// The outcome a WebSocket message reports, if it does.
fn answer(text: &[u8]) -> Option<Outcome> {
    let reply = Reply::parse(text)?;
    match reply.error() {
        Some(code) => {
            let sequence = reply.correlation_id.and_then(|id| id.parse().ok());
            Some(Outcome::Refused { sequence, code: code.to_owned() })
        }
        None => (reply.kind == "response" && reply.event == Some("publish"))
            .then_some(Outcome::Accepted),
    }
}

/// The same of a message in a dialect. Which message is refused is not known.
pub(crate) fn foreign_answer(dialect: &Dialect, text: &[u8]) -> Option<Outcome> {
    if dialect.accepts(text) {
        return Some(Outcome::Accepted);
    }
    dialect.refusal(text).map(|code| Outcome::Refused { sequence: None, code })
}

/// Answers in the order of the requests (RFC 9112 section 9.3.2).
#[derive(Debug)]
pub(crate) struct HttpReplies {
    /// The head of every request from behind its path to the length of its body.
    head: String,
    bytes: Vec<u8>,
    /// The sequences of the messages not yet answered.
    waiting: VecDeque<u64>,
}

impl HttpReplies {
    /// For requests to this host. `headers` are whole lines, each with its end.
    pub(crate) fn new(host: &str, headers: &str) -> Self {
        let head = format!(" HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: ");
        Self { head, bytes: Vec::new(), waiting: VecDeque::new() }
    }

    /// Appends a request that publishes the message of this sequence.
    pub(crate) fn request(&mut self, sequence: u64, path: &str, body: &str, out: &mut Vec<u8>) {
        let (head, length) = (&self.head, body.len());
        out.extend_from_slice(format!("POST {path}{head}{length}\r\n\r\n").as_bytes());
        out.extend_from_slice(body.as_bytes());
        self.waiting.push_back(sequence);
    }

    fn receive(&mut self, bytes: &[u8], outcome: &mut impl FnMut(Outcome)) -> Result<(), Fault> {
        self.bytes.extend_from_slice(bytes);
        let mut used = 0;
        while let Some((status, size)) = http_answer(&self.bytes[used..])? {
            used += size;
            let sequence = self.waiting.pop_front();
            outcome(match status {
                200..300 => Outcome::Accepted,
                _ => Outcome::Refused { sequence, code: format!("HTTP {status}") },
            });
        }
        self.bytes.drain(..used);
        Ok(())
    }
}

/// The status and the size of the first answer with its body, `None` while it is incomplete.
fn http_answer(bytes: &[u8]) -> Result<Option<(u16, usize)>, Fault> {
    let (head, response) = match Response::try_parse(bytes) {
        Ok(Some(parsed)) => parsed,
        Ok(None) if bytes.len() < MAX_ANSWER => return Ok(None),
        _ => return Err(Fault::Protocol("something that is not HTTP")),
    };
    let status = response.status().as_u16();
    let body = match response.headers().get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok().and_then(|length| length.trim().parse().ok()),
        None => (status == 204).then_some(0),
    };
    let body = body
        .filter(|length: &usize| *length <= MAX_ANSWER)
        .ok_or(Fault::Protocol("an HTTP answer without a content-length"))?;
    Ok((bytes.len() >= head + body).then_some((status, head + body)))
}

#[cfg(test)]
mod tests;

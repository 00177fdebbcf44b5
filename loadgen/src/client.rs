//! One WebSocket client as a state machine over bytes: upgrade, subscription, frames.
//!
//! No socket and no clock: bytes received go in, bytes to send and events come out.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use uringcast_loadgen::frame::{Frame, FrameReader, Opcode, write_masked};
use uringcast_loadgen::transport::Endpoint;
use uringcast_loadgen::upgrade::{Upgrade, UpgradeError};

use crate::dialect::Dialect;
use crate::dialect_session::{DialectSession, Heard};

/// Bytes of a message that are kept when it comes in pieces: all a stamp or a reply needs.
const HEAD: usize = 4096;
/// The same of a frame in a dialect, which may hold several messages.
const WHOLE: usize = 1 << 20;

/// What the connection is for.
#[derive(Debug)]
pub(crate) enum Intent {
    /// To each of these channels.
    Subscribe(Vec<Subscription>),
    Publish,
}

/// A place in a channel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
}

/// A subscription to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) channel: String,
    /// From where on; from now on if it is `None`.
    pub(crate) since: Option<Position>,
}

/// What the server answered to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) channel: String,
    #[serde(default)]
    pub(crate) epoch: String,
    #[serde(default)]
    pub(crate) seq: u64,
    /// Whether what was missed follows, if it was asked for.
    pub(crate) recovered: Option<bool>,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Upgrading(Upgrade),
    /// So many subscriptions are not confirmed yet.
    Confirming(usize),
    Live,
}

/// What received bytes contain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// The upgrade was answered.
    Upgraded,
    /// One channel was confirmed.
    Confirmed(Confirmation),
    /// Upgraded and, if it is a subscriber, confirmed in every channel.
    Ready,
    /// A message while ready; cut off at [`HEAD`] bytes if it came in pieces.
    Text(&'a [u8]),
}

/// Why a connection ended. The text is short and names no payload: it is counted by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Upgrade(#[from] UpgradeError),
    #[error("the server refused the subscription: {0}")]
    Refused(String),
    #[error("closed by the server, {0}")]
    Closed(String),
    #[error("protocol fault: {0}")]
    Protocol(&'static str),
}

impl From<&'static str> for Fault {
    fn from(what: &'static str) -> Self {
        Self::Protocol(what)
    }
}

/// The parts of a server message that matter here (the rest is skipped unread).
#[derive(Debug, Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    pub(crate) event: Option<&'a str>,
    pub(crate) room: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) error_code: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) data: Option<&'a RawValue>,
}

impl<'a> Reply<'a> {
    /// `None` if the text is no envelope.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// The error code of an error message.
    pub(crate) fn error(&self) -> Option<&'a str> {
        (self.kind == "error").then(|| self.error_code.unwrap_or("ERROR"))
    }
}

/// The client's side of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    phase: Phase,
    intent: Intent,
    frames: FrameReader,
    /// `None` is Uringcast's own protocol.
    session: Option<DialectSession>,
}

impl Client {
    /// Writes the upgrade request to `out`, with these lines among its headers.
    pub(crate) fn start(
        intent: Intent,
        endpoint: &Endpoint,
        headers: &str,
        out: &mut Vec<u8>,
    ) -> Self {
        let upgrade = Upgrade::request(&endpoint.host, &endpoint.path, headers, out);
        let phase = Phase::Upgrading(upgrade);
        Self { phase, intent, frames: FrameReader::keeping(HEAD), session: None }
    }

    /// Has it speak a dialect, if one is given.
    pub(crate) fn speaking(mut self, session: Option<DialectSession>) -> Self {
        if session.is_some() {
            self.frames = FrameReader::keeping(WHOLE);
        }
        Self { session, ..self }
    }

    /// The dialect it speaks.
    pub(crate) fn dialect(&self) -> Option<&Arc<Dialect>> {
        self.session.as_ref().map(DialectSession::dialect)
    }

    /// Takes received bytes; answers go to `out`, what happened to `event`.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        mut event: impl FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let Phase::Upgrading(upgrade) = &mut self.phase else {
            return self.read_frames(bytes, out, &mut event);
        };
        let Some(rest) = upgrade.receive(bytes)? else { return Ok(()) };
        event(Event::Upgraded);
        if let Some(session) = &mut self.session {
            let binary = session.dialect().binary;
            let ready = session.begin(&mut |text| write(text, binary, out));
            self.phase = if ready { Phase::Live } else { Phase::Confirming(1) };
            if ready {
                event(Event::Ready);
            }
            return self.read_frames(&rest, out, &mut event);
        }
        match &self.intent {
            Intent::Publish => {
                self.phase = Phase::Live;
                event(Event::Ready);
            }
            Intent::Subscribe(channels) => {
                self.phase = Phase::Confirming(channels.len());
                for Subscription { channel, since } in channels {
                    let mut data = serde_json::json!({ "channel": channel });
                    if let Some(Position { epoch, seq }) = since {
                        data["since"] = serde_json::json!({ "epoch": epoch, "seq": seq });
                    }
                    let request = serde_json::json!({
                        "type": "request", "event": "subscribe", "id": "subscribe", "data": data,
                    });
                    self.send_text(&request.to_string(), out);
                }
            }
        }
        self.read_frames(&rest, out, &mut event)
    }

    /// Appends one text message to `out`.
    pub(crate) fn send_text(&self, text: &str, out: &mut Vec<u8>) {
        write(text, self.dialect().is_some_and(|dialect| dialect.binary), out);
    }

    /// Appends a normal close.
    pub(crate) fn send_close(&self, out: &mut Vec<u8>) {
        write_masked(out, Opcode::Close, &1000u16.to_be_bytes(), mask());
    }

    fn read_frames(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let Self { phase, session, frames, .. } = self;
        frames.feed(bytes, |Frame { opcode, payload, .. }| {
            match opcode {
                Opcode::Text | Opcode::Binary => match session {
                    Some(session) => hear(session, phase, payload, out, event)?,
                    None if *phase == Phase::Live => event(Event::Text(payload)),
                    None => confirm(phase, payload, event)?,
                },
                Opcode::Ping => write_masked(out, Opcode::Pong, payload, mask()),
                Opcode::Pong => {}
                Opcode::Close => return Err(closed(payload)),
            }
            Ok(())
        })
    }
}

/// Takes a frame in a dialect.
fn hear(
    session: &mut DialectSession,
    phase: &mut Phase,
    frame: &[u8],
    out: &mut Vec<u8>,
    event: &mut impl FnMut(Event<'_>),
) -> Result<(), Fault> {
    let dialect = Arc::clone(session.dialect());
    for message in dialect.messages(frame) {
        match session.hear(message, &mut |text| write(text, dialect.binary, out)) {
            Heard::Ready => {
                *phase = Phase::Live;
                event(Event::Ready);
            }
            Heard::Refused(what) => return Err(Fault::Refused(what)),
            Heard::Message => event(Event::Text(message)),
            Heard::Answered => {}
        }
    }
    Ok(())
}

fn write(text: &str, binary: bool, out: &mut Vec<u8>) {
    let opcode = if binary { Opcode::Binary } else { Opcode::Text };
    write_masked(out, opcode, text.as_bytes(), mask());
}

/// Takes a message that comes while subscriptions wait for their confirmations.
fn confirm(phase: &mut Phase, text: &[u8], event: &mut impl FnMut(Event<'_>)) -> Result<(), Fault> {
    let Phase::Confirming(left) = phase else { return Ok(()) };
    if let Some(confirmation) = confirmation(text)? {
        event(Event::Confirmed(confirmation));
        *left -= 1;
        if *left == 0 {
            *phase = Phase::Live;
            event(Event::Ready);
        }
    } else {
        // Of a channel that is confirmed while others are not.
        event(Event::Text(text));
    }
    Ok(())
}

/// The confirmation of a subscription, if the message is one; the welcome before it is not.
fn confirmation(text: &[u8]) -> Result<Option<Confirmation>, Fault> {
    let Some(reply) = Reply::parse(text) else { return Ok(None) };
    if let Some(code) = reply.error() {
        return Err(Fault::Refused(code.to_owned()));
    }
    if reply.kind != "response" || reply.event != Some("subscribe") {
        return Ok(None);
    }
    let data = reply.data.map(RawValue::get).unwrap_or_default();
    let nameless =
        Confirmation { channel: String::new(), epoch: String::new(), seq: 0, recovered: None };
    Ok(Some(serde_json::from_str(data).unwrap_or(nameless)))
}

fn closed(payload: &[u8]) -> Fault {
    let text = match payload.split_first_chunk() {
        Some((code, reason)) => {
            let code = u16::from_be_bytes(*code);
            format!("{code} {}", String::from_utf8_lossy(reason))
        }
        None => "no code".into(),
    };
    Fault::Closed(text.trim_end().to_owned())
}

/// Masking protects proxies, not secrets: a fast generator is enough for a load tool.
fn mask() -> [u8; 4] {
    fastrand::u32(..).to_ne_bytes()
}

#[cfg(test)]
mod tests;

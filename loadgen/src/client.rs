//! One WebSocket client as a state machine over bytes: upgrade, subscription, frames.
//!
//! No socket and no clock: bytes received go in, bytes to send and events come out.

use std::sync::Arc;

use crate::frame::{Frame, FrameReader, Opcode, write_masked};
use crate::transport::Endpoint;
use crate::upgrade::{Upgrade, UpgradeError};

use crate::dialect::Dialect;
use crate::dialect_session::{DialectSession, Heard};
use crate::envelope_reply::{Confirmation, confirmation};
use crate::inflater::Inflater;

/// Bytes of a message that are kept when it comes in pieces: all a stamp or a reply needs.
const HEAD: usize = 4096;
/// The same of a frame that may hold several messages.
const WHOLE: usize = 1 << 20;
/// The same of a stream, of which nothing may be left out: more than the largest payload.
const STREAM: usize = 80 << 20;

/// What the connection is for.
#[derive(Debug)]
pub enum Intent {
    /// To each of these channels.
    Subscribe(Vec<Subscription>),
    /// It subscribes to nothing.
    Publish,
}

/// A place in a channel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Of the log.
    pub epoch: String,
    /// Of the last message that is known.
    pub seq: u64,
}

/// A subscription to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub channel: String,
    /// From where on; from now on if it is `None`.
    pub since: Option<Position>,
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
pub enum Event<'a> {
    /// The upgrade was answered.
    Upgraded,
    /// One channel was confirmed.
    Confirmed(Confirmation),
    /// Upgraded and, if it is a subscriber, confirmed in every channel.
    Ready,
    /// A message is about to be inflated.
    Inflating,
    /// It was.
    Inflated,
    /// A message, with so many bytes; cut off at some thousand if it came in pieces.
    Text(&'a [u8], u64),
}

/// Why a connection ended. The text is short and names no payload: it is counted by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No upgrade.
    #[error("{0}")]
    Upgrade(#[from] UpgradeError),
    /// With what it said.
    #[error("the server refused the subscription: {0}")]
    Refused(String),
    /// With code and reason.
    #[error("closed by the server, {0}")]
    Closed(String),
    /// What a server must not send.
    #[error("protocol fault: {0}")]
    Protocol(&'static str),
}

impl From<&'static str> for Fault {
    fn from(what: &'static str) -> Self {
        Self::Protocol(what)
    }
}

/// The client's side of one connection.
#[derive(Debug)]
pub struct Client {
    phase: Phase,
    intent: Intent,
    frames: FrameReader,
    /// `None` is Uringcast's own protocol.
    session: Option<DialectSession>,
    compression: Compression,
}

/// Of what the server sends.
#[derive(Debug)]
enum Compression {
    None,
    /// It was offered, for messages of so many bytes at most.
    Offered(usize),
    Agreed(Box<Inflater>),
}

impl Client {
    /// Writes the upgrade request to `out`, with these lines among its headers.
    pub fn start(intent: Intent, endpoint: &Endpoint, headers: &str, out: &mut Vec<u8>) -> Self {
        let upgrade = Upgrade::request(&endpoint.host, &endpoint.path, headers, out);
        let phase = Phase::Upgrading(upgrade);
        let frames = FrameReader::keeping(HEAD);
        Self { phase, intent, frames, session: None, compression: Compression::None }
    }

    /// Has it inflate messages of so many bytes at most; permessage-deflate was offered among the
    /// headers.
    pub fn inflating(self, most: usize) -> Self {
        Self { compression: Compression::Offered(most), ..self }
    }

    /// Has it speak a dialect, if one is given.
    pub fn speaking(mut self, session: Option<DialectSession>) -> Self {
        if let Some(dialect) = session.as_ref().map(DialectSession::dialect) {
            let alone = dialect.separator.is_empty();
            let several = if dialect.stream { STREAM } else { WHOLE };
            self.frames = FrameReader::keeping(if alone { HEAD } else { several });
        }
        Self { session, ..self }
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> Option<&Arc<Dialect>> {
        self.session.as_ref().map(DialectSession::dialect)
    }

    /// Takes received bytes; answers go to `out`, what happened to `event`.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        mut event: impl FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let Phase::Upgrading(upgrade) = &mut self.phase else {
            return self.read_frames(bytes, out, &mut event);
        };
        let Some(rest) = upgrade.receive(bytes)? else { return Ok(()) };
        let most = match self.compression {
            Compression::Offered(most) => most,
            _ if upgrade.extensions().is_empty() => 0,
            _ => return Err(Fault::Protocol("an extension that was not offered")),
        };
        if let Some(inflater) = Inflater::agreed(upgrade.extensions(), most)? {
            self.frames.accept_compressed(most);
            self.compression = Compression::Agreed(Box::new(inflater));
        }
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
        match std::mem::replace(&mut self.intent, Intent::Publish) {
            Intent::Publish => {
                self.phase = Phase::Live;
                event(Event::Ready);
            }
            Intent::Subscribe(channels) => self.ask(&channels, out),
        }
        self.read_frames(&rest, out, &mut event)
    }

    /// Requests subscriptions.
    fn ask(&mut self, channels: &[Subscription], out: &mut Vec<u8>) {
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

    /// Subscribes to further channels of one that is ready; [`Event::Ready`] comes again unless
    /// nothing is awaited. Returns whether that is so.
    pub fn subscribe_further(&mut self, channels: &[String], out: &mut Vec<u8>) -> bool {
        if let Some(session) = &mut self.session {
            let binary = session.dialect().binary;
            return session.subscribe_further(channels, &mut |text| write(text, binary, out));
        }
        let one = |channel: &String| Subscription { channel: channel.clone(), since: None };
        self.ask(&channels.iter().map(one).collect::<Vec<_>>(), out);
        channels.is_empty()
    }

    /// Appends one text message to `out`.
    pub fn send_text(&self, text: &str, out: &mut Vec<u8>) {
        write(text, self.dialect().is_some_and(|dialect| dialect.binary), out);
    }

    /// What a server answers to the upgrade, while it is awaited.
    pub(crate) fn expected_response(&self) -> String {
        let accept = match &self.phase {
            Phase::Upgrading(upgrade) => upgrade.accept_key(),
            _ => String::new(),
        };
        format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {accept}\r\n\r\n")
    }

    /// Appends a normal close.
    pub fn send_close(&self, out: &mut Vec<u8>) {
        write_masked(out, Opcode::Close, &1000u16.to_be_bytes(), mask());
    }

    fn read_frames(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let Self { phase, session, frames, compression, .. } = self;
        frames.feed(bytes, |Frame { opcode, payload, length, compressed }| {
            let (payload, length) = match compression {
                Compression::Agreed(inflater) if compressed => {
                    event(Event::Inflating);
                    let plain = inflater.inflate(payload)?;
                    event(Event::Inflated);
                    (plain, plain.len() as u64)
                }
                _ => (payload, length),
            };
            match opcode {
                Opcode::Text | Opcode::Binary => match session {
                    Some(session) => hear(session, phase, (payload, length), out, event)?,
                    None if *phase == Phase::Live => event(Event::Text(payload, length)),
                    None => confirm(phase, (payload, length), event)?,
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
    (frame, length): (&[u8], u64),
    out: &mut Vec<u8>,
    event: &mut impl FnMut(Event<'_>),
) -> Result<(), Fault> {
    let dialect = Arc::clone(session.dialect());
    let frame = session.whole(frame);
    for message in dialect.messages(&frame) {
        // One that is all of a frame may have been cut off.
        let length = if message.len() == frame.len() { length } else { message.len() as u64 };
        match session.hear(message, &mut |text| write(text, dialect.binary, out)) {
            Heard::Ready => {
                *phase = Phase::Live;
                event(Event::Ready);
            }
            Heard::Refused(what) => return Err(Fault::Refused(what)),
            Heard::Message => event(Event::Text(message, length)),
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
fn confirm(
    phase: &mut Phase,
    (text, length): (&[u8], u64),
    event: &mut impl FnMut(Event<'_>),
) -> Result<(), Fault> {
    let Phase::Confirming(left) = phase else { return Ok(()) };
    if let Some(confirmation) = confirmation(text).map_err(Fault::Refused)? {
        event(Event::Confirmed(confirmation));
        *left -= 1;
        if *left == 0 {
            *phase = Phase::Live;
            event(Event::Ready);
        }
    } else {
        // Of a channel that is confirmed while others are not.
        event(Event::Text(text, length));
    }
    Ok(())
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

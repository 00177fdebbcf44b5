//! Bodies of the fuzz targets, one function each: `fuzz/fuzz_targets` calls them under cargo-fuzz,
//! the tests here over the committed corpora. Built for these two only.
//!
//! A body panics where the code under test is wrong: the code panics itself, or it disagrees
//! with another reader of the same bytes, or with itself after the bytes were cut differently.

mod handed_over;
mod inflating;
mod proxy_headers;

use std::io::{self, Cursor, Read, Write};

pub use handed_over::handover_state;
pub use inflating::inflate;
pub use proxy_headers::proxy_header;
use rustls::server::Acceptor;
use serde_json::Value;
use tungstenite::error::Error;
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

use crate::limits::{DEFAULT_JSON_DEPTH, MAX_CHANNELS_PER_REQUEST, MAX_UPGRADE_REQUEST};
pub use crate::shard::{record_exchange, record_layer};
use crate::types::{ChannelName, MessageKey, Publication};
use crate::wire::client_hello::resumes;
use crate::wire::deflate::Inflater;
use crate::wire::envelope::Inbound;
use crate::wire::frame::{Event, FrameError, Reader};
use crate::wire::request::{Channels, Request, RequestError};
use crate::wire::upgrade::{self, Upgrade};

/// Small, so that streams reach it.
const MAX_MESSAGE: usize = 300;
/// What tungstenite reads in place of a close frame with a forbidden code. Clients may send it too.
const VIOLATION: &[u8] = b"\x03\xeaProtocol violation";
/// 1014, which it does not know: the IANA registry has it.
const BAD_GATEWAY: &[u8] = b"\x03\xf6";

/// The input of a target, read step by step; zeros once it is used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// Two bytes, the higher first.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// So many bytes, or what there is.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let count = count.min(self.0.len());
        self.0.split_off(..count).unwrap_or_default()
    }
}

/// How a stream of frames was read, up to its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transcript {
    /// Kind and payload of each event; a close's code is part of its payload.
    events: Vec<(char, Vec<u8>)>,
    end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// More bytes could have followed.
    #[default]
    Open,
    Closed,
    Protocol,
    Utf8,
    TooBig,
}

impl Transcript {
    fn close(&mut self, close: Option<(u16, &str)>) {
        let payload = close.map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
        self.events.push(('c', payload.unwrap_or_default()));
        self.end = End::Closed;
    }
}

/// WebSocket frames. Input: a count, so many sizes, a stream. The stream is read in pieces of these
/// sizes and as a whole, to the same events, and tungstenite agrees.
pub fn frame_reader(data: &[u8]) {
    let mut input = Input(data);
    let count = usize::from(input.byte() % 8);
    let sizes = input.bytes(count);
    let whole = read_frames(input.0, &[]);
    assert_eq!(whole, read_frames(input.0, sizes), "the cuts of a stream do not matter");
    let mut reference = read_frames_by_tungstenite(input.0);
    if reference.end == End::Open && matches!(whole.end, End::Protocol | End::TooBig) {
        // It judges a header once the frame is whole, which so many bytes always make it.
        reference = read_frames_by_tungstenite(&[input.0, &[0; MAX_MESSAGE]].concat());
    }
    if whole.end == End::Protocol
        && reference.events.pop_if(|event| event.0 == 'c' && event.1 == VIOLATION).is_some()
    {
        reference.end = End::Protocol;
    }
    if let (Some((_, ours)), Some((_, theirs))) = (whole.events.last(), reference.events.last_mut())
        && ours.starts_with(BAD_GATEWAY)
        && theirs == VIOLATION
    {
        theirs.clone_from(ours);
    }
    match (whole.end, reference.end) {
        // Text is checked as it comes, not at the end of its frame.
        (End::Utf8, End::Open) => {}
        // Of two faults in one frame either may be named.
        (End::Protocol | End::Utf8 | End::TooBig, End::Protocol | End::Utf8 | End::TooBig) => {}
        (ours, theirs) => assert_eq!(ours, theirs, "{whole:?}, tungstenite {reference:?}"),
    }
    assert_eq!(whole.events, reference.events);
}

fn read_frames(mut stream: &[u8], sizes: &[u8]) -> Transcript {
    let (mut reader, mut inflater) = (Reader::default(), Inflater::default());
    let mut transcript = Transcript::default();
    let mut sizes = sizes.iter().cycle();
    while !stream.is_empty() && transcript.end == End::Open {
        let size = sizes.next().map_or(stream.len(), |size| usize::from(*size) + 1);
        let mut piece = Input::bytes(&mut Input(stream), size).to_vec();
        stream = &stream[piece.len()..];
        let mut decoding = reader.decode(&mut piece, MAX_MESSAGE, &mut inflater);
        loop {
            match decoding.next() {
                Ok(None) => break,
                Ok(Some(Event::Text(text))) => transcript.events.push(('t', text.into())),
                Ok(Some(Event::Binary(bytes))) => transcript.events.push(('b', bytes.into())),
                Ok(Some(Event::Ping(bytes))) => transcript.events.push(('i', bytes.into())),
                Ok(Some(Event::Pong(bytes))) => transcript.events.push(('o', bytes.into())),
                Ok(Some(Event::Close(close))) => transcript.close(close),
                Err(FrameError::Protocol(_) | FrameError::Corrupt) => {
                    transcript.end = End::Protocol
                }
                Err(FrameError::InvalidUtf8) => transcript.end = End::Utf8,
                Err(FrameError::TooBig(_) | FrameError::TooManyFragments) => {
                    transcript.end = End::TooBig;
                }
            }
        }
        let consumed = decoding.consumed();
        assert_eq!(consumed, piece.len(), "what is not consumed would come again");
    }
    transcript
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

fn read_frames_by_tungstenite(stream: &[u8]) -> Transcript {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut socket = Received(Cursor::new(stream));
    let mut transcript = Transcript::default();
    while transcript.end == End::Open {
        match context.read(&mut socket) {
            Ok(Message::Text(text)) => transcript.events.push(('t', text.as_str().into())),
            Ok(Message::Binary(bytes)) => transcript.events.push(('b', bytes.into())),
            Ok(Message::Ping(bytes)) => transcript.events.push(('i', bytes.into())),
            Ok(Message::Pong(bytes)) => transcript.events.push(('o', bytes.into())),
            Ok(Message::Close(close)) => transcript
                .close(close.as_ref().map(|close| (close.code.into(), close.reason.as_str()))),
            Ok(Message::Frame(_)) => unreachable!("reading gives no raw frames"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(Error::Protocol(_)) => transcript.end = End::Protocol,
            Err(Error::Utf8(_)) => transcript.end = End::Utf8,
            Err(Error::Capacity(_)) => transcript.end = End::TooBig,
            Err(error) => unreachable!("{error:?}"),
        }
    }
    transcript
}

/// The HTTP upgrade: a verdict stays when more comes, and every response is well-formed HTTP.
pub fn upgrade_request(data: &[u8]) {
    let offered = ["uringcast.v1".to_owned()];
    let parse = |data: &[u8], ready| upgrade::parse(data, ready, &offered, true);
    let whole = parse(data, true);
    match &whole {
        Upgrade::NeedMore => assert!(data.len() < MAX_UPGRADE_REQUEST, "requests are bounded"),
        Upgrade::Accept(accepted) => {
            match &accepted.stream {
                None => assert_eq!(response(&accepted.response), (101, 0)),
                Some(stream) => {
                    assert!(accepted.response.is_empty(), "the broker answers it");
                    assert!((1..=MAX_CHANNELS_PER_REQUEST).contains(&stream.channels.len()));
                    let known = |(name, ..): &(ChannelName, _, _)| stream.channels.contains(name);
                    assert!(stream.since.iter().all(known), "positions of its channels only");
                }
            }
            assert!(accepted.consumed <= data.len().min(MAX_UPGRADE_REQUEST));
            let request = &data[..accepted.consumed];
            assert!(request.ends_with(b"\n\n") || request.ends_with(b"\n\r\n"));
            let again = parse(request, false);
            assert_eq!(format!("{whole:?}"), format!("{again:?}"), "what follows does not matter");
        }
        Upgrade::Preflight { origin, .. } => assert!(!origin.contains(['\r', '\n'])),
        Upgrade::Answer { response: bytes, refusal } => {
            let (status, body) = response(bytes);
            assert_eq!(refusal.map_or(200, |refusal| refusal.status().as_u16()), status);
            let is_head = body == 0 && data.trim_ascii_start().starts_with(b"HEAD ");
            assert!(body > 0 || is_head, "a response says why");
        }
    }
    for end in pieces(data) {
        match parse(&data[..end], true) {
            Upgrade::NeedMore => {}
            // It ends only with the bytes that are missing.
            _ if data.len() > MAX_UPGRADE_REQUEST => {}
            part => assert_eq!(format!("{part:?}"), format!("{whole:?}"), "cut at {end}"),
        }
    }
}

/// A few places to cut at: all would need quadratic time.
fn pieces(data: &[u8]) -> impl Iterator<Item = usize> {
    (0..data.len()).step_by(1 + data.len() / 16)
}

/// Status and length of the body of a whole HTTP response.
fn response(bytes: &[u8]) -> (u16, usize) {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes).expect("a response is HTTP");
    let httparse::Status::Complete(length) = parsed else { panic!("a response is whole") };
    let body = bytes.len() - length;
    let named = |header: &&httparse::Header<'_>| header.name == "Content-Length";
    // The answer to HEAD has the length and no body.
    if let Some(header) = head.headers.iter().find(named).filter(|_| body > 0) {
        assert_eq!(header.value, body.to_string().as_bytes());
    }
    (head.code.expect("a response has a status"), body)
}

/// The inspection of a ClientHello. It needs the whole first record, its verdict stays when more
/// comes, and it reads every ClientHello that rustls reads.
pub fn client_hello(data: &[u8]) {
    let whole = resumes(data);
    let record = data.get(3..5).map_or(usize::MAX, |length| 5 + Input(length).number());
    for end in pieces(data) {
        let part = resumes(&data[..end]);
        assert_eq!(part, whole.filter(|_| record <= end), "cut at {end}");
    }
    let Some(mut first) = data.get(..record) else {
        assert_eq!(whole, None, "the record is not whole");
        return;
    };
    let mut acceptor = Acceptor::default();
    let read = acceptor.read_tls(&mut first);
    if read.is_ok() && first.is_empty() && matches!(acceptor.accept(), Ok(Some(_))) {
        assert!(whole.is_some(), "rustls reads this ClientHello");
    }
}

/// The envelope and the request in it. What serde_json reads as a document is an envelope exactly
/// if the slow reading of docs/PROTOCOL.md is one, with the same content.
pub fn envelope(data: &[u8]) {
    let parsed = Inbound::parse_message(crate::wire::Message::Binary(data));
    // It refuses more: a number out of range or half a surrogate pair, also where nothing looks.
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        if let Ok(message) = parsed {
            let _ = Request::parse(&message, DEFAULT_JSON_DEPTH);
        }
        return;
    };
    assert_eq!(parsed.is_ok(), is_envelope(&value), "{value}");
    let Ok(message) = parsed else { return };
    assert_eq!(value["type"], message.kind.label());
    for (key, text) in [
        ("id", &message.id),
        ("correlation_id", &message.correlation_id),
        ("event", &message.event),
        ("room", &message.room),
    ] {
        assert_eq!(value[key].as_str(), text.as_deref(), "{key}");
    }
    let document = message.data.map(|data| serde_json::from_str::<Value>(data.get()));
    assert_eq!(
        document.map(|document| document.expect("data is JSON")).as_ref(),
        value.get("data")
    );
    let data = &value["data"];
    match Request::parse(&message, DEFAULT_JSON_DEPTH) {
        Ok(Request::Subscribe { channels, since, .. }) => {
            check_channels(&channels, &value);
            let given = data["since"].as_object().is_some_and(|given| !given.is_empty());
            assert_eq!(!since.is_empty(), given);
        }
        Ok(Request::Presence { channel }) => assert_eq!(data["channel"], channel.as_str()),
        Ok(Request::Unsubscribe { channels }) => check_channels(&channels, &value),
        Ok(Request::SubscribePattern { prefix } | Request::UnsubscribePattern { prefix }) => {
            let text = data["pattern"].as_str().expect("a pattern");
            assert_eq!(text.strip_suffix('*').unwrap_or(text), &*prefix);
        }
        Ok(Request::Publish { publication, id }) => {
            let Publication { channel, event, data: document, key } = publication;
            let key = key.as_ref().map(MessageKey::as_str);
            assert_eq!([data["id"].as_str(), data["key"].as_str()], [id.as_deref(), key]);
            assert!(data["channel"] == channel.as_str() && data["event"] == event.as_str());
            assert_eq!(serde_json::from_str(document.as_str()).ok().as_ref(), Some(&data["data"]));
        }
        Ok(Request::History(asked)) => {
            assert_eq!(data["channel"], asked.channel.as_str());
            assert_eq!(asked.since.is_some(), !data["since"].is_null());
            assert_eq!(asked.reverse, data["reverse"] == true);
        }
        Ok(Request::Auth { token }) => assert_eq!(token.is_some(), data["token"].is_string()),
        Ok(Request::Ping | Request::Ignored) => {}
        Err(RequestError::Unknown(text)) => assert!(!text.contains(char::is_control)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Whether a document is an envelope, decided the slow way.
fn is_envelope(value: &Value) -> bool {
    const TYPES: [&str; 9] = [
        "request",
        "subscribe",
        "unsubscribe",
        "ping",
        "response",
        "event",
        "error",
        "pong",
        "ack",
    ];
    const NULLABLE: [&str; 5] = ["correlation_id", "event", "room", "error_code", "error_message"];
    value.is_object()
        && value["type"].as_str().is_some_and(|kind| TYPES.contains(&kind))
        && value.get("id").is_none_or(Value::is_string)
        && value.get("data").is_none_or(Value::is_object)
        && NULLABLE.iter().all(|key| value[key].is_null() || value[key].is_string())
}

fn check_channels(channels: &Channels, value: &Value) {
    let data = &value["data"];
    match channels {
        Channels::One(name) => {
            let places = [&data["channel"], &data["room"], &value["room"]];
            let given = places.into_iter().find(|place| !place.is_null());
            assert_eq!(given.and_then(Value::as_str), Some(name.as_str()));
        }
        Channels::Many(names) => {
            assert!((1..=MAX_CHANNELS_PER_REQUEST).contains(&names.len()));
            let given = data["channels"].as_array().expect("a list").iter();
            let given: Vec<bool> = given
                .map(|name| ChannelName::parse(name.as_str().expect("a text")).is_ok())
                .collect();
            assert_eq!(given, names.iter().map(Result::is_ok).collect::<Vec<_>>());
        }
    }
}

#[cfg(test)]
mod tests;

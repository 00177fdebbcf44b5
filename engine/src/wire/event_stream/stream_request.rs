//! What `GET /v1/sse` asks for: channels, and the positions that a client has of them.

use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::Position;
use crate::limits::{MAX_CHANNELS_PER_REQUEST, MAX_EVENT_ID};
use crate::types::{ChannelName, Epoch, Seq};

/// A good request for a stream of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRequest {
    /// Its channels, each once, at least one.
    pub channels: Vec<ChannelName>,
    /// The last message that the client has, of those of its channels of which it has any.
    pub since: Vec<(ChannelName, Epoch, Seq)>,
    /// How many older messages those without a position begin with.
    pub last: u64,
    /// They begin with the newest message of each key instead.
    pub latest: bool,
    /// The `id` of an event has the position of its own channel only: the client keeps the others.
    pub own_ids: bool,
    /// The origin of the page that asks, if it is one of a browser.
    pub origin: Option<Box<str>>,
}

/// Why a request for a stream of events is refused by its form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// It names no channel.
    NoChannel,
    /// A channel's name is empty, too long or has a control character.
    Channel,
    /// More than [`MAX_CHANNELS_PER_REQUEST`] channels.
    TooManyChannels,
    /// Its channels' positions may be longer than [`MAX_EVENT_ID`].
    LongId,
    /// A position that is no `id` of an event.
    Position,
    /// It names a pattern.
    Pattern,
    /// `last`, `replay` or `ids` is something else than it may be.
    Parameter,
    /// It accepts no events.
    NotAcceptable,
    /// HTTP/1.0.
    OldHttp,
    /// It has a body.
    Body,
}

impl StreamFault {
    /// The status of the response.
    pub fn status(self) -> StatusCode {
        match self {
            StreamFault::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            StreamFault::OldHttp => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The message of the response, and the reason in logs.
    pub fn reason(self) -> &'static str {
        match self {
            StreamFault::NoChannel => "name a channel: ?channel=NAME, several times for several",
            StreamFault::Channel => {
                "a channel's name is empty, too long or has a control character"
            }
            StreamFault::TooManyChannels => "a stream has at most 100 channels",
            StreamFault::LongId => "the names of these channels are too long for one stream",
            StreamFault::Position => "Last-Event-ID is no id of an event of this stream",
            StreamFault::Pattern => "a stream has channels and no patterns: name each channel",
            StreamFault::Parameter => {
                "last is a number of messages, replay can be latest, and ids own"
            }
            StreamFault::NotAcceptable => "only text/event-stream is served here",
            StreamFault::OldHttp => {
                "a stream needs HTTP/1.1 (nginx: proxy_http_version 1.1 and an empty Connection)"
            }
            StreamFault::Body => "a request for a stream has no body",
        }
    }
}

impl StreamRequest {
    /// Reads the query of a request: `channel`, once or several times, `last_event_id`, in the
    /// place of the header of that name, `last`, `replay` and `ids`. Others are not looked at.
    ///
    /// # Errors
    /// [`StreamFault`], which says what is wrong.
    pub fn parse(query: &str, header: Option<&str>) -> Result<StreamRequest, StreamFault> {
        let mut request = StreamRequest::default();
        let (channels, mut place) = (&mut request.channels, header.map(str::to_owned));
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "channel" => {
                    let name = ChannelName::parse(&value).map_err(|_| StreamFault::Channel)?;
                    if !channels.contains(&name) {
                        channels.push(name);
                    }
                }
                "last_event_id" if place.is_none() => place = Some(value.into_owned()),
                "pattern" => return Err(StreamFault::Pattern),
                "last" => request.last = value.parse().map_err(|_| StreamFault::Parameter)?,
                "replay" if value == "latest" => request.latest = true,
                "ids" if value == "own" => request.own_ids = true,
                "replay" | "ids" => return Err(StreamFault::Parameter),
                _ => {}
            }
            if channels.len() > MAX_CHANNELS_PER_REQUEST {
                return Err(StreamFault::TooManyChannels);
            }
        }
        if channels.is_empty() {
            return Err(StreamFault::NoChannel);
        }
        if channels.iter().map(longest_position).sum::<usize>() > MAX_EVENT_ID {
            return Err(StreamFault::LongId);
        }
        request.since = match place.as_deref().map(str::trim) {
            None | Some("") => Vec::new(),
            Some(id) => parse_id(id).ok_or(StreamFault::Position)?,
        };
        request.since.retain(|(channel, ..)| request.channels.contains(channel));
        Ok(request)
    }
}

/// Bytes of a channel's position in an `id` at most, with what separates it from the next.
fn longest_position(channel: &ChannelName) -> usize {
    Position { channel, epoch: Epoch(0), seq: Seq(u64::MAX) }.len() + 1
}

/// The positions of an `id`: `EPOCH:A=1,B=2;EPOCH:C=3`. Of a channel that is named twice, the last.
fn parse_id(id: &str) -> Option<Vec<(ChannelName, Epoch, Seq)>> {
    let mut all: Vec<(ChannelName, Epoch, Seq)> = Vec::new();
    for of_epoch in id.split(';') {
        let (epoch, positions) = of_epoch.split_once(':')?;
        let epoch = Epoch::parse(epoch)?;
        for position in positions.split(',') {
            let (name, seq) = position.rsplit_once('=')?;
            let name = ChannelName::parse(&percent_decode_str(name).decode_utf8().ok()?).ok()?;
            let seq = seq.parse().ok().filter(|_| !seq.starts_with('+')).map(Seq)?;
            all.retain(|(other, ..)| *other != name);
            all.push((name, epoch, seq));
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests;

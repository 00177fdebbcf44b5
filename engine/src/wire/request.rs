//! The requests of clients: docs/PROTOCOL.md section 3.

mod history;
mod positions;
mod publishing;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Secret;
use super::envelope::Inbound;
use super::frame::cut;
use super::json_members::{is_null, members, string};
pub use history::HistoryRequest;
pub use positions::{Positions, Since};

use crate::limits::{
    HISTORY_MESSAGES, MAX_CHANNEL_NAME, MAX_CHANNELS_PER_REQUEST, MAX_EVENT_NAME,
    MAX_POSITIONS_PER_REQUEST,
};
use crate::types::{
    ChannelName, ChannelPattern, ErrorCode, JsonLimitError, MessageType, NameError, Publication,
};

/// A request, parsed and checked as far as that needs no state.
#[derive(Debug)]
pub enum Request {
    /// Subscribes to channels.
    Subscribe {
        /// Which.
        channels: Channels,
        /// The positions to recover from.
        since: Positions,
        /// Whether to begin live where not everything since then is there.
        all_or_nothing: bool,
        /// How many older messages to begin with where there is no position.
        last: u64,
        /// Whether to begin with the newest message of each key instead.
        latest: bool,
        /// Whether to get a list of the members.
        presence: bool,
        /// Whether it begins with the channel's state.
        state: bool,
    },
    /// Unsubscribes from channels.
    Unsubscribe {
        /// Which.
        channels: Channels,
    },
    /// Subscribes to all channels of a pattern.
    SubscribePattern {
        /// What their names begin with.
        prefix: Box<str>,
    },
    /// Subscribes to them no more.
    UnsubscribePattern {
        /// As when it was subscribed.
        prefix: Box<str>,
    },
    /// Asks for the members of a channel.
    Presence {
        /// Which.
        channel: ChannelName,
    },
    /// Broadcasts.
    Publish {
        /// What.
        publication: Publication,
        /// By what the client knows it again.
        id: Option<Box<str>>,
    },
    /// Reads a channel's log.
    History(HistoryRequest),
    /// Presents a token; `None` if it is missing or not a string.
    Auth {
        /// The token.
        token: Option<Secret>,
    },
    /// Checks the connection.
    Ping,
    /// An answer or receipt (`response`, `error`, `pong`, `ack`): it gets no reply.
    Ignored,
}

/// The channels of one request.
#[derive(Debug)]
pub enum Channels {
    /// `"channel": C`, answered with `channel`.
    One(ChannelName),
    /// `"channels": […]`, answered with `channels` and `failed`. 1 to
    /// [`MAX_CHANNELS_PER_REQUEST`] entries, possibly repeated.
    Many(Vec<Result<ChannelName, BadName>>),
}

/// An entry of a list that is no channel name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// The entry, cut to [`MAX_CHANNEL_NAME`] bytes.
    pub text: String,
    /// What is wrong with it.
    pub error: NameError,
}

/// Why a request is refused by its form alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not in the protocol; the event's name, cut and without control characters.
    #[error("Unknown request event: {0}")]
    Unknown(String),
    /// No channel, or not a string.
    #[error("Channel is missing or not a string: give it as data.channel")]
    NoChannel,
    /// A channel name that cannot be.
    #[error("Channel name {0}")]
    InvalidChannel(NameError),
    /// More channels than one request may name.
    #[error("More than {MAX_CHANNELS_PER_REQUEST} channels in one request")]
    TooManyChannels,
    /// A publish without event name, or with one that is not a string.
    #[error("Event is missing or not a string: give it as data.event")]
    NoEvent,
    /// A publish with an event name that cannot be.
    #[error("Event name {0}")]
    InvalidEvent(NameError),
    /// A publish under a name of the server's own events.
    #[error("Event name is reserved for the server")]
    ReservedEvent,
    /// A publish with a key that is not a string.
    #[error("Key is not a string: give it as data.key")]
    KeyType,
    /// A publish with a key that cannot be.
    #[error("Key {0}")]
    InvalidKey(NameError),
    /// A publish with an id that is not a string.
    #[error("Id of the message is not a string: give it as data.id")]
    IdType,
    /// A publish with an id that cannot be.
    #[error("Id of the message {0}")]
    InvalidId(NameError),
    /// A publish with a document that is not an object.
    #[error("Data of the message to publish must be an object")]
    InvalidData,
    /// A publish with a document that exceeds a limit of structure.
    #[error("Data of the message to publish {0}")]
    DataLimit(JsonLimitError),
    /// A pattern that is not for all channels with the same name prefix.
    #[error("Pattern must be a string such as \"workflow:*\"")]
    InvalidPattern,
    /// A pattern beside channels, a position or presence.
    #[error("Pattern goes without channels, since, last, replay and presence")]
    PatternBesideChannels,
    /// `since` is not what it should be.
    #[error(
        "Since must be {{\"epoch\":string,\"seq\":number}}, or with a list one of them by channel"
    )]
    InvalidSince,
    /// `since` has a position in a channel that is not in the list.
    #[error("Since names a channel that is not in the list")]
    ForeignSince,
    /// More positions than one request may have.
    #[error("More than {MAX_POSITIONS_PER_REQUEST} positions in one request")]
    TooManyPositions,
    /// `state` is neither true nor false, or goes with a list or pattern.
    #[error("State must be true or false, and goes with a single channel")]
    InvalidState,
    /// `presence` is neither true nor false.
    #[error("Presence must be true or false")]
    InvalidPresence,
    /// `all_or_nothing` is neither true nor false.
    #[error("All_or_nothing must be true or false")]
    InvalidAllOrNothing,
    /// `replay` is no known one.
    #[error("Replay must be \"latest\"")]
    InvalidReplay,
    /// `last` is not a number of messages.
    #[error("Last must be a number of messages")]
    InvalidLast,
    /// A request for history with a range that cannot be.
    #[error(
        "Range must be since {{\"epoch\":string,\"seq\":number}}, limit 1 to {HISTORY_MESSAGES} \
         and reverse true or false, or nothing"
    )]
    InvalidRange,
}

impl RequestError {
    /// The reply's `error_code`; its `error_message` is the `Display` text.
    pub fn code(&self) -> ErrorCode {
        match self {
            RequestError::Unknown(_) => ErrorCode::UnknownRequest,
            RequestError::NoChannel
            | RequestError::InvalidChannel(_)
            | RequestError::InvalidPattern => ErrorCode::InvalidChannel,
            RequestError::TooManyChannels
            | RequestError::TooManyPositions
            | RequestError::DataLimit(_) => ErrorCode::LimitExceeded,
            RequestError::NoEvent
            | RequestError::InvalidEvent(_)
            | RequestError::ReservedEvent
            | RequestError::KeyType
            | RequestError::InvalidKey(_)
            | RequestError::IdType
            | RequestError::InvalidId(_)
            | RequestError::InvalidData
            | RequestError::PatternBesideChannels
            | RequestError::InvalidSince
            | RequestError::ForeignSince
            | RequestError::InvalidPresence
            | RequestError::InvalidAllOrNothing
            | RequestError::InvalidLast
            | RequestError::InvalidState
            | RequestError::InvalidReplay
            | RequestError::InvalidRange => ErrorCode::InvalidRequest,
        }
    }
}

impl Request {
    /// Parses a message. What it publishes may have so many levels.
    ///
    /// # Errors
    /// [`RequestError`] when the request is unknown or malformed.
    pub fn parse(message: &Inbound<'_>, max_depth: usize) -> Result<Request, RequestError> {
        let event = message.event.as_deref();
        match (message.kind, event) {
            (MessageType::Ping, _) => Ok(Request::Ping),
            (MessageType::Subscribe, _)
            | (MessageType::Request | MessageType::Event, Some("subscribe")) => subscribe(message),
            (MessageType::Unsubscribe, _)
            | (MessageType::Request | MessageType::Event, Some("unsubscribe")) => {
                if let Some(prefix) = pattern(message)? {
                    return Ok(Request::UnsubscribePattern { prefix });
                }
                let (channels, _) = channels(message)?;
                Ok(Request::Unsubscribe { channels })
            }
            (MessageType::Request, Some("publish")) => publishing::publish(message, max_depth),
            (MessageType::Request, Some("presence")) => {
                let [channel] = data(message, &["channel"]);
                Ok(Request::Presence { channel: name_of(channel)? })
            }
            (MessageType::Request, Some("history")) => {
                HistoryRequest::parse(message).map(Request::History)
            }
            (MessageType::Request, Some("auth")) => Ok(Request::Auth { token: token(message) }),
            (
                MessageType::Response | MessageType::Error | MessageType::Pong | MessageType::Ack,
                _,
            ) => Ok(Request::Ignored),
            (MessageType::Request | MessageType::Event | MessageType::Invalid, _) => {
                Err(RequestError::Unknown(printable(event.unwrap_or("null"))))
            }
        }
    }
}

/// Named members of `data`, null ones left out.
pub(super) fn data<'a, const N: usize>(
    message: &Inbound<'a>,
    names: &[&str; N],
) -> [Option<&'a RawValue>; N] {
    // `data` is an object or absent: the envelope has checked it.
    let found = message.data.and_then(|data| members(data.get(), names).ok());
    found.unwrap_or([None; N]).map(|value| value.filter(|value| !is_null(value)))
}

/// A text of the client's, fit to be repeated to it: bounded and without control characters.
fn printable(text: &str) -> String {
    cut(text, MAX_EVENT_NAME).chars().filter(|c| !c.is_control()).collect()
}

/// Takes the channels from `data.channels`, `data.channel`, `data.room` or `room`, the first there
/// is; and `since` as it was written.
fn channels<'a>(message: &Inbound<'a>) -> Result<(Channels, Option<&'a RawValue>), RequestError> {
    let [list, channel, room, since] = data(message, &["channels", "channel", "room", "since"]);
    let channels = match list {
        Some(list) => Channels::Many(names(list)?),
        None => Channels::One(match channel.or(room) {
            Some(name) => name_of(Some(name))?,
            None => parse_name(message.room.as_deref().unwrap_or_default())?,
        }),
    };
    Ok((channels, since))
}

/// One channel name; an empty one is a missing one.
fn parse_name(name: &str) -> Result<ChannelName, RequestError> {
    ChannelName::parse(name).map_err(|error| match error {
        NameError::Empty => RequestError::NoChannel,
        error => RequestError::InvalidChannel(error),
    })
}

fn name_of(value: Option<&RawValue>) -> Result<ChannelName, RequestError> {
    parse_name(&value.and_then(string).ok_or(RequestError::NoChannel)?)
}

/// A list of names. What is no name fails alone; what is no string fails the request, since no
/// reply could say which it was.
fn names(list: &RawValue) -> Result<Vec<Result<ChannelName, BadName>>, RequestError> {
    let entries: Vec<&RawValue> =
        serde_json::from_str(list.get()).map_err(|_| RequestError::NoChannel)?;
    if entries.is_empty() {
        return Err(RequestError::NoChannel);
    }
    if entries.len() > MAX_CHANNELS_PER_REQUEST {
        return Err(RequestError::TooManyChannels);
    }
    let name = |entry: &RawValue| {
        let text: Cow<'_, str> = string(entry).ok_or(RequestError::NoChannel)?;
        Ok(ChannelName::parse(&text)
            .map_err(|error| BadName { text: cut(&text, MAX_CHANNEL_NAME).into(), error }))
    };
    entries.into_iter().map(name).collect()
}

/// What all channels of the pattern begin with that a request names, if it names one.
fn pattern(message: &Inbound<'_>) -> Result<Option<Box<str>>, RequestError> {
    let names = ["pattern", "channels", "channel", "room", "since", "last", "replay", "presence"];
    let [pattern, beside @ ..] = data(message, &names);
    let Some(pattern) = pattern else { return Ok(None) };
    if message.room.is_some() || beside.iter().any(Option::is_some) {
        return Err(RequestError::PatternBesideChannels);
    }
    let text = string(pattern).ok_or(RequestError::InvalidPattern)?;
    let parsed = ChannelPattern::parse(&text).map_err(|_| RequestError::InvalidPattern)?;
    Ok(Some(parsed.prefix().ok_or(RequestError::InvalidPattern)?.into()))
}

fn subscribe(message: &Inbound<'_>) -> Result<Request, RequestError> {
    let names = ["all_or_nothing", "last", "replay", "presence", "state"];
    let [all_or_nothing, last, replay, presence, state] = data(message, &names);
    let flag = |value: Option<&RawValue>, fault| match value.map(RawValue::get) {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err(fault),
    };
    let all_or_nothing = flag(all_or_nothing, RequestError::InvalidAllOrNothing)?;
    let presence = flag(presence, RequestError::InvalidPresence)?;
    let state = flag(state, RequestError::InvalidState)?;
    match pattern(message)? {
        Some(_) if state => return Err(RequestError::InvalidState),
        Some(prefix) => return Ok(Request::SubscribePattern { prefix }),
        None => {}
    }
    let (channels, since) = channels(message)?;
    let since = Positions::parse(since, &channels)?;
    let last = last.map_or(Ok(0), |last| serde_json::from_str(last.get()));
    let last = last.map_err(|_| RequestError::InvalidLast)?;
    let latest = match replay.map(string) {
        None => false,
        Some(Some(text)) if text == "latest" => true,
        Some(_) => return Err(RequestError::InvalidReplay),
    };
    if state && matches!(channels, Channels::Many(_)) {
        return Err(RequestError::InvalidState);
    }
    Ok(Request::Subscribe { channels, since, all_or_nothing, last, latest, presence, state })
}

fn token(message: &Inbound<'_>) -> Option<Secret> {
    let [token] = data(message, &["token"]);
    token.and_then(string).map(Secret::new)
}

#[cfg(test)]
mod tests;

//! The nouns every other module uses: names, positions, keys and points in time.

mod address_group;
mod channel_refusal;
mod client_certificate;
mod client_command;
mod client_transport;
mod close_codes;
mod connection_end;
mod drain_report;
mod encoding;
mod error_code;
mod feed_item;
mod homes;
mod identity;
mod ids;
mod json_limits;
mod label_enum;
mod message_key;
mod message_type;
mod owed_reply;
mod pattern;
mod presence_end;
mod presence_list;
mod publish_error;
mod sequenced;
mod service_load;
mod start_error;
mod state_document;
mod state_error;
mod tls_mode;

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

pub(crate) use address_group::AddressGroup;
pub(crate) use channel_refusal::ChannelRefusal;
pub use client_certificate::{CertificateId, ClientCertificate, RevokedCertificates};
pub use client_command::{ClientAction, ClientCommand, DrainReason, Target};
pub use client_transport::Transport;
pub use close_codes::CloseCodes;
pub use connection_end::ConnectionEnd;
pub use drain_report::DrainReport;
pub use encoding::Encoding;
pub use error_code::ErrorCode;
pub use feed_item::FeedItem;
pub(crate) use homes::Homes;
pub use identity::{AuthError, Identity, RevokedTokens, TokenFault, Verdict};
pub use ids::{ChannelIndex, JoinToken, LivePosition, OperationId, RequestId, ServiceId, ShardId};
pub use json_limits::JsonLimitError;
pub(crate) use label_enum::labels;
pub use message_key::MessageKey;
pub use message_type::MessageType;
pub use owed_reply::Reply;
pub use pattern::{ChannelPattern, PatternError};
pub use presence_end::PresenceEnd;
pub use presence_list::{Member, PresenceList, Present};
pub use publish_error::PublishError;
pub use sequenced::Sequenced;
pub use service_load::ServiceLoad;
pub use start_error::StartError;
pub use state_document::StateDocument;
pub use state_error::StateError;
pub use tls_mode::TlsMode;

use crate::limits::{DEFAULT_JSON_DEPTH, MAX_CHANNEL_NAME, MAX_EVENT_NAME, RECEIVE_BUFFER};

/// Position of a message in its channel: rises by one with each message, from 1; by more where an
/// [`ExternalOrder`](crate::ExternalOrder) gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one. Clients name any number there is; the last one is followed
    /// by itself.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One run of an engine, in which all its logs began. A new epoch means that earlier positions are
/// invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Reads what `Display` wrote: 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Epoch> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// As `Display` writes it, without its formatter: each answer to a publisher has one.
impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digit = |place: usize| b"0123456789abcdef"[(self.0 >> (60 - 4 * place)) as usize & 15];
        let digits: [u8; 16] = std::array::from_fn(digit);
        serializer.serialize_str(std::str::from_utf8(&digits).expect("hexadecimal digits"))
    }
}

/// A connection of one shard. The generation distinguishes the users of an index, so a late
/// completion or a late reply is harmless (invariant 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// Index into the shard's dense tables, and its slot in the ring's registered files.
    pub index: u32,
    /// How often the index has been used before, modulo 2^16.
    pub generation: u16,
}

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the quotes.
    #[error("is empty")]
    Empty,
    /// More bytes of UTF-8 than allowed; the number is the limit.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A character below U+0020, or U+007F to U+009F.
    #[error("contains a control character")]
    Control,
}

fn check_name(text: &str, limit: usize) -> Result<(), NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > limit {
        Err(NameError::TooLong(limit))
    } else if !is_printable(text.as_bytes()) && text.chars().any(char::is_control) {
        Err(NameError::Control)
    } else {
        Ok(())
    }
}

/// Whether all is printable ASCII, as most names are: that is seen without decoding them.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Name of a channel: 1 to 200 bytes of UTF-8 without control characters, and the service of the
/// channel. The same text at two services names two channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName {
    service: ServiceId,
    /// Up to 23 bytes stand in it: among many channels a name elsewhere is in no cache.
    text: SmolStr,
}

impl ChannelName {
    /// Checks and keeps a name, for now at the first service.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or has a control character.
    pub fn parse(text: &str) -> Result<ChannelName, NameError> {
        check_name(text, MAX_CHANNEL_NAME)?;
        Ok(ChannelName { service: ServiceId::default(), text: text.into() })
    }

    /// The channel of this name at `service`.
    #[must_use]
    pub fn at(self, service: ServiceId) -> ChannelName {
        ChannelName { service, ..self }
    }

    /// The service of the channel.
    pub fn service(&self) -> ServiceId {
        self.service
    }

    /// The channel by which an engine checks itself ([`Config::probe`](crate::Config::probe)).
    /// Its control character keeps clients out: no such name can be parsed.
    pub fn probe() -> ChannelName {
        ChannelName { service: ServiceId::default(), text: "\u{1}canary".into() }
    }

    /// Whether this is [`ChannelName::probe`].
    pub fn is_probe(&self) -> bool {
        self.as_str().starts_with('\u{1}')
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the first `:`, by which metrics group channels.
    pub fn class(&self) -> &str {
        self.text.split(':').next().unwrap_or(&self.text)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// A JSON document that is an object, checked once and passed on as it was written.
#[derive(Clone, Debug)]
pub struct JsonObject(Box<RawValue>);

/// The bytes are not one JSON object.
#[derive(Debug, thiserror::Error)]
pub enum JsonObjectError {
    /// Not JSON at all; the source has the place.
    #[error("is not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// JSON, but a list, a number, …
    #[error("is not a JSON object")]
    NotObject,
    /// More than clients' parsers take.
    #[error(transparent)]
    Limit(#[from] JsonLimitError),
}

impl JsonObject {
    /// Checks that `bytes` are one JSON object of at most
    /// [`DEFAULT_JSON_DEPTH`] levels, and copies them.
    ///
    /// # Errors
    /// [`JsonObjectError`] when they are not.
    pub fn parse(bytes: &[u8]) -> Result<JsonObject, JsonObjectError> {
        JsonObject::parse_within(bytes, DEFAULT_JSON_DEPTH)
    }

    /// The same with another limit on its levels, for clients that are known to take more or less.
    ///
    /// # Errors
    /// [`JsonObjectError`] when they are no such object.
    pub fn parse_within(bytes: &[u8], max_depth: usize) -> Result<JsonObject, JsonObjectError> {
        JsonObject::from_raw(serde_json::from_slice::<&RawValue>(bytes)?, max_depth)
    }

    /// Takes a value that a JSON parser has already checked.
    ///
    /// # Errors
    /// [`JsonObjectError`] when it is anything but an object, or exceeds a limit.
    pub fn from_raw(raw: &RawValue, max_depth: usize) -> Result<JsonObject, JsonObjectError> {
        if !raw.get().starts_with('{') {
            return Err(JsonObjectError::NotObject);
        }
        json_limits::check(raw.get(), max_depth)?;
        Ok(JsonObject(raw.to_owned()))
    }

    /// The document as it was written.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The same, to be a part of another one.
    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }
}

/// One message to be broadcast.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where it goes. A [`Publisher`](crate::Publisher) makes it a channel of its service.
    pub channel: ChannelName,
    /// The envelope's `event`.
    pub event: EventName,
    /// The envelope's `data`, passed on unchanged.
    pub data: JsonObject,
    /// What it is the newest state of, for subscribers that get the newest of each only.
    pub key: Option<MessageKey>,
}

impl Publication {
    /// As how many messages it counts in its iteration.
    pub(crate) fn cost(&self) -> usize {
        1 + self.data.0.get().len() / RECEIVE_BUFFER
    }
}

/// Name of an event: 1 to 200 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(SmolStr);

impl EventName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or has a control character.
    pub fn parse(text: &str) -> Result<EventName, NameError> {
        EventName::check(text)?;
        Ok(EventName(text.into()))
    }

    /// Checks a name without keeping it.
    ///
    /// # Errors
    /// As [`EventName::parse`].
    pub fn check(text: &str) -> Result<(), NameError> {
        check_name(text, MAX_EVENT_NAME)
    }

    /// Whether only the server sends it: `gap`, and what begins with `session.` or `presence.`. A
    /// client could not tell a publisher's from the server's.
    pub fn is_reserved(&self) -> bool {
        let name = self.as_str();
        name == "gap" || ["session.", "presence."].iter().any(|start| name.starts_with(start))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Nanoseconds of the monotonic clock since the engine started, the same on all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// Whole seconds since the engine started, the unit of the dense `last_rx` table.
    pub fn seconds(self) -> u32 {
        (self.0 / 1_000_000_000) as u32
    }

    /// Nanoseconds since `earlier`, zero if `earlier` is later.
    pub fn ns_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.ns_since(earlier))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, rest: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// One reading of both clocks, passed into the pure parts (invariant 8).
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// For durations and deadlines.
    pub mono: Time,
    /// For timestamps in envelopes: microseconds since 1970-01-01 UTC.
    pub unix_us: i64,
}

impl Now {
    /// When an earlier time was: seconds since 1970-01-01 UTC.
    pub(crate) fn unix_seconds(self, earlier: Time) -> i64 {
        let passed = self.mono.ns_since(earlier) / 1_000;
        self.unix_us.saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX)).div_euclid(1_000_000)
    }
}

//! The `data` documents of the server's messages: docs/PROTOCOL.md sections 2, 3 and 5.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::encoder::{Empty, Outbound};
pub use crate::types::ErrorCode;
use crate::types::{ChannelName, DrainReason, Epoch, PresenceList, Seq, StateDocument};

/// The first message of a connection.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Welcome<'a> {
    /// A UUID in text form.
    pub connection_id: &'a str,
    /// The server's name.
    pub server: &'a str,
    /// A greeting.
    pub message: &'a str,
    /// Whether the client has shown a token.
    pub authenticated: bool,
    /// Whether TLS is on; `tls_mode` follows from it.
    #[serde(flatten, serialize_with = "tls_mode")]
    pub secure: bool,
    /// The common name of the certificate that the client has shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<&'a str>,
    /// How to come back.
    pub reconnect: ReconnectAdvice,
    /// Further keys of the service's own.
    #[serde(flatten)]
    pub extra: &'a serde_json::Map<String, serde_json::Value>,
}

/// How long a client should wait before it reconnects, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReconnectAdvice {
    /// Before the first try, at most.
    pub base_ms: u64,
    /// Between any two, at most.
    pub max_ms: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ReconnectData {
    after_ms: u64,
    reason: DrainReason,
}

fn tls_mode<S: Serializer>(secure: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Mode {
        tls_mode: &'static str,
        secure: bool,
    }
    let tls_mode = if *secure { "WSS" } else { "WS" };
    Mode { tls_mode, secure: *secure }.serialize(serializer)
}

/// Why the missed messages cannot be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotRecovered {
    /// The server has restarted, and the log with it: it is in another epoch.
    Restart,
    /// The log does not reach back that far.
    Retention,
    /// The client claims a position the channel has not reached.
    Ahead,
}

/// Why a subscriber does not get messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The log has dropped them.
    Retention,
    /// They are of another epoch: positions begin anew, and what was missed is unknown.
    Restart,
    /// It was too slow, and goes on behind them.
    Slow,
    /// It was too slow, and newer messages with their keys follow.
    Conflated,
}

/// Messages that a subscriber will not get.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
    /// Why.
    pub reason: GapReason,
    /// The epoch of the log.
    pub epoch: Epoch,
}

impl Gap {
    /// How many they are.
    pub fn missed(&self) -> u64 {
        (self.to.0 + 1).saturating_sub(self.from.0)
    }
}

#[derive(Default, Serialize)]
struct Single<'a> {
    status: &'static str,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Standing {
    /// What comes after this position is live.
    pub seq: Seq,
    /// The epoch of the log.
    pub epoch: Epoch,
    /// The oldest position that the log has; the one to come if it has none.
    pub oldest: Seq,
    /// For a subscription with `since`, whether what was missed follows.
    #[serde(flatten, serialize_with = "recovery")]
    pub recovery: Option<Recovery>,
}

/// What a client gets of the messages that it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// All of them.
    Whole,
    /// Those that there still are.
    Partial(NotRecovered),
    /// None.
    None(NotRecovered),
}

fn recovery<S: Serializer>(recovery: &Option<Recovery>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Members {
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        partial: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<NotRecovered>,
    }
    let (partial, reason) = match *recovery {
        Some(Recovery::Partial(reason)) => (Some(true), Some(reason)),
        Some(Recovery::None(reason)) => (None, Some(reason)),
        Some(Recovery::Whole) | None => (None, None),
    };
    let recovered = recovery.map(|recovery| recovery == Recovery::Whole);
    Members { recovered, partial, reason }.serialize(serializer)
}

#[derive(Serialize)]
struct List<'a> {
    status: &'static str,
    #[serde(serialize_with = "names")]
    channels: &'a [ChannelName],
    #[serde(serialize_with = "failures")]
    failed: &'a [(String, ErrorCode)],
    /// Where the channels' subscriptions begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    positions: Option<StandingOf<'a>>,
}

/// By name.
#[derive(Clone, Copy)]
struct StandingOf<'a>(&'a [ChannelName], &'a [Standing]);

impl Serialize for StandingOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(ChannelName::as_str).zip(self.1))
    }
}

#[derive(Serialize)]
struct GapData {
    from_seq: Seq,
    to_seq: Seq,
    missed: u64,
    reason: GapReason,
    epoch: Epoch,
}

fn names<S: Serializer>(names: &[ChannelName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(ChannelName::as_str))
}

fn failures<S: Serializer>(
    failed: &[(String, ErrorCode)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(failed.iter().map(|(name, code)| (name, code)))
}

/// `session.reconnect`: the connection is closed after this time.
pub fn reconnect(after: Duration, reason: DrainReason) -> Outbound<'static, impl Serialize> {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    Outbound::event("session.reconnect", None, ReconnectData { after_ms, reason })
}

/// `session.created`.
pub fn welcome<'a>(welcome: &'a Welcome<'a>) -> Outbound<'a, &'a Welcome<'a>> {
    Outbound::event("session.created", None, welcome)
}

/// The reply to a good token, which expires after so many seconds.
pub fn authenticated(user_id: &str, expires_in: Option<u64>) -> Outbound<'_, impl Serialize> {
    #[derive(Serialize)]
    struct Authenticated<'a> {
        status: &'static str,
        user_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in: Option<u64>,
    }
    Outbound::response("auth", Authenticated { status: "authenticated", user_id, expires_in })
}

/// The confirmation of one subscription, before the messages that follow. `state`: the channel's,
/// or that it has none, where that is to be said.
pub fn subscribed<'a>(
    channel: &'a ChannelName,
    standing: Standing,
    state: Option<Option<&'a StateDocument>>,
) -> Outbound<'a, impl Serialize + use<'a>> {
    #[derive(Serialize)]
    struct AsOf {
        epoch: Epoch,
        seq: Seq,
    }
    #[derive(Serialize)]
    struct Subscribed<'a> {
        status: &'static str,
        channel: &'a str,
        #[serde(flatten)]
        standing: Standing,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<Option<&'a RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        as_of: Option<AsOf>,
    }
    let as_of = state.flatten().map(|state| AsOf { epoch: state.epoch, seq: state.seq });
    let state = state.map(|state| state.map(|state| state.state.raw()));
    let (status, channel) = ("subscribed", channel.as_str());
    Outbound::response("subscribe", Subscribed { status, channel, standing, state, as_of })
}

/// The confirmation that one subscription has ended.
pub fn unsubscribed(channel: &ChannelName) -> Outbound<'_, impl Serialize> {
    let channel = channel.as_str();
    Outbound::response(
        "unsubscribe",
        Single { status: "unsubscribed", channel, ..Single::default() },
    )
}

/// The confirmation that a client has all channels with names that begin with `prefix`: so many of
/// them now, with logs in this epoch. Without these, that it does not have them any more.
pub fn pattern(prefix: &str, has: Option<(usize, Epoch)>) -> Outbound<'_, impl Serialize> {
    #[derive(Serialize)]
    struct Pattern {
        status: &'static str,
        pattern: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        channels: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<Epoch>,
    }
    let (status, event) = match has {
        Some(_) => ("subscribed", "subscribe"),
        None => ("unsubscribed", "unsubscribe"),
    };
    let (channels, epoch) = has.unzip();
    Outbound::response(event, Pattern { status, pattern: format!("{prefix}*"), channels, epoch })
}

/// There was no room for a channel of a pattern.
pub fn left_out<'a>(prefix: &str, channel: &'a ChannelName) -> Outbound<'a, impl Serialize> {
    #[derive(Serialize)]
    struct LeftOut<'a> {
        pattern: String,
        channel: &'a str,
    }
    let message = "No room for a channel of the pattern: you do not get what is published there";
    let data = LeftOut { pattern: format!("{prefix}*"), channel: channel.as_str() };
    Outbound::error(ErrorCode::LimitExceeded, message, data)
}

/// The confirmation of a request with a list of channels: those for which it worked, and the
/// others, each with the reason. `standing`: where each begins that was subscribed to; without,
/// they were left.
pub fn listed<'a>(
    channels: &'a [ChannelName],
    failed: &'a [(String, ErrorCode)],
    standing: Option<&'a [Standing]>,
) -> Outbound<'a, impl Serialize> {
    let (status, event) = match standing {
        Some(_) => ("subscribed", "subscribe"),
        None => ("unsubscribed", "unsubscribe"),
    };
    let positions = standing.map(|standing| StandingOf(channels, standing));
    Outbound::response(event, List { status, channels, failed, positions })
}

/// The reply to a publish. `is_repeat`: an earlier request with the same id has published it.
pub fn published(
    channel: &ChannelName,
    (epoch, seq): (Epoch, Seq),
    is_repeat: bool,
) -> Outbound<'_, impl Serialize> {
    let data = Single {
        status: "published",
        channel: channel.as_str(),
        seq: Some(seq),
        epoch: Some(epoch),
        duplicate: is_repeat.then_some(true),
    };
    Outbound::response("publish", data)
}

/// The members of a channel, for a client that has asked.
pub fn presence<'a>(
    channel: &'a ChannelName,
    list: &'a PresenceList,
) -> Outbound<'a, impl Serialize> {
    #[derive(Serialize)]
    struct Presence<'a> {
        channel: &'a str,
        #[serde(flatten)]
        list: &'a PresenceList,
    }
    Outbound::response("presence", Presence { channel: channel.as_str(), list })
}

/// `presence.list`: the same for a client that has subscribed with presence.
pub fn presence_event<'a>(
    channel: &'a ChannelName,
    list: &'a PresenceList,
) -> Outbound<'a, impl Serialize> {
    Outbound::event("presence.list", Some(channel), list)
}

/// The refusal of a publish that may be repeated after so many seconds.
pub fn busy(retry_after: f64) -> Outbound<'static, impl Serialize> {
    #[derive(Serialize)]
    struct Busy {
        retry_after: f64,
    }
    Outbound::error(ErrorCode::Busy, "No room for the message now", Busy { retry_after })
}

/// A refusal without `data`.
pub fn refusal(code: ErrorCode, message: &str) -> Outbound<'_, Empty> {
    Outbound::error(code, message, Empty {})
}

/// The event that messages are missing here.
pub fn gap<'a>(channel: &'a ChannelName, gap: &Gap) -> Outbound<'a, impl Serialize + use<'a>> {
    let data = GapData {
        from_seq: gap.from,
        to_seq: gap.to,
        missed: gap.missed(),
        reason: gap.reason,
        epoch: gap.epoch,
    };
    Outbound::event("gap", Some(channel), data)
}

#[cfg(test)]
mod tests;

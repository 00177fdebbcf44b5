//! The `data` documents of the server's messages: docs/PROTOCOL.md sections 2, 3 and 5.

use serde::{Serialize, Serializer};

use super::encoder::{Empty, Encoder, Stamp};
pub use crate::types::ErrorCode;
use crate::types::{ChannelName, Epoch, Seq};

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
    /// Further keys of the service's own.
    #[serde(flatten)]
    pub extra: &'a serde_json::Map<String, serde_json::Value>,
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

/// Confirms a subscription to one channel.
#[derive(Clone, Copy, Debug)]
pub struct Subscribed<'a> {
    /// Which.
    pub channel: &'a ChannelName,
    /// The channel's position: what follows is later.
    pub seq: Seq,
    /// The life of its log.
    pub epoch: Epoch,
    /// For a subscription with `since`: whether the missed messages follow.
    pub recovery: Option<Result<(), NotRecovered>>,
}

/// The result of a request with a list of channels.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Whether they were to be subscribed, or unsubscribed.
    pub subscribed: bool,
    /// Those for which it worked.
    pub channels: &'a [ChannelName],
    /// The others, each with the reason.
    pub failed: &'a [(String, ErrorCode)],
}

/// Why the missed messages cannot be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotRecovered {
    /// The log was lost: it is in another epoch.
    Restart,
    /// The log does not reach back that far.
    Retention,
    /// The client claims a position the channel has not reached.
    Ahead,
}

/// Why a subscriber missed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// It did not read its bytes in time.
    SlowConsumer,
    /// The log dropped them.
    Retention,
    /// The log was lost.
    Restart,
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

#[derive(Default, Serialize)]
struct Single<'a> {
    status: &'static str,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<NotRecovered>,
}

#[derive(Serialize)]
struct List<'a> {
    status: &'static str,
    #[serde(serialize_with = "names")]
    channels: &'a [ChannelName],
    #[serde(serialize_with = "failures")]
    failed: &'a [(String, ErrorCode)],
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

impl Encoder {
    /// Appends `session.created`.
    pub fn welcome(&mut self, stamp: Stamp, welcome: &Welcome<'_>, out: &mut Vec<u8>) {
        self.event(stamp, "session.created", None, welcome, out);
    }

    /// Appends the reply to a good token.
    pub fn authenticated(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        user_id: &str,
        out: &mut Vec<u8>,
    ) {
        #[derive(Serialize)]
        struct Authenticated<'a> {
            status: &'static str,
            user_id: &'a str,
        }
        let data = Authenticated { status: "authenticated", user_id };
        self.response(stamp, correlation, "auth", &data, out);
    }

    /// Appends the confirmation of one subscription.
    pub fn subscribed(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        subscribed: &Subscribed<'_>,
        out: &mut Vec<u8>,
    ) {
        let data = Single {
            status: "subscribed",
            channel: subscribed.channel.as_str(),
            seq: Some(subscribed.seq),
            epoch: Some(subscribed.epoch),
            recovered: subscribed.recovery.map(|recovery| recovery.is_ok()),
            reason: subscribed.recovery.and_then(Result::err),
        };
        self.response(stamp, correlation, "subscribe", &data, out);
    }

    /// Appends the confirmation that one subscription has ended.
    pub fn unsubscribed(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        channel: &ChannelName,
        out: &mut Vec<u8>,
    ) {
        let channel = channel.as_str();
        let data = Single { status: "unsubscribed", channel, ..Single::default() };
        self.response(stamp, correlation, "unsubscribe", &data, out);
    }

    /// Appends the confirmation of a request with a list of channels.
    pub fn listed(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        listed: &Listed<'_>,
        out: &mut Vec<u8>,
    ) {
        let Listed { subscribed, channels, failed } = *listed;
        let (status, event) = match subscribed {
            true => ("subscribed", "subscribe"),
            false => ("unsubscribed", "unsubscribe"),
        };
        self.response(stamp, correlation, event, &List { status, channels, failed }, out);
    }

    /// Appends the reply to a publish.
    pub fn published(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        channel: &ChannelName,
        seq: Seq,
        out: &mut Vec<u8>,
    ) {
        let (channel, seq) = (channel.as_str(), Some(seq));
        let data = Single { status: "published", channel, seq, ..Single::default() };
        self.response(stamp, correlation, "publish", &data, out);
    }

    /// Appends the refusal of a publish that may be repeated after so many seconds.
    pub fn busy(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        retry_after: f64,
        out: &mut Vec<u8>,
    ) {
        #[derive(Serialize)]
        struct Busy {
            retry_after: f64,
        }
        let message = "No room for the message now";
        self.error(stamp, correlation, ErrorCode::Busy, message, &Busy { retry_after }, out);
    }

    /// Appends a refusal without `data`.
    pub fn refusal(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        code: ErrorCode,
        message: &str,
        out: &mut Vec<u8>,
    ) {
        self.error(stamp, correlation, code, message, &Empty {}, out);
    }

    /// Appends the event that messages are missing here.
    pub fn gap(&mut self, stamp: Stamp, channel: &ChannelName, gap: &Gap, out: &mut Vec<u8>) {
        let data = GapData {
            from_seq: gap.from,
            to_seq: gap.to,
            missed: (gap.to.0 + 1).saturating_sub(gap.from.0),
            reason: gap.reason,
            epoch: gap.epoch,
        };
        self.event(stamp, "gap", Some(channel), &data, out);
    }
}

#[cfg(test)]
mod tests;

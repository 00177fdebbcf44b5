//! What clients are answered: docs/PROTOCOL.md sections 2 to 4. Only clients of the envelope get
//! these; those of another protocol have their own.

use std::time::Duration;

use super::order::{Order, WantedState};
use crate::broker::core::{Core, Joined};
use crate::broker::presence::Ask;
use crate::broker::shard_messages::Accepted;
use crate::config::Unavailable;
use crate::limits::BUSY_PAUSE;
use crate::telemetry::MessageError;
use crate::types::{
    ChannelName, ChannelRefusal, ConnectionKey, DrainReason, ErrorCode, MessageType, PresenceList,
    PublishError, Seq,
};
use crate::wire::availability;
use crate::wire::frame::{self, Opcode};
use crate::wire::reply::{self, Gap, GapReason, ReconnectAdvice, Recovery, Standing, Welcome};

fn speaks_envelope(core: &Core, key: ConnectionKey) -> bool {
    core.settings(key).protocol.is_envelope()
}

/// The first message of a connection.
pub(super) fn welcome(core: &mut Core, key: ConnectionKey, authenticated: bool) {
    let frame = welcome_frame(core, key, authenticated);
    core.connections.answer(&mut core.cx, key, MessageType::Event, frame);
    if let Some(why) = core.cx.degraded {
        tell_availability(core, key, Some(why));
    }
}

/// The same as a frame.
pub(super) fn welcome_frame(core: &mut Core, key: ConnectionKey, authenticated: bool) -> Vec<u8> {
    let config = core.cx.config.clone();
    let connection = &core.connections[key];
    let service = &config[connection.service()];
    let id = core.connections.id(core.cx.shard, key).to_string();
    let shown = core.connections.certificate(key.index);
    let certificate = shown.map(|shown| shown.name.clone());
    let welcome = Welcome {
        connection_id: &id,
        server: &service.name,
        message: &service.welcome,
        authenticated,
        secure: connection.tls_mode().is_secure(),
        client_certificate: certificate.as_deref(),
        reconnect: ReconnectAdvice {
            base_ms: whole_ms(service.reconnect.base),
            max_ms: whole_ms(service.reconnect.max),
        },
        extra: &service.welcome_extra,
    };
    core.cx.encode(|encoder, stamp, out| {
        encoder.write(stamp, None, &reply::welcome(&welcome), out);
    })
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Tells a client that its connection is closed after this time.
pub(super) fn reconnect(core: &mut Core, key: ConnectionKey, after: Duration, why: DrainReason) {
    if speaks_envelope(core, key) {
        core.answer(key, MessageType::Event, |encoder, stamp, out| {
            encoder.write(stamp, None, &reply::reconnect(after, why), out);
        });
    }
}

/// Tells a client that nothing can be published for a while, and why; or that it can be again.
pub(super) fn tell_availability(core: &mut Core, key: ConnectionKey, degraded: Option<&str>) {
    if !speaks_envelope(core, key) {
        return;
    }
    core.answer(key, MessageType::Event, |encoder, stamp, out| match degraded {
        Some(why) => encoder.write(stamp, None, &availability::degraded(why), out),
        None => encoder.write(stamp, None, &availability::restored(), out),
    });
}

/// A client's subscription goes on at the beginning of another epoch.
pub(in crate::broker) fn new_epoch(core: &mut Core, key: ConnectionKey, channel: &ChannelName) {
    if !speaks_envelope(core, key) {
        return;
    }
    let (from, to, reason, epoch) = (Seq(1), Seq(0), GapReason::Restart, core.cx.epoch);
    let gap = Gap { from, to, reason, epoch };
    core.answer(key, MessageType::Event, |encoder, stamp, out| {
        encoder.write(stamp, None, &reply::gap(channel, &gap), out);
    });
}

/// Confirms a token that is good for so long.
pub(super) fn authenticated(
    core: &mut Core,
    key: ConnectionKey,
    correlation: Option<&str>,
    user: &str,
    left: Option<Duration>,
) {
    let left = left.map(|left| left.as_secs());
    if speaks_envelope(core, key) {
        core.answer(key, MessageType::Response, |encoder, stamp, out| {
            encoder.write(stamp, correlation, &reply::authenticated(user, left), out);
        });
    }
}

/// Answers with an error; the connection stays open.
pub(super) fn refuse(
    core: &mut Core,
    key: ConnectionKey,
    correlation: Option<&str>,
    code: ErrorCode,
    text: &str,
) {
    if let Some(error) = MessageError::of(code) {
        core.cx.recorder.message_error(core.connections[key].service(), error);
    }
    if speaks_envelope(core, key) {
        core.answer(key, MessageType::Error, |encoder, stamp, out| {
            encoder.write(stamp, correlation, &reply::refusal(code, text), out);
        });
    }
}

pub(super) fn refuse_subscribe(
    core: &mut Core,
    key: ConnectionKey,
    correlation: Option<&str>,
    channel: &str,
) {
    let text = format!("Not authorized to subscribe to {channel}");
    refuse(core, key, correlation, ErrorCode::Forbidden, &text);
}

/// The class of a channel keeps no presence.
pub(super) fn no_presence(
    core: &mut Core,
    key: ConnectionKey,
    correlation: Option<&str>,
    channel: &str,
) {
    let text = format!("No presence is kept of {channel} (presence, of its class)");
    refuse(core, key, correlation, ErrorCode::InvalidRequest, &text);
}

/// Sends a client the members: it has asked for them, or subscribed so.
pub(in crate::broker) fn presence(core: &mut Core, ask: &Ask, list: &PresenceList) {
    if !speaks_envelope(core, ask.key) {
        return;
    }
    let Ask { key, channel, request } = ask;
    match request {
        Some(correlation) => core.answer(*key, MessageType::Response, |encoder, stamp, out| {
            let reply = reply::presence(channel, list);
            encoder.write(stamp, correlation.as_deref(), &reply, out);
        }),
        None => core.answer(*key, MessageType::Event, |encoder, stamp, out| {
            encoder.write(stamp, None, &reply::presence_event(channel, list), out);
        }),
    }
}

/// The members are not available to a client now.
pub(in crate::broker) fn presence_unavailable(core: &mut Core, ask: &Ask, why: Unavailable) {
    if !speaks_envelope(core, ask.key) {
        return;
    }
    let correlation = ask.request.as_ref().and_then(|correlation| correlation.as_deref());
    let text = format!("Who is present in {} is not known now: {why}", ask.channel.as_str());
    refuse(core, ask.key, correlation, ErrorCode::Unavailable, &text);
}

/// The answer to a publication.
pub(super) fn publish_result(
    core: &mut Core,
    key: ConnectionKey,
    correlation: Option<&str>,
    channel: &ChannelName,
    result: Result<Accepted, PublishError>,
) {
    match result {
        Ok(Accepted { seq, is_repeat }) => {
            let reply = reply::published(channel, (core.cx.epoch, seq), is_repeat);
            core.answer(key, MessageType::Response, |encoder, stamp, out| {
                encoder.write(stamp, correlation, &reply, out);
            });
        }
        // A client's message is never so large: `max_message` bounds it.
        Err(PublishError::Saturated | PublishError::Closed | PublishError::TooLarge) => {
            busy(core, key, correlation);
        }
        Err(why @ PublishError::Unavailable) => {
            refuse(core, key, correlation, ErrorCode::Unavailable, &why.to_string());
        }
        Err(why @ PublishError::Unknown) => {
            refuse(core, key, correlation, ErrorCode::UnknownOutcome, &why.to_string());
        }
        Err(PublishError::ChannelLimit) => {
            let text = ChannelRefusal::Table.text();
            refuse(core, key, correlation, ErrorCode::LimitExceeded, text);
        }
    }
}

/// No room for a request: says so, and does not receive from the client for a while.
pub(super) fn busy(core: &mut Core, key: ConnectionKey, correlation: Option<&str>) {
    let service = core.connections[key].service();
    core.cx.recorder.message_error(service, MessageError::Busy);
    core.answer(key, MessageType::Error, |encoder, stamp, out| {
        encoder.write(stamp, correlation, &reply::busy(BUSY_PAUSE.as_secs_f64()), out);
    });
    core.pause_for(key, BUSY_PAUSE);
}

pub(super) fn subscribed(core: &mut Core, key: ConnectionKey, order: &Order, joined: &[Joined]) {
    if !speaks_envelope(core, key) {
        return;
    }
    if order.list {
        let standing: Vec<_> = joined.iter().map(|joined| joined.standing).collect();
        return listed(core, key, order, Some(&standing));
    }
    let correlation = order.correlation.as_deref();
    let (Some(channel), Some(joined)) = (order.names.first(), joined.first()) else {
        return match order.failed.first() {
            Some((name, ErrorCode::Forbidden)) => refuse_subscribe(core, key, correlation, name),
            Some((name, ErrorCode::InvalidRequest)) => no_presence(core, key, correlation, name),
            _ => {
                let text = at_limit(core, key, order);
                let code = order.refusal.map_or(ErrorCode::LimitExceeded, ChannelRefusal::code);
                refuse(core, key, correlation, code, &text);
            }
        };
    };
    let is_whole = joined.standing.recovery == Some(Recovery::Whole);
    let state = match &order.state {
        WantedState::Absent => Some(None),
        WantedState::Found(state) if is_whole => Some(Some(&**state)),
        _ => None,
    };
    let confirmation = reply::subscribed(channel, joined.standing, state);
    core.answer(key, MessageType::Response, |encoder, stamp, out| {
        encoder.write(stamp, correlation, &confirmation, out);
    });
}

/// Which limit a subscription has reached: of subscriptions, or of channels.
pub(super) fn at_limit(core: &Core, key: ConnectionKey, order: &Order) -> String {
    let most = core.settings(key).access.max_subscriptions;
    let own = || format!("A connection may have {most} subscriptions (max_subscriptions)");
    order.refusal.map_or_else(own, |refusal| refusal.text().into())
}

pub(super) fn unsubscribed(core: &mut Core, key: ConnectionKey, order: &Order) {
    if !speaks_envelope(core, key) {
        return;
    }
    if order.list {
        return listed(core, key, order, None);
    }
    core.answer(key, MessageType::Response, |encoder, stamp, out| {
        for channel in &order.names {
            let confirmation = reply::unsubscribed(channel);
            encoder.write(stamp, order.correlation.as_deref(), &confirmation, out);
        }
    });
}

/// The answer to a request for a pattern.
pub(super) fn pattern(core: &mut Core, key: ConnectionKey, order: &Order, channels: Option<usize>) {
    let Some(pattern) = order.pattern.as_ref().filter(|_| speaks_envelope(core, key)) else {
        return;
    };
    let epoch = core.cx.epoch;
    core.answer(key, MessageType::Response, |encoder, stamp, out| {
        let confirmation = reply::pattern(&pattern.prefix, channels.map(|n| (n, epoch)));
        encoder.write(stamp, order.correlation.as_deref(), &confirmation, out);
    });
}

fn listed(core: &mut Core, key: ConnectionKey, order: &Order, standing: Option<&[Standing]>) {
    let service = core.connections[key].service();
    for error in order.failed.iter().filter_map(|(_, code)| MessageError::of(*code)) {
        core.cx.recorder.message_error(service, error);
    }
    let listed = reply::listed(&order.names, &order.failed, standing);
    core.answer(key, MessageType::Response, |encoder, stamp, out| {
        encoder.write(stamp, order.correlation.as_deref(), &listed, out);
    });
}

/// A text as an unmasked frame.
pub(super) fn text_frame(text: &str) -> Vec<u8> {
    frame::encoded(Opcode::Text, text.as_bytes())
}

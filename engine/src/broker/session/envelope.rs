//! Requests of clients that speak the envelope.

use std::time::Duration;

use super::answers::{self, refuse};
use super::order::{Action, Order, WantedState};
use super::{Sessions, require_token};
use crate::broker::connection::CloseReason;
use crate::broker::core::Core;
use crate::broker::pattern_set::PatternKey;
use crate::types::{ChannelName, ConnectionKey, ErrorCode, MessageType};
use crate::wire::Message;
use crate::wire::encoder::{Empty, Outbound};
use crate::wire::envelope::Inbound;
use crate::wire::request::Request;

impl Sessions {
    /// Whether a message may be handled while publications of its client are under way: other
    /// publications may; their answers wait for those before.
    pub(super) fn may_overlap(
        &self,
        core: &Core,
        key: ConnectionKey,
        message: Message<'_>,
    ) -> bool {
        let Ok(inbound) = Inbound::parse_message(message) else { return false };
        let parsed = Request::parse(&inbound, core.settings(key).max_json_depth);
        let Ok(Request::Publish { publication, .. }) = parsed else { return false };
        self.auth.may_publish(core, key, publication.channel.as_str())
    }

    /// Handles a message. Returns `false` if it has to wait: a refusal, too, comes behind the
    /// answers to publications that are under way.
    pub(super) fn handle_envelope(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: Message<'_>,
    ) -> bool {
        let parsed = Inbound::parse_message(message);
        let allowance = core.connections.take_message(&core.cx, key);
        if allowance.is_err() && self.outstanding.is_publishing(key) {
            return false;
        }
        let kind = parsed.as_ref().map_or(MessageType::Invalid, |inbound| inbound.kind);
        self.handled.push((core.connections[key].service(), kind));
        match (allowance, parsed) {
            (Err(wait_ms), parsed) => too_fast(core, key, wait_ms, parsed.ok()),
            (Ok(()), Ok(inbound)) => self.handle_inbound(core, key, &inbound),
            (Ok(()), Err(fault)) => {
                refuse(core, key, None, ErrorCode::DecodeError, &fault.to_string());
            }
        }
        true
    }

    fn handle_inbound(&mut self, core: &mut Core, key: ConnectionKey, inbound: &Inbound<'_>) {
        let correlation = inbound.correlation(core.settings(key).correlation);
        if self.outstanding.status_request(core, &self.auth, key, correlation, inbound) {
            return;
        }
        let request = match Request::parse(inbound, core.settings(key).max_json_depth) {
            Ok(request) => request,
            Err(fault) => return refuse(core, key, correlation, fault.code(), &fault.to_string()),
        };
        match request {
            Request::Subscribe {
                channels,
                since,
                all_or_nothing,
                last,
                latest,
                presence,
                state,
            } => {
                let order = Order::new(correlation, channels, Action::Subscribe);
                let state = if state { WantedState::Wanted } else { WantedState::None };
                let order = Order { since, all_or_nothing, last, latest, presence, state, ..order };
                self.order(core, key, order);
            }
            Request::Presence { channel } => self.presence(core, key, correlation, channel),
            Request::Unsubscribe { channels } => {
                self.order(core, key, Order::new(correlation, channels, Action::Unsubscribe));
            }
            Request::SubscribePattern { prefix } => {
                self.order_pattern(core, key, correlation, &prefix, Action::Watch);
            }
            Request::UnsubscribePattern { prefix } => {
                self.order_pattern(core, key, correlation, &prefix, Action::Unwatch);
            }
            Request::Publish { publication, id } => {
                let publication = (publication, id);
                self.outstanding.publish(core, &self.auth, key, correlation, publication);
            }
            Request::History(request) => {
                self.history.begin(core, &self.auth, key, correlation, &request);
            }
            Request::Ping => core.answer(key, MessageType::Pong, |encoder, stamp, out| {
                let pong = Outbound::new(MessageType::Pong, Empty {});
                encoder.write(stamp, correlation, &pong, out);
            }),
            Request::Auth { token } => self.auth.show(core, key, correlation, token),
            Request::Ignored => {}
        }
    }

    /// A client asks for a channel's members, as it may if it may subscribe.
    fn presence(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        channel: ChannelName,
    ) {
        let channel = channel.at(core.connections[key].service());
        if !self.auth.may_subscribe(core, key, channel.as_str()) {
            return answers::refuse_subscribe(core, key, correlation, channel.as_str());
        }
        if !core.cx.class_of(&channel).presence {
            return answers::no_presence(core, key, correlation, channel.as_str());
        }
        core.ask_presence(key, channel, Some(correlation.map(Into::into)));
    }

    fn order_pattern(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        prefix: &str,
        action: Action,
    ) {
        let service = core.connections[key].service();
        let pattern = PatternKey { service, prefix: prefix.into() };
        self.order(core, key, Order::of_pattern(correlation, pattern, action));
    }

    /// The first message of a client that must show a token.
    pub(super) fn first_envelope(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: Message<'_>,
    ) {
        let parsed = Inbound::parse_message(message);
        let kind = parsed.as_ref().map_or(MessageType::Invalid, |inbound| inbound.kind);
        self.handled.push((core.connections[key].service(), kind));
        let Ok(inbound) = parsed else { return core.cx.close(key, CloseReason::AuthError) };
        let correlation = inbound.correlation(core.settings(key).correlation);
        match Request::parse(&inbound, core.settings(key).max_json_depth) {
            Ok(Request::Auth { token }) => self.auth.show(core, key, correlation, token),
            _ => require_token(core, key, correlation, CloseReason::AuthRequired),
        }
    }
}

/// Over the rate: what was a message is dropped, and the client not received from until it may send
/// again.
pub(in crate::broker) fn too_fast(
    core: &mut Core,
    key: ConnectionKey,
    wait_ms: u32,
    inbound: Option<Inbound<'_>>,
) {
    let seconds = f64::from(wait_ms) / 1_000.0;
    let text = format!("Message rate limit exceeded. Retry after {seconds:.3} seconds.");
    let rule = core.settings(key).correlation;
    let correlation = inbound.as_ref().and_then(|inbound| inbound.correlation(rule));
    refuse(core, key, correlation, ErrorCode::RateLimitExceeded, &text);
    core.pause_for(key, Duration::from_millis(wait_ms.into()));
}

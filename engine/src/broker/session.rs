//! What a client may say and what it is answered: docs/PROTOCOL.md sections 2 to 4.
//!
//! | file | type |
//! |---|---|
//! | `auth`, `permissions` | who a client is, and what it may |
//! | `operations` | subscribe and unsubscribe, which may wait for another shard |
//! | `outstanding` | publications and status requests that another shard answers |
//! | `filters` | clients of a protocol of the embedder that want a part of each update |
//! | `answers` | the messages clients are sent |

mod answers;
mod auth;
mod filters;
mod operations;
mod outstanding;
mod permissions;

use std::sync::Arc;
use std::time::Duration;

use super::channel::StatusSource;
use super::connection::CloseReason;
use super::core::Core;
use crate::config::{AuthMode, ClientRequest, Config, Protocol, SessionProtocol};
use crate::limits::{MAX_CHANNELS_PER_REQUEST, MAX_WAITING_OPERATIONS};
use crate::telemetry::MessageError;
use crate::types::{
    ChannelIndex, ChannelName, ConnectionKey, Epoch, ErrorCode, MessageType, OperationId,
    PublishError, RequestId, Seq, ServiceId, Verdict,
};
use crate::wire::envelope::Inbound;
use crate::wire::frame::{self, Opcode};
use crate::wire::request::Request;
use crate::wire::{Message, OwnedMessage, Secret};
use answers::{refuse, text_frame};
use auth::{Access, Authentication};
use filters::Filters;
use operations::{Action, Operations, Order};
use outstanding::Outstanding;

/// The protocol state of a shard's clients. Knows no sockets.
#[derive(Debug)]
pub(super) struct Sessions {
    auth: Authentication,
    operations: Operations,
    outstanding: Outstanding,
    filters: Filters,
    /// Kinds of the messages handled in this iteration, until the shell times them.
    handled: Vec<(ServiceId, MessageType)>,
}

/// The channel of a service that speaks a protocol of the embedder.
fn channel_of(protocol: &dyn SessionProtocol, service: ServiceId) -> ChannelName {
    let name = ChannelName::parse(protocol.channel());
    name.expect("a session protocol names a channel").at(service)
}

impl Sessions {
    pub(super) fn new(config: &Config, connections: usize) -> Sessions {
        Sessions {
            auth: Authentication::new(config, connections),
            operations: Operations::new(connections),
            outstanding: Outstanding::default(),
            filters: Filters::default(),
            handled: Vec::new(),
        }
    }

    pub(super) fn auth(&self) -> &Authentication {
        &self.auth
    }

    /// Messages handled since they were last timed.
    pub(super) fn handled(&self) -> usize {
        self.handled.len()
    }

    pub(super) fn take_handled(&mut self) -> impl Iterator<Item = (ServiceId, MessageType)> + '_ {
        self.handled.drain(..)
    }

    /// Starts the session of an upgraded connection: welcome, silence or verification.
    pub(super) fn begin(&mut self, core: &mut Core, key: ConnectionKey, token: Option<Secret>) {
        if core.connections[key].is_probe() {
            self.welcome(core, key, false);
            // The one subscription that no client can ask for.
            let subscribe = Action::Subscribe { since: None };
            self.order(core, key, Order::unasked(vec![ChannelName::probe()], subscribe));
        } else if self.auth.begin(core, key, token) {
            self.welcome(core, key, false);
        }
    }

    fn welcome(&mut self, core: &mut Core, key: ConnectionKey, authenticated: bool) {
        match core.settings(key).protocol.clone() {
            Protocol::Envelope => answers::welcome(core, key, authenticated),
            Protocol::Custom(custom) => {
                let timestamp = core.cx.timestamp();
                let message = &core.settings(key).welcome;
                let greeting = custom.greeting(message, authenticated, &timestamp);
                answer_text(core, key, MessageType::Event, &greeting);
                self.subscribe_to(core, key, &*custom, true);
            }
            Protocol::Echo => {}
        }
    }

    /// A whole data message of an open connection.
    pub(super) fn handle_message(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: Message<'_>,
    ) {
        if core.connections[key].is_probe() {
            // It listens. A stolen key is of no other use.
            return;
        }
        let protocol = core.settings(key).protocol.clone();
        if matches!(protocol, Protocol::Echo) {
            return echo(core, key, message);
        }
        let access = self.auth.admit(core, key, message);
        match (access, protocol) {
            (Access::Deferred, _) | (_, Protocol::Echo) => {}
            (Access::Granted, Protocol::Envelope) => self.handle_envelope(core, key, message),
            (Access::TokenMissing, Protocol::Envelope) => self.first_envelope(core, key, message),
            (Access::Granted, Protocol::Custom(custom)) => {
                self.handle_custom(core, key, message, &custom);
            }
            (Access::TokenMissing, Protocol::Custom(custom)) => {
                self.first_custom(core, key, message, &*custom);
            }
        }
    }

    fn handle_envelope(&mut self, core: &mut Core, key: ConnectionKey, message: Message<'_>) {
        let parsed = Inbound::parse_message(message);
        let kind = parsed.as_ref().map_or(MessageType::Invalid, |inbound| inbound.kind);
        self.handled.push((core.connections[key].service(), kind));
        if let Err(wait_ms) = core.connections.take_message(&core.cx, key) {
            return too_fast(core, key, wait_ms, parsed.ok());
        }
        match parsed {
            Ok(inbound) => self.handle_inbound(core, key, &inbound),
            Err(fault) => refuse(core, key, None, ErrorCode::DecodeError, &fault.to_string()),
        }
    }

    fn handle_inbound(&mut self, core: &mut Core, key: ConnectionKey, inbound: &Inbound<'_>) {
        let correlation = inbound.correlation(core.settings(key).correlation);
        if self.outstanding.status_request(core, &self.auth, key, correlation, inbound) {
            return;
        }
        let request = match Request::parse(inbound) {
            Ok(request) => request,
            Err(fault) => return refuse(core, key, correlation, fault.code(), &fault.to_string()),
        };
        match request {
            Request::Subscribe { channels, since } => {
                // A text that no epoch of ours has is an epoch of no log.
                let since = since.map(|s| (s.epoch.unwrap_or(Epoch(0)), s.seq));
                let action = Action::Subscribe { since };
                self.order(core, key, Order::new(correlation, channels, action));
            }
            Request::Unsubscribe { channels } => {
                self.order(core, key, Order::new(correlation, channels, Action::Unsubscribe));
            }
            Request::Publish(publication) => {
                self.outstanding.publish(core, &self.auth, key, correlation, publication);
            }
            Request::Ping => core.answer(key, MessageType::Pong, |encoder, stamp, out| {
                encoder.pong(stamp, correlation, out);
            }),
            Request::Auth { token } => self.show_token(core, key, correlation, token),
            Request::Ignored => {}
        }
    }

    /// The first message of a client that must show a token.
    fn first_envelope(&mut self, core: &mut Core, key: ConnectionKey, message: Message<'_>) {
        let parsed = Inbound::parse_message(message);
        let kind = parsed.as_ref().map_or(MessageType::Invalid, |inbound| inbound.kind);
        self.handled.push((core.connections[key].service(), kind));
        let Ok(inbound) = parsed else { return core.cx.close(key, CloseReason::AuthError) };
        let correlation = inbound.correlation(core.settings(key).correlation);
        match Request::parse(&inbound) {
            Ok(Request::Auth { token }) => self.show_token(core, key, correlation, token),
            _ => require_token(core, key, correlation, CloseReason::AuthRequired),
        }
    }

    /// The client has not sent its first frame in time.
    pub(super) fn first_frame_expired(&mut self, core: &mut Core, key: ConnectionKey) {
        require_token(core, key, None, CloseReason::AuthTimeout);
    }

    /// An `auth` request of an open connection.
    fn show_token(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        token: Option<Secret>,
    ) {
        if core.settings(key).access.mode == AuthMode::Off {
            let text = "Unknown request event: auth";
            return refuse(core, key, correlation, ErrorCode::UnknownRequest, text);
        }
        match token {
            Some(token) => {
                // Anonymous clients have their welcome, as known ones do.
                let welcome = self.auth.is_unknown(key);
                let request = Some(correlation.map(Into::into));
                self.auth.verify(core, key, token, request, welcome);
            }
            None => {
                let text = "Missing or malformed auth token";
                let reason = CloseReason::AuthMissing;
                self.auth.turn_away(core, key, correlation, reason, text);
            }
        }
    }

    /// The answer to [`Effect::Authenticate`](super::effect::Effect::Authenticate). Returns the
    /// messages that waited for it.
    pub(super) fn handle_authenticated(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        verdict: Verdict,
    ) -> Vec<OwnedMessage> {
        self.auth.answered();
        if !core.connections.is_open(key) {
            return Vec::new();
        }
        let Some(asked) = self.auth.take_asked(core, key) else { return Vec::new() };
        let recognised = verdict
            .map(|identity| self.auth.recognise(core, key, &identity).map(|()| identity.user));
        let correlation = asked.request.as_ref().and_then(Option::as_deref);
        match recognised {
            Ok(Ok(user)) => {
                if asked.request.is_some() {
                    answers::authenticated(core, key, correlation, &user);
                }
                if asked.welcome {
                    self.welcome(core, key, true);
                }
            }
            Ok(Err(text)) => {
                self.auth.turn_away(core, key, correlation, CloseReason::AuthFailed, text);
            }
            Err(error) => self.auth.reject(core, key, &asked, error),
        }
        asked.backlog
    }

    /// Closes the clients whose tokens have expired.
    pub(super) fn expire_tokens(&mut self, core: &mut Core) {
        self.auth.expire(core);
    }

    fn order(&mut self, core: &mut Core, key: ConnectionKey, mut order: Order) {
        let service = core.connections[key].service();
        order.names = order.names.into_iter().map(|name| name.at(service)).collect();
        let correlation = order.correlation.clone();
        if !self.operations.take(core, &self.auth, key, order) {
            let text = format!("More than {MAX_WAITING_OPERATIONS} requests waiting");
            let code = ErrorCode::LimitExceeded;
            refuse(core, key, correlation.as_deref(), code, &text);
        }
    }

    /// Ends a connection's subscription to this channel, or all, like the client's own requests and
    /// behind them. Returns how many.
    pub(super) fn unsubscribe(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        channel: Option<&ChannelName>,
    ) -> u64 {
        let held = core.channels.subscriptions_of(key.index).iter();
        let held = held.map(|subscription| core.channels.name(subscription.channel));
        let is_meant = |name: &&ChannelName| channel.is_none_or(|channel| channel == *name);
        let names: Vec<ChannelName> = held.filter(is_meant).cloned().collect();
        let mut ended = 0;
        for names in names.chunks(MAX_CHANNELS_PER_REQUEST) {
            let mut order = Order::unasked(names.to_vec(), Action::Unsubscribe);
            order.list = channel.is_none();
            if self.operations.take(core, &self.auth, key, order) {
                ended += names.len() as u64;
            }
        }
        ended
    }

    /// The operations that waited for a channel's home go on.
    pub(super) fn resume(
        &mut self,
        core: &mut Core,
        channel: ChannelIndex,
        waiting: Vec<OperationId>,
        joined: bool,
    ) {
        self.operations.resume(core, &self.auth, channel, waiting, joined);
    }

    /// Another shard has sequenced a client's publication, or refused it.
    pub(super) fn handle_published(
        &mut self,
        core: &mut Core,
        id: RequestId,
        result: Result<Seq, PublishError>,
    ) {
        self.outstanding.published(core, id, result);
    }

    /// Another shard has answered a status request.
    pub(super) fn handle_recalled(
        &mut self,
        core: &mut Core,
        id: RequestId,
        status: Option<&StatusSource>,
    ) {
        self.outstanding.recalled(core, id, status);
    }

    /// The connection is on its way out.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) {
        self.operations.forget(key);
        self.filters.forget(core, key);
        self.auth.forget(core, key);
    }

    // Protocols of the embedder.

    fn first_custom(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: Message<'_>,
        protocol: &dyn SessionProtocol,
    ) {
        let timestamp = core.cx.timestamp();
        let request = message.text().and_then(|text| protocol.request(text, &timestamp));
        let kind = request.as_ref().map_or(MessageType::Invalid, |_| MessageType::Request);
        self.handled.push((core.connections[key].service(), kind));
        match request {
            Some(ClientRequest::Token(token)) => {
                self.show_token(core, key, None, token.map(Secret::new));
            }
            Some(_) => core.cx.close(key, CloseReason::AuthRequired),
            None => core.cx.close(key, CloseReason::AuthError),
        }
    }

    fn handle_custom(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: Message<'_>,
        protocol: &Arc<dyn SessionProtocol>,
    ) {
        let service = core.connections[key].service();
        let timestamp = core.cx.timestamp();
        let request = message.text().and_then(|text| protocol.request(text, &timestamp));
        let kind = match &request {
            None => MessageType::Invalid,
            Some(ClientRequest::Subscribe { .. }) => MessageType::Subscribe,
            Some(ClientRequest::Unsubscribe) => MessageType::Unsubscribe,
            Some(ClientRequest::Ping { .. }) => MessageType::Ping,
            Some(ClientRequest::Token(_) | ClientRequest::Unknown) => MessageType::Request,
        };
        self.handled.push((service, kind));
        if let Err(wait_ms) = core.connections.take_message(&core.cx, key) {
            core.cx.recorder.message_error(service, MessageError::RateLimited);
            return pause(core, key, wait_ms);
        }
        match request {
            Some(ClientRequest::Ping { reply }) => {
                answer_text(core, key, MessageType::Pong, &reply);
            }
            Some(ClientRequest::Subscribe { filter, reply }) => {
                answer_text(core, key, MessageType::Response, &reply);
                self.filter(core, key, &**protocol, filter);
            }
            Some(ClientRequest::Unsubscribe) => self.filter(core, key, &**protocol, None),
            // Renews an identity; a client that must have none may well show one.
            Some(ClientRequest::Token(token)) => {
                self.show_token(core, key, None, token.map(Secret::new));
            }
            Some(ClientRequest::Unknown) => {
                core.cx.recorder.message_error(service, MessageError::UnknownRequest);
            }
            None => core.cx.recorder.message_error(service, MessageError::DecodeError),
        }
    }

    fn filter(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        protocol: &dyn SessionProtocol,
        filter: Option<String>,
    ) {
        self.filters.forget(core, key);
        let subscribe = filter.is_none();
        if let Some(filter) = filter {
            let name = channel_of(protocol, core.connections[key].service());
            if let Some(channel) = core.channels.find_or_add(&mut core.cx, &name) {
                self.filters.set(core, key, filter, channel);
            }
        }
        self.subscribe_to(core, key, protocol, subscribe);
    }

    /// Subscribes a client to its protocol's channel, or unsubscribes it.
    fn subscribe_to(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        protocol: &dyn SessionProtocol,
        subscribe: bool,
    ) {
        let service = core.connections[key].service();
        let names = vec![channel_of(protocol, service)];
        let action = match subscribe {
            true => Action::Subscribe { since: None },
            false => Action::Unsubscribe,
        };
        if !self.operations.take(core, &self.auth, key, Order::unasked(names, action)) {
            core.cx.recorder.message_error(service, MessageError::Busy);
        }
    }

    /// A second has passed: updates for the clients of the embedder's protocols.
    pub(super) fn send_updates(&mut self, core: &mut Core) {
        let config = core.cx.config.clone();
        for (place, service) in config.services.iter().enumerate() {
            let Protocol::Custom(protocol) = &service.protocol else { continue };
            let name = channel_of(&**protocol, ServiceId(place as u8));
            if let Some(channel) = core.channels.find(&name) {
                let timestamp = core.cx.timestamp();
                self.filters.send_parts(core, &**protocol, channel, &timestamp);
                core.channels.publish_update(&mut core.cx, channel, |published| {
                    text_frame(&protocol.update(published, &timestamp))
                });
            }
        }
    }
}

fn answer_text(core: &mut Core, key: ConnectionKey, kind: MessageType, text: &str) {
    core.connections.answer(&mut core.cx, key, kind, text_frame(text));
}

fn echo(core: &mut Core, key: ConnectionKey, message: Message<'_>) {
    let opcode = match message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
    };
    let mut out = Vec::new();
    frame::encode(opcode, message.payload(), &mut out);
    core.cx.reply(key, out);
}

/// Over the rate: the message is dropped, and the client not received from until it may send
/// again.
fn too_fast(core: &mut Core, key: ConnectionKey, wait_ms: u32, inbound: Option<Inbound<'_>>) {
    let seconds = f64::from(wait_ms) / 1_000.0;
    let text = format!("Message rate limit exceeded. Retry after {seconds:.3} seconds.");
    let rule = core.settings(key).correlation;
    let correlation = inbound.as_ref().and_then(|inbound| inbound.correlation(rule));
    refuse(core, key, correlation, ErrorCode::RateLimitExceeded, &text);
    pause(core, key, wait_ms);
}

fn pause(core: &mut Core, key: ConnectionKey, wait_ms: u32) {
    let until = core.cx.time() + Duration::from_millis(wait_ms.into());
    core.connections.pause_until(&mut core.cx, key, until);
}

fn require_token(
    core: &mut Core,
    key: ConnectionKey,
    correlation: Option<&str>,
    reason: CloseReason,
) {
    refuse(core, key, correlation, ErrorCode::AuthRequired, "Authentication required");
    core.cx.close(key, reason);
}

#[cfg(test)]
impl Sessions {
    /// How many operations and filters hold each channel.
    pub(super) fn holds(&self) -> std::collections::HashMap<ChannelIndex, u32> {
        let mut holds = std::collections::HashMap::new();
        let held = self.operations.held().chain(self.filters.held());
        held.for_each(|channel| *holds.entry(channel).or_default() += 1);
        holds
    }

    /// The connection whose operation this connection's record names.
    pub(super) fn operation_owner(&self, connection: u32) -> Option<ConnectionKey> {
        self.operations.owner(connection)
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.operations.is_empty() && self.auth.verifying() == 0
    }

    pub(super) fn push_handled(&mut self, service: ServiceId, kind: MessageType) {
        self.handled.push((service, kind));
    }
}

#[cfg(test)]
mod tests;

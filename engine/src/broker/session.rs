//! What a client may say and what it is answered: docs/PROTOCOL.md sections 2 to 4.
//!
//! | file | type |
//! |---|---|
//! | `auth`, `permissions` | who a client is, and what it may |
//! | `operations` | subscribe and unsubscribe, which may wait for another shard |
//! | `outstanding` | publications and status requests that another shard answers |
//! | `custom` | sessions of a protocol of the embedder |
//! | `answers` | the messages clients are sent |

mod answers;
mod auth;
mod custom;
mod operations;
mod order;
mod outstanding;
mod permissions;

use std::time::Duration;

use super::connection::CloseReason;
use super::core::Core;
use super::shard_messages::StatusSource;
use crate::config::{Config, Protocol};
use crate::limits::{MAX_CHANNELS_PER_REQUEST, MAX_WAITING_OPERATIONS};
use crate::types::{
    ChannelIndex, ChannelName, ConnectionKey, Epoch, ErrorCode, MessageType, OperationId,
    PublishError, RequestId, Seq, ServiceId, Verdict,
};
use crate::wire::encoder::{Empty, Outbound};
use crate::wire::envelope::Inbound;
use crate::wire::frame::{self, Opcode};
use crate::wire::request::Request;
use crate::wire::{Message, OwnedMessage, Secret};
use answers::refuse;
use auth::{Access, Authentication};
use custom::CustomSessions;
use operations::Operations;
use order::{Action, Order};
use outstanding::Outstanding;

/// The protocol state of a shard's clients. Knows no sockets.
#[derive(Debug)]
pub(super) struct Sessions {
    auth: Authentication,
    operations: Operations,
    outstanding: Outstanding,
    custom: CustomSessions,
    /// Kinds of the messages handled in this iteration, until the shell times them.
    handled: Vec<(ServiceId, MessageType)>,
}

impl Sessions {
    pub(super) fn new(config: &Config, connections: usize) -> Sessions {
        Sessions {
            auth: Authentication::new(config),
            operations: Operations::new(connections),
            outstanding: Outstanding::default(),
            custom: CustomSessions::default(),
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
            Protocol::Custom(protocol) => {
                CustomSessions::greet(core, key, &*protocol, authenticated);
                self.custom.subscribe(core, &self.auth, &mut self.operations, key, &*protocol);
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
            (access, Protocol::Custom(protocol)) => {
                let (auth, operations) = (&mut self.auth, &mut self.operations);
                let kind = match access {
                    Access::Granted => {
                        self.custom.handle(core, auth, operations, key, message, &*protocol)
                    }
                    _ => CustomSessions::first_message(core, auth, key, message, &*protocol),
                };
                self.handled.push((core.connections[key].service(), kind));
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
                let pong = Outbound::new(MessageType::Pong, Empty {});
                encoder.write(stamp, correlation, &pong, out);
            }),
            Request::Auth { token } => self.auth.show(core, key, correlation, token),
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
            Ok(Request::Auth { token }) => self.auth.show(core, key, correlation, token),
            _ => require_token(core, key, correlation, CloseReason::AuthRequired),
        }
    }

    /// The client has not sent its first frame in time.
    pub(super) fn first_frame_expired(&mut self, core: &mut Core, key: ConnectionKey) {
        require_token(core, key, None, CloseReason::AuthTimeout);
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

    /// A second has passed: updates for the clients of the embedder's protocols.
    pub(super) fn send_updates(&self, core: &mut Core) {
        self.custom.send_updates(core);
    }

    /// The connection is on its way out.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) {
        self.operations.forget(key);
        self.custom.forget(core, key);
        self.auth.forget(core, key);
    }
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
        let held = self.operations.held().chain(self.custom.held());
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

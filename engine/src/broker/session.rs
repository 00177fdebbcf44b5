//! What a client may say and what it is answered: docs/PROTOCOL.md sections 2 to 4.
//!
//! | file | type |
//! |---|---|
//! | `auth`, `known`, `permissions` | identities and permissions |
//! | `operations`, `arrival`, `departure` | (un)subscribing, which may wait for another shard |
//! | `outstanding` | publications and status requests that another shard answers |
//! | `answered` | answers of other shards |
//! | `history` | requests for what a channel's log holds |
//! | `envelope` | requests of clients that speak the envelope |
//! | `backlog`, `waiting` | what a client sent while an earlier request of it is under way |
//! | `echo` | every message back, for conformance suites |
//! | `custom` | sessions of a protocol of the embedder |
//! | `streams` | requests for Server-Sent Events |
//! | `answers` | the messages clients are sent |
//! | `order` | a request for channels, as the session understood it |
//! | `farewell` | what clients are told before their connections end |
//! | `handover` | sessions that go over to another process |

mod answered;
mod answers;
mod arrival;
mod auth;
mod backlog;
mod custom;
mod departure;
mod echo;
mod envelope;
mod farewell;
mod handover;
mod history;
mod known;
mod operations;
mod order;
mod outstanding;
mod permissions;
mod streams;
mod waiting;

pub(super) use answers::{
    new_epoch as tell_epoch, presence as tell_presence,
    presence_unavailable as tell_presence_unavailable,
};
pub(super) use backlog::Waiting;
pub(super) use envelope::too_fast;

use super::channel::Served;
use super::connection::CloseReason;
use super::core::Core;
use crate::config::{Config, Protocol};
use crate::limits::{MAX_CHANNELS_PER_REQUEST, MAX_WAITING_OPERATIONS};
use crate::types::{
    ChannelIndex, ChannelName, ConnectionKey, ErrorCode, Identity, MessageType, OperationId, Seq,
    ServiceId, TokenFault, Verdict,
};
use crate::wire::{Message, OwnedMessage, Secret};
use answers::refuse;
pub(super) use auth::Authentication;
use auth::{Access, Asked};
use backlog::Backlogs;
use custom::CustomSessions;
use history::HistoryReads;
use operations::Operations;
use order::{Action, Order};
use outstanding::Outstanding;

/// The protocol state of a shard's clients. Knows no sockets.
#[derive(Debug)]
pub(super) struct Sessions {
    auth: Authentication,
    operations: Operations,
    outstanding: Outstanding,
    history: HistoryReads,
    custom: CustomSessions,
    backlogs: Backlogs,
    /// Kinds of the messages handled in this iteration, until the shell times them.
    handled: Vec<(ServiceId, MessageType)>,
}

impl Sessions {
    pub(super) fn new(config: &Config, connections: usize) -> Sessions {
        let services = config.services.len();
        Sessions {
            auth: Authentication::new(config),
            operations: Operations::new(connections),
            outstanding: Outstanding::new(services),
            history: HistoryReads::default(),
            custom: CustomSessions::default(),
            backlogs: Backlogs::new(services),
            handled: Vec::new(),
        }
    }

    /// Checks permissions as this configuration has them from now on.
    pub(super) fn reconfigure(&mut self, core: &mut Core, config: &Config) {
        self.auth.reconfigure(core, config);
        self.operations.end_forbidden_patterns(core, &self.auth);
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
            let subscribe = Action::Subscribe;
            self.order(core, key, Order::unasked(vec![ChannelName::probe()], subscribe));
        } else if token.is_none() && streams::needs_token(core, key) {
            core.cx.close(key, CloseReason::AuthRequired);
        } else if self.auth.begin(core, key, token) {
            self.welcome(core, key, false);
        }
    }

    fn welcome(&mut self, core: &mut Core, key: ConnectionKey, authenticated: bool) {
        match core.settings(key).protocol.clone() {
            Protocol::Envelope if core.connections.is_opening(key) => {
                self.open_stream(core, key, authenticated);
            }
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
        let waits =
            self.backlogs.has(key) || self.is_busy(core, key) || !self.handle(core, key, message);
        if waits && !self.backlogs.push(core, key, Waiting::Message(message.into())) {
            let text = "Too many requests wait for earlier ones";
            refuse(core, key, None, ErrorCode::LimitExceeded, text);
        }
    }

    /// Handles a message. Returns `false` if it has to wait for earlier ones.
    fn handle(&mut self, core: &mut Core, key: ConnectionKey, message: Message<'_>) -> bool {
        if core.connections[key].is_probe() {
            // It listens. A stolen key is of no other use.
            return true;
        }
        let protocol = core.settings(key).protocol.clone();
        if matches!(protocol, Protocol::Echo) {
            echo::reply(core, key, message);
            return true;
        }
        if self.outstanding.is_publishing(key) && !self.may_overlap(core, key, message) {
            return false;
        }
        let access = self.auth.admit(core, key, message);
        match (access, protocol) {
            (Access::Deferred, _) | (_, Protocol::Echo) => {}
            (Access::Granted, Protocol::Envelope) => {
                return self.handle_envelope(core, key, message);
            }
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
        true
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
        self.auth.answered(key);
        if !core.connections.is_open(key) {
            return Vec::new();
        }
        let Some(asked) = self.auth.take_asked(core, key) else { return Vec::new() };
        self.backlogs.make_ready(key);
        match verdict {
            Ok(identity) => self.take_identity(core, key, &asked, identity),
            Err(error) => self.auth.reject(core, key, &asked, error),
        }
        asked.backlog
    }

    /// A client has shown a good token, which it may not be allowed to use.
    fn take_identity(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        asked: &Asked,
        identity: Identity,
    ) {
        let correlation = asked.request.as_ref().and_then(Option::as_deref);
        if let Err(text) = self.auth.recognise(core, key, &identity) {
            let fault = TokenFault { why: text.into(), user: Some(identity.user) }.into();
            let reason = CloseReason::AuthFailed;
            return self.auth.turn_away(core, key, correlation, reason, text, fault);
        }
        if asked.request.is_some() {
            let left = identity.expires.and_then(|at| known::remaining(core.cx.now, at));
            answers::authenticated(core, key, correlation, &identity.user, left);
        }
        if asked.welcome {
            self.welcome(core, key, true);
        }
    }

    fn order(&mut self, core: &mut Core, key: ConnectionKey, mut order: Order) {
        let service = core.connections[key].service();
        order.names = order.names.into_iter().map(|name| name.at(service)).collect();
        let correlation = order.correlation.clone();
        if !self.operations.take_in_turn(core, &self.auth, key, order) {
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
        if channel.is_none() {
            self.operations.end_patterns(core, &self.auth, key, |_| true);
        }
        let mut ended = 0;
        for names in names.chunks(MAX_CHANNELS_PER_REQUEST) {
            let order = Order::unasked(names.to_vec(), Action::Unsubscribe);
            let order = Order { list: channel.is_none(), ..order };
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
        served: Served,
    ) {
        let over = |key| self.backlogs.make_ready(key);
        self.operations.resume(core, &self.auth, channel, (waiting, served), over);
    }

    /// The home of channels that a connection leaves has answered.
    pub(super) fn handle_heads(&mut self, id: OperationId, heads: Vec<(ChannelIndex, Seq)>) {
        self.operations.handle_heads(id, heads);
    }

    /// An iteration begins: so do requests for which there was no time before.
    pub(super) fn begin_postponed(&mut self, core: &mut Core) {
        let over = |key| self.backlogs.make_ready(key);
        self.operations.begin_postponed(core, &self.auth, over);
    }

    /// What was due was written: goes on with connections that wait for it.
    pub(super) fn go_on(&mut self, core: &mut Core) {
        self.operations.go_on(core, &self.auth, |key| self.backlogs.make_ready(key));
    }

    /// A second has passed: updates for the clients of the embedder's protocols.
    pub(super) fn send_updates(&self, core: &mut Core) {
        self.custom.send_updates(core);
    }

    /// The connection is on its way out. Returns the end of the peer's side, if that waited.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) -> Option<Waiting> {
        self.operations.forget(key);
        self.outstanding.forget(key);
        self.history.forget(key);
        self.custom.forget(core, key);
        self.auth.forget(core, key);
        self.backlogs.forget(core, key)
    }
}

pub(super) fn require_token(
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

    /// The connection that owns the operation that this connection's record names.
    pub(super) fn operation_owner(&self, connection: u32) -> Option<ConnectionKey> {
        self.operations.owner(connection)
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.operations.is_empty() && self.auth.verifying() == 0 && self.backlogs.is_empty()
    }

    /// The saboteur of the simulation: clients leave channels at once.
    pub(super) fn leave_hastily(&mut self) {
        self.operations.hasty = true;
    }

    pub(super) fn push_handled(&mut self, service: ServiceId, kind: MessageType) {
        self.handled.push((service, kind));
    }
}

#[cfg(test)]
mod tests;

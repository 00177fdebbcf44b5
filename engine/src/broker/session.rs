//! What a client may say and what it is answered: docs/PROTOCOL.md sections 2 to 4.

use super::connection::connection_id;
use super::effect;
use super::hub::Hub;
use super::operation::{Action, Joined, Order};
use crate::config::Protocol;
use crate::limits::{BUSY_PAUSE, LANE_CREDITS, MAX_WAITING_OPERATIONS, per_lane};
use crate::telemetry::{MessageError, MessageType};
use crate::types::{ChannelName, ConnectionKey, Now, Publication, PublishError, Seq};
use crate::wire::Message;
use crate::wire::encoder::Stamp;
use crate::wire::envelope::Inbound;
use crate::wire::frame::{self, Opcode};
use crate::wire::reply::{ErrorCode, Listed, Subscribed, Welcome};
use crate::wire::request::Request;

/// A client's publish that another shard sequences.
#[derive(Debug)]
pub(super) struct PendingPublish {
    key: ConnectionKey,
    correlation: Option<Box<str>>,
    channel: ChannelName,
}

/// What a client is told when its channel would be one more than a shard may have.
const NO_CHANNEL: &str = "The server has no room for another channel";

impl Hub {
    /// The first message of a connection.
    pub(super) fn welcome(&mut self, now: Now, key: ConnectionKey, authenticated: bool) {
        let config = self.config.clone();
        let service = &config[self.connections[key.index].service];
        match service.protocol {
            Protocol::Envelope => {}
            Protocol::Metrics => return self.feed_welcome(now, key, authenticated),
            Protocol::Echo => return,
        }
        let connection = &self.connections[key.index];
        let (nonce, secure) = (connection.nonce, connection.flags.secure);
        let id = connection_id(self.shard, key, nonce).to_string();
        let welcome = Welcome {
            connection_id: &id,
            server: &service.name,
            message: &service.welcome,
            authenticated,
            secure,
            extra: &service.welcome_extra,
        };
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        self.encoder.welcome(stamp, &welcome, &mut out);
        self.answer(key, MessageType::Event, out);
    }

    /// What a probe has come for: the one subscription that nobody can ask for.
    pub(super) fn subscribe_probe(&mut self, now: Now, key: ConnectionKey) {
        let order = Order {
            correlation: None,
            list: false,
            names: vec![ChannelName::probe()],
            failed: Vec::new(),
            action: Action::Subscribe { since: None },
        };
        self.order(now, key, order);
    }

    /// A whole data message of an open connection.
    pub(super) fn handle_message(&mut self, now: Now, key: ConnectionKey, message: Message<'_>) {
        if self.connections[key.index].flags.probe {
            // It has come to listen. Whoever learnt its key learns nothing else by it.
            return;
        }
        let service = self.connections[key.index].service;
        let protocol = self.config[service].protocol;
        if protocol == Protocol::Echo {
            return self.echo(key, message);
        }
        if !self.let_in(now, key, message) {
            return;
        }
        if protocol == Protocol::Metrics {
            return self.feed_message(now, key, message);
        }
        let parsed = Inbound::parse_message(message);
        let kind = parsed.as_ref().map_or(MessageType::Invalid, |inbound| inbound.kind);
        self.handled.push((service, kind));
        let rate = self.config[service].message_rate;
        if let Err(wait_ms) = self.connections[key.index].rate.take(rate, now.mono) {
            return self.too_fast(now, key, wait_ms, parsed.ok());
        }
        match parsed {
            Ok(inbound) => self.handle_inbound(now, key, &inbound),
            Err(fault) => self.refuse(now, key, None, ErrorCode::DecodeError, &fault.to_string()),
        }
    }

    fn echo(&mut self, key: ConnectionKey, message: Message<'_>) {
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        let mut out = Vec::new();
        frame::encode(opcode, message.payload(), &mut out);
        self.reply(key, out, false);
    }

    /// Over the rate: the message is dropped, and the client not read until it may send again.
    fn too_fast(
        &mut self,
        now: Now,
        key: ConnectionKey,
        wait_ms: u32,
        inbound: Option<Inbound<'_>>,
    ) {
        let seconds = f64::from(wait_ms) / 1_000.0;
        let text = format!("Message rate limit exceeded. Retry after {seconds:.3} seconds.");
        let rule = self.service(key).correlation;
        let correlation = inbound.as_ref().and_then(|inbound| inbound.correlation(rule));
        self.refuse(now, key, correlation, ErrorCode::RateLimitExceeded, &text);
        self.pause(now.mono + std::time::Duration::from_millis(wait_ms.into()), key);
    }

    fn handle_inbound(&mut self, now: Now, key: ConnectionKey, inbound: &Inbound<'_>) {
        let correlation = inbound.correlation(self.service(key).correlation);
        if self.status_request(now, key, correlation, inbound) {
            return;
        }
        let request = match Request::parse(inbound) {
            Ok(request) => request,
            Err(fault) => {
                return self.refuse(now, key, correlation, fault.code(), &fault.to_string());
            }
        };
        match request {
            Request::Subscribe { channels, since } => {
                // A text that no epoch of ours has is an epoch of nobody's.
                let since = since.map(|s| (s.epoch.unwrap_or(crate::types::Epoch(0)), s.seq));
                let order = Order::new(correlation, channels, Action::Subscribe { since });
                self.order(now, key, order);
            }
            Request::Unsubscribe { channels } => {
                self.order(now, key, Order::new(correlation, channels, Action::Unsubscribe));
            }
            Request::Publish(publication) => self.publish_for(now, key, correlation, publication),
            Request::Ping => {
                let stamp = self.stamp(now);
                let mut out = Vec::new();
                self.encoder.pong(stamp, correlation, &mut out);
                self.answer(key, MessageType::Pong, out);
            }
            Request::Auth { token } => self.show_token(now, key, correlation, token),
            Request::Ignored => {}
        }
    }

    fn order(&mut self, now: Now, key: ConnectionKey, mut order: Order) {
        let service = self.connections[key.index].service;
        order.names = order.names.into_iter().map(|name| name.at(service)).collect();
        let correlation = order.correlation.clone();
        if !self.take_order(now, key, order) {
            let text = format!("More than {MAX_WAITING_OPERATIONS} requests waiting");
            let code = ErrorCode::LimitExceeded;
            self.refuse(now, key, correlation.as_deref(), code, &text);
        }
    }

    fn publish_for(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        mut publication: Publication,
    ) {
        publication.channel = publication.channel.at(self.connections[key.index].service);
        if !self.may_publish(key, publication.channel.as_str()) {
            let text = format!("Not authorized to publish to {}", publication.channel);
            return self.refuse(now, key, correlation, ErrorCode::Forbidden, &text);
        }
        let home = Hub::home_of(&publication.channel, self.shards);
        if home == self.shard {
            match self.publish(now, &publication) {
                Ok(seq) => self.published(now, key, correlation, &publication.channel, seq),
                Err(why) => self.unpublished(now, key, correlation, why),
            }
            return;
        }
        let lane = &mut self.lanes[home.index()];
        if lane.open >= per_lane(LANE_CREDITS, self.shards) {
            return self.busy(now, key, correlation);
        }
        lane.open += 1;
        let pending = PendingPublish {
            key,
            correlation: correlation.map(Into::into),
            channel: publication.channel.clone(),
        };
        let ticket = self.publishes.insert(pending) as u32;
        let publication = Box::new(publication);
        lane.publishes.push_back(effect::Request::Publish { ticket, publication });
    }

    /// Another shard has sequenced a client's publish, or had no room for it.
    pub(super) fn handle_published(
        &mut self,
        now: Now,
        ticket: u32,
        seq: Result<Seq, PublishError>,
    ) {
        let PendingPublish { key, correlation, channel } = self.publishes.remove(ticket as usize);
        if self.connections.get(key).is_none_or(|c| c.phase != super::close::Phase::Open) {
            return;
        }
        match seq {
            Ok(seq) => self.published(now, key, correlation.as_deref(), &channel, seq),
            Err(why) => self.unpublished(now, key, correlation.as_deref(), why),
        }
    }

    fn unpublished(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        why: PublishError,
    ) {
        match why {
            PublishError::Saturated | PublishError::Closed => self.busy(now, key, correlation),
            PublishError::ChannelLimit => {
                self.refuse(now, key, correlation, ErrorCode::LimitExceeded, NO_CHANNEL);
            }
        }
    }

    fn published(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        channel: &ChannelName,
        seq: Seq,
    ) {
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        self.encoder.published(stamp, correlation, channel, seq, &mut out);
        self.answer(key, MessageType::Response, out);
    }

    /// No room for a publish: says so, and does not read the client for a while.
    pub(super) fn busy(&mut self, now: Now, key: ConnectionKey, correlation: Option<&str>) {
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        self.encoder.busy(stamp, correlation, BUSY_PAUSE.as_secs_f64(), &mut out);
        let service = self.connections[key.index].service;
        self.recorder.message_error(service, MessageError::Busy);
        self.answer(key, MessageType::Error, out);
        self.pause(now.mono + BUSY_PAUSE, key);
    }

    pub(super) fn confirm_subscribed(
        &mut self,
        now: Now,
        key: ConnectionKey,
        order: &Order,
        joined: &[Joined],
    ) {
        if self.service(key).protocol != Protocol::Envelope {
            return;
        }
        if order.list {
            return self.confirm_list(now, key, order);
        }
        let stamp = self.stamp(now);
        let correlation = order.correlation.as_deref();
        let (Some(channel), Some(joined)) = (order.names.first(), joined.first()) else {
            let (text, code) = match order.failed.first() {
                Some((name, code @ ErrorCode::Forbidden)) => {
                    (format!("Not authorized to subscribe to {name}"), *code)
                }
                _ => (self.at_limit(key), ErrorCode::LimitExceeded),
            };
            return self.refuse(now, key, correlation, code, &text);
        };
        let Joined { epoch, seq, recovery, .. } = *joined;
        let subscribed = Subscribed { channel, seq, epoch, recovery };
        let mut out = Vec::new();
        self.encoder.subscribed(stamp, correlation, &subscribed, &mut out);
        self.answer(key, MessageType::Response, out);
    }

    /// Whose limit a subscription has come to: the connection's own, or the server's.
    fn at_limit(&self, key: ConnectionKey) -> String {
        let most = self.access(key).max_subscriptions;
        match self.connections[key.index].subscriptions.as_slice().len() < most {
            true => NO_CHANNEL.into(),
            false => format!("A connection may have {most} subscriptions (max_subscriptions)"),
        }
    }

    pub(super) fn confirm_unsubscribed(&mut self, now: Now, key: ConnectionKey, order: &Order) {
        if self.service(key).protocol != Protocol::Envelope {
            return;
        }
        if order.list {
            return self.confirm_list(now, key, order);
        }
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        let correlation = order.correlation.as_deref();
        for channel in &order.names {
            self.encoder.unsubscribed(stamp, correlation, channel, &mut out);
        }
        self.answer(key, MessageType::Response, out);
    }

    fn confirm_list(&mut self, now: Now, key: ConnectionKey, order: &Order) {
        let stamp = self.stamp(now);
        let correlation = order.correlation.as_deref();
        for error in order.failed.iter().filter_map(|(_, code)| MessageError::of(*code)) {
            self.recorder.message_error(self.connections[key.index].service, error);
        }
        let subscribed = matches!(order.action, Action::Subscribe { .. });
        let listed = Listed { subscribed, channels: &order.names, failed: &order.failed };
        let mut out = Vec::new();
        self.encoder.listed(stamp, correlation, &listed, &mut out);
        self.answer(key, MessageType::Response, out);
    }

    /// Answers with an error; the connection stays open.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        code: ErrorCode,
        text: &str,
    ) {
        if let Some(error) = MessageError::of(code) {
            self.recorder.message_error(self.connections[key.index].service, error);
        }
        if self.service(key).protocol != Protocol::Envelope {
            return;
        }
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        self.encoder.refusal(stamp, correlation, code, text, &mut out);
        self.answer(key, MessageType::Error, out);
    }

    /// Confirms a token.
    pub(super) fn authenticated(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        user: &str,
    ) {
        if self.service(key).protocol != Protocol::Envelope {
            return;
        }
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        self.encoder.authenticated(stamp, correlation, user, &mut out);
        self.answer(key, MessageType::Response, out);
    }

    pub(super) fn answer(&mut self, key: ConnectionKey, kind: MessageType, frame: Vec<u8>) {
        let connection = &self.connections[key.index];
        if !connection.flags.probe {
            self.recorder.sent(connection.service, kind);
        }
        self.reply(key, frame, false);
    }

    /// A fresh id and timestamp for one message of the server.
    pub(super) fn stamp(&mut self, now: Now) -> Stamp {
        Stamp { id: self.rng.u128(..).to_be_bytes(), unix_us: now.unix_us }
    }
}

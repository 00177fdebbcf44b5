//! Sessions of a protocol of the embedder. Every client gets the updates of one channel; clients
//! that asked for a part of each get it from their own shard, which makes it once for each filter.

use std::collections::HashMap;
use std::time::Duration;

use super::answers::text_frame;
use super::auth::Authentication;
use super::operations::Operations;
use super::order::{Action, Order};
use crate::broker::channel::Start;
use crate::broker::connection::CloseReason;
use crate::broker::core::Core;
use crate::config::{ClientRequest, Protocol, SessionProtocol};
use crate::telemetry::MessageError;
use crate::types::{ChannelIndex, ChannelName, ConnectionKey, MessageType, ServiceId};
use crate::wire::{Message, Secret};

/// The filters of clients that asked for a part, by connection index.
#[derive(Debug, Default)]
pub(super) struct CustomSessions {
    filters: HashMap<u32, Filter>,
}

#[derive(Debug)]
struct Filter {
    key: ConnectionKey,
    text: Box<str>,
    /// Held, so that the home goes on serving this shard.
    channel: ChannelIndex,
}

/// The channel of a service that speaks a protocol of the embedder.
fn channel_of(protocol: &dyn SessionProtocol, service: ServiceId) -> ChannelName {
    let name = ChannelName::parse(protocol.channel());
    name.expect("a session protocol names a channel").at(service)
}

fn answer(core: &mut Core, key: ConnectionKey, kind: MessageType, text: &str) {
    core.connections.answer(&mut core.cx, key, kind, text_frame(text));
}

fn read(
    core: &mut Core,
    message: Message<'_>,
    protocol: &dyn SessionProtocol,
) -> Option<ClientRequest> {
    let timestamp = core.cx.timestamp();
    protocol.request(message.text()?, &timestamp)
}

impl CustomSessions {
    /// Greets a client.
    pub(super) fn greet(
        core: &mut Core,
        key: ConnectionKey,
        protocol: &dyn SessionProtocol,
        authenticated: bool,
    ) {
        let timestamp = core.cx.timestamp();
        let message = &core.settings(key).welcome;
        let greeting = protocol.greeting(message, authenticated, &timestamp);
        answer(core, key, MessageType::Event, &greeting);
    }

    /// The first message of a client that must show a token. Returns its kind.
    pub(super) fn first_message(
        core: &mut Core,
        auth: &mut Authentication,
        key: ConnectionKey,
        message: Message<'_>,
        protocol: &dyn SessionProtocol,
    ) -> MessageType {
        match read(core, message, protocol) {
            Some(ClientRequest::Token(token)) => {
                auth.show(core, key, None, token.map(Secret::new));
            }
            Some(_) => core.cx.close(key, CloseReason::AuthRequired),
            None => {
                core.cx.close(key, CloseReason::AuthError);
                return MessageType::Invalid;
            }
        }
        MessageType::Request
    }

    /// A message of a client. Returns its kind.
    pub(super) fn handle(
        &mut self,
        core: &mut Core,
        auth: &mut Authentication,
        operations: &mut Operations,
        key: ConnectionKey,
        message: Message<'_>,
        protocol: &dyn SessionProtocol,
    ) -> MessageType {
        let service = core.connections[key].service();
        let request = read(core, message, protocol);
        let kind = match &request {
            None => MessageType::Invalid,
            Some(ClientRequest::Subscribe { .. }) => MessageType::Subscribe,
            Some(ClientRequest::Unsubscribe) => MessageType::Unsubscribe,
            Some(ClientRequest::Ping { .. }) => MessageType::Ping,
            Some(ClientRequest::Token(_) | ClientRequest::Unknown) => MessageType::Request,
        };
        if let Err(wait_ms) = core.connections.take_message(&core.cx, key) {
            core.cx.recorder.message_error(service, MessageError::RateLimited);
            core.pause_for(key, Duration::from_millis(wait_ms.into()));
            return kind;
        }
        match request {
            Some(ClientRequest::Ping { reply }) => answer(core, key, MessageType::Pong, &reply),
            Some(ClientRequest::Subscribe { filter, reply }) => {
                answer(core, key, MessageType::Response, &reply);
                self.filter(core, key, protocol, filter.as_deref());
                self.subscribe(core, auth, operations, key, protocol);
            }
            Some(ClientRequest::Unsubscribe) => {
                self.filter(core, key, protocol, None);
                self.subscribe(core, auth, operations, key, protocol);
            }
            // Renews an identity; a client that must have none may well show one.
            Some(ClientRequest::Token(token)) => {
                auth.show(core, key, None, token.map(Secret::new));
            }
            Some(ClientRequest::Unknown) => {
                core.cx.recorder.message_error(service, MessageError::UnknownRequest);
            }
            None => core.cx.recorder.message_error(service, MessageError::DecodeError),
        }
        kind
    }

    /// Sets a client's filter, or clears it.
    fn filter(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        protocol: &dyn SessionProtocol,
        text: Option<&str>,
    ) {
        self.forget(core, key);
        if let Some(text) = text {
            self.take_over(core, key, protocol, text);
        }
    }

    /// The filter of a client.
    pub(super) fn filter_of(&self, key: ConnectionKey) -> Option<&str> {
        self.filters.get(&key.index).map(|filter| &*filter.text)
    }

    /// A client has a filter that had none.
    pub(super) fn take_over(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        protocol: &dyn SessionProtocol,
        text: &str,
    ) {
        let name = channel_of(protocol, core.connections[key].service());
        if let Ok(channel) = core.channels.find_or_add(&mut core.cx, &name, None) {
            core.channels.hold(channel);
            core.links.prepare(&mut core.channels, channel, Start::Live);
            self.filters.insert(key.index, Filter { key, text: text.into(), channel });
        }
    }

    /// Subscribes a client to its protocol's channel, or unsubscribes it if it has a filter.
    pub(super) fn subscribe(
        &self,
        core: &mut Core,
        auth: &Authentication,
        operations: &mut Operations,
        key: ConnectionKey,
        protocol: &dyn SessionProtocol,
    ) {
        let service = core.connections[key].service();
        let action = match self.filters.contains_key(&key.index) {
            true => Action::Unsubscribe,
            false => Action::Subscribe,
        };
        let order = Order::unasked(vec![channel_of(protocol, service)], action);
        if !operations.take(core, auth, key, order) {
            core.cx.recorder.message_error(service, MessageError::Busy);
        }
    }

    /// The connection is on its way out, or has no filter any more.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) {
        if let Some(filter) = self.filters.remove(&key.index) {
            core.channels.release(filter.channel);
        }
    }

    /// A second has passed: updates for all clients.
    pub(super) fn send_updates(&self, core: &mut Core) {
        let config = core.cx.config.clone();
        for (place, service) in config.services.iter().enumerate() {
            let Protocol::Custom(protocol) = &service.protocol else { continue };
            let name = channel_of(&**protocol, ServiceId(place as u8));
            if let Some(channel) = core.channels.find(&name) {
                let timestamp = core.cx.timestamp();
                self.send_parts(core, &**protocol, channel, &timestamp);
                core.channels.publish_update(&mut core.cx, channel, |published| {
                    text_frame(&protocol.update(published, &timestamp))
                });
            }
        }
    }

    /// Sends each of a channel's filtering clients its part of the newest update.
    fn send_parts(
        &self,
        core: &mut Core,
        protocol: &dyn SessionProtocol,
        channel: ChannelIndex,
        timestamp: &str,
    ) {
        let log = core.channels.log(channel);
        let newest = log.from(log.head()).next().cloned();
        let Some(newest) = newest.filter(|_| !self.filters.is_empty()) else { return };
        let mut made: HashMap<&str, Option<Vec<u8>>> = HashMap::new();
        for filter in self.filters.values().filter(|filter| filter.channel == channel) {
            let part = made.entry(&filter.text).or_insert_with(|| {
                let part = protocol.part(newest.text(), &filter.text, timestamp)?;
                Some(text_frame(&part))
            });
            if let Some(part) = part.clone() {
                core.connections.answer(&mut core.cx, filter.key, MessageType::Event, part);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = ChannelIndex> + '_ {
        self.filters.values().map(|filter| filter.channel)
    }
}

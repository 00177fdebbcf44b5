//! session-buddy's own protocol: once a second every client gets what was last published on the
//! channel `metrics`. The channel's home makes one frame of it for all shards; who asked for one
//! skill gets a part of it from its own shard, made once for each skill.

use std::collections::HashMap;
use std::rc::Rc;

use super::channel::Link;
use super::close::CloseReason;
use super::hub::Hub;
use super::operation::{Action, Order};
use crate::config::Protocol;
use crate::shared_frame::Frame;
use crate::telemetry::{MessageError, MessageType};
use crate::types::{ChannelName, ConnectionKey, Now, Publication, Seq, ServiceId};
use crate::wire::Message;
use crate::wire::feed::{self, FeedRequest};

/// The channel that a service of this protocol publishes on.
const CHANNEL: &str = "metrics";

/// Who asked for one skill, by connection index: the key, the skill, and the channel it holds.
pub(super) type Skills = HashMap<u32, (ConnectionKey, Box<str>, u32)>;

fn channel_of(service: ServiceId) -> ChannelName {
    ChannelName::parse(CHANNEL).expect("a good name").at(service)
}

fn read(message: Message<'_>) -> Option<FeedRequest> {
    FeedRequest::parse(message.text()?).ok()
}

impl Hub {
    /// Whether a channel's publications are not sent as they come, but once a second.
    pub(super) fn is_feed(&self, channel: &ChannelName) -> bool {
        self.config[channel.service()].protocol == Protocol::Metrics && channel.as_str() == CHANNEL
    }

    /// Greets a client and subscribes it.
    pub(super) fn feed_welcome(&mut self, now: Now, key: ConnectionKey, authenticated: bool) {
        let config = self.config.clone();
        let message = &config[self.connections[key.index].service].welcome;
        let mut out = Vec::new();
        self.encoder.feed_connected(now.unix_us, message, authenticated, &mut out);
        self.answer(key, MessageType::Event, out);
        self.feed_order(now, key, Action::Subscribe { since: None });
    }

    fn feed_order(&mut self, now: Now, key: ConnectionKey, action: Action) {
        let names = vec![channel_of(self.connections[key.index].service)];
        let order = Order { correlation: None, list: false, names, failed: Vec::new(), action };
        if !self.take_order(now, key, order) {
            self.recorder.message_error(self.connections[key.index].service, MessageError::Busy);
        }
    }

    /// What must show a token before anything else: `{"token": …}`.
    pub(super) fn feed_first_frame(&mut self, now: Now, key: ConnectionKey, message: Message<'_>) {
        let request = read(message);
        let kind = request.as_ref().map_or(MessageType::Invalid, |_| MessageType::Request);
        self.handled.push((self.connections[key.index].service, kind));
        match request {
            Some(FeedRequest::Token(token)) => self.show_token(now, key, None, token),
            Some(_) => self.close(now.mono, key, CloseReason::AuthRequired),
            None => self.close(now.mono, key, CloseReason::AuthError),
        }
    }

    /// A message of a client.
    pub(super) fn feed_message(&mut self, now: Now, key: ConnectionKey, message: Message<'_>) {
        let service = self.connections[key.index].service;
        let request = read(message);
        let kind = match &request {
            None => MessageType::Invalid,
            Some(FeedRequest::Subscribe(_)) => MessageType::Subscribe,
            Some(FeedRequest::Unsubscribe) => MessageType::Unsubscribe,
            Some(FeedRequest::Ping) => MessageType::Ping,
            Some(FeedRequest::Token(_) | FeedRequest::Other) => MessageType::Request,
        };
        self.handled.push((service, kind));
        let rate = self.config[service].message_rate;
        if let Err(wait_ms) = self.connections[key.index].rate.take(rate, now.mono) {
            self.recorder.message_error(service, MessageError::RateLimited);
            return self.pause(now.mono + std::time::Duration::from_millis(wait_ms.into()), key);
        }
        let mut out = Vec::new();
        match request {
            Some(FeedRequest::Ping) => {
                self.encoder.feed_pong(&mut out);
                self.answer(key, MessageType::Pong, out);
            }
            Some(FeedRequest::Subscribe(skill)) => {
                self.encoder.feed_confirmed(now.unix_us, skill.as_deref(), &mut out);
                self.answer(key, MessageType::Response, out);
                self.choose_skill(now, key, skill);
            }
            Some(FeedRequest::Unsubscribe) => self.choose_skill(now, key, None),
            // Renews a session; who is asked for none may well have one.
            Some(FeedRequest::Token(token)) => self.show_token(now, key, None, token),
            Some(FeedRequest::Other) => {
                self.recorder.message_error(service, MessageError::UnknownRequest);
            }
            None => self.recorder.message_error(service, MessageError::DecodeError),
        }
    }

    fn choose_skill(&mut self, now: Now, key: ConnectionKey, skill: Option<String>) {
        self.forget_skill(key);
        let Some(skill) = skill else {
            return self.feed_order(now, key, Action::Subscribe { since: None });
        };
        let name = channel_of(self.connections[key.index].service);
        if let Some(index) = self.channel(now, &name) {
            // Held, so that the home goes on serving this shard.
            self.channels[index].holds += 1;
            self.ensure_joined(index, None);
            self.skills.insert(key.index, (key, skill.into(), index));
        }
        self.feed_order(now, key, Action::Unsubscribe);
    }

    /// The connection wants no single skill any more, or is gone.
    pub(super) fn forget_skill(&mut self, key: ConnectionKey) {
        if let Some((_, _, index)) = self.skills.remove(&key.index) {
            self.channels[index].holds -= 1;
        }
    }

    /// Keeps a publication until the next update. Returns the position that will have.
    pub(super) fn feed_publish(&mut self, now: Now, index: u32, publication: &Publication) -> Seq {
        let stamp = self.stamp(now);
        let seq = self.channels[index].log.head().next();
        let bytes = self.encoder.broadcast(stamp, publication, seq);
        self.remember(index, &Rc::new(Frame::new(bytes, seq, now.mono, 0)));
        seq
    }

    /// A second has passed: updates for all who listen.
    pub(super) fn feed(&mut self, now: Now) {
        let config = self.config.clone();
        for (place, service) in config.services.iter().enumerate() {
            if service.protocol == Protocol::Metrics
                && let Some(index) = self.channels.find(&channel_of(ServiceId(place as u8)))
            {
                self.feed_skills(now, index);
                self.feed_all(now, index);
            }
        }
    }

    fn feed_all(&mut self, now: Now, index: u32) {
        let channel = &self.channels[index];
        let Link::Home(interests) = &channel.link else { return };
        let nobody = channel.live.is_empty() && channel.holds == 0 && interests.is_empty();
        if nobody || self.is_saturated(index) {
            return;
        }
        let channel = &self.channels[index];
        let data = feed::update_of(channel.last.as_deref().map(Frame::text));
        let (seq, shards) = (channel.log.head().next(), 1 + interests.len() as u32);
        let mut bytes = Vec::new();
        self.encoder.feed_update(now.unix_us, &data, &mut bytes);
        self.recorder.broadcast_accepted(channel.class);
        let frame = Frame::new(bytes.into_boxed_slice(), seq, now.mono, shards);
        self.append(index, Rc::new(frame), true);
    }

    /// Whoever asked for one skill gets its part of the newest update.
    fn feed_skills(&mut self, now: Now, index: u32) {
        let log = &self.channels[index].log;
        let newest = log.from(log.head()).next().cloned();
        let Some(newest) = newest.filter(|_| !self.skills.is_empty()) else { return };
        let mut made: HashMap<Box<str>, Option<Vec<u8>>> = HashMap::new();
        let theirs = self.skills.values().filter(|(_, _, channel)| *channel == index);
        let theirs: Vec<(ConnectionKey, Box<str>)> =
            theirs.map(|(key, skill, _)| (*key, skill.clone())).collect();
        for (key, skill) in theirs {
            let frame = made.entry(skill).or_insert_with_key(|skill| {
                let data = feed::only(newest.text(), skill)?;
                let mut bytes = Vec::new();
                self.encoder.feed_update(now.unix_us, &data, &mut bytes);
                Some(bytes)
            });
            if let Some(frame) = frame.clone() {
                self.answer(key, MessageType::Event, frame);
            }
        }
    }
}

//! Requests that are answered with the last event of a channel, which its home remembers.

use std::rc::Rc;

use super::close::Phase;
use super::document::StatusSource;
use super::effect;
use super::hub::Hub;
use crate::limits::{
    LANE_CREDITS, MAX_CHANNELS_PER_SHARD, STATUS_AGE, STATUS_BYTES_PER_SHARD, per_lane,
};
use crate::shared_frame::Frame;
use crate::telemetry::MessageType;
use crate::types::{ChannelName, ConnectionKey, Now, Time};
use crate::wire::envelope::Inbound;
use crate::wire::reply::ErrorCode;
use crate::wire::status;

/// A status request that waits for the channel's home.
#[derive(Debug)]
pub(super) struct PendingStatus {
    key: ConnectionKey,
    correlation: Option<Box<str>>,
    /// Its place in the service's list of requests.
    request: usize,
    /// What it asks for.
    id: Box<str>,
}

impl Hub {
    /// Answers a status request of the connection's service. Returns whether it was one.
    pub(super) fn status_request(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        inbound: &Inbound<'_>,
    ) -> bool {
        let service = self.connections[key.index].service;
        let config = self.config.clone();
        let requests = &config[service].requests;
        let asked = |request: &crate::config::StatusRequest| {
            Some(&*request.event) == inbound.event.as_deref()
        };
        let Some(place) = requests.iter().position(asked) else { return false };
        if inbound.kind != MessageType::Request {
            return false;
        }
        let request = &requests[place];
        let id = match &request.key {
            None => Some("".into()),
            Some(name) => status::asked(inbound, name),
        };
        let channel = id.as_ref().and_then(|id| {
            let name = request.channel.replacen("{}", id, 1);
            ChannelName::parse(&name).ok().map(|name| name.at(service))
        });
        let (Some(id), Some(channel)) = (id, channel) else {
            let name = request.key.as_deref().unwrap_or_default();
            let text = format!("{name} is missing, not a string or impossible");
            self.refuse(now, key, correlation, ErrorCode::InvalidRequest, &text);
            return true;
        };
        if !self.may_subscribe(key, channel.as_str()) {
            let text = format!("Not authorized to subscribe to {channel}");
            self.refuse(now, key, correlation, ErrorCode::Forbidden, &text);
            return true;
        }
        let correlation = correlation.map(Into::into);
        let pending = PendingStatus { key, correlation, request: place, id: (*id).into() };
        self.ask_home(now, channel, pending);
        true
    }

    fn ask_home(&mut self, now: Now, channel: ChannelName, pending: PendingStatus) {
        let home = Hub::home_of(&channel, self.shards);
        if home == self.shard {
            let told = self.told(&channel);
            return self.tell_status(now, &pending, told.as_ref());
        }
        let lane = &mut self.lanes[home.index()];
        if lane.open >= per_lane(LANE_CREDITS, self.shards) {
            return self.busy(now, pending.key, pending.correlation.as_deref());
        }
        lane.open += 1;
        let ticket = self.statuses.insert(pending) as u32;
        lane.publishes.push_back(effect::Request::Recall { ticket, channel });
    }

    /// The channel's home has answered.
    pub(super) fn handle_recalled(&mut self, now: Now, ticket: u32, told: Option<&StatusSource>) {
        let pending = self.statuses.remove(ticket as usize);
        self.tell_status(now, &pending, told);
    }

    fn tell_status(&mut self, now: Now, pending: &PendingStatus, told: Option<&StatusSource>) {
        let PendingStatus { key, correlation, request, id } = pending;
        if self.connections.get(*key).is_none_or(|c| c.phase != Phase::Open) {
            return;
        }
        let config = self.config.clone();
        let request = &config[self.connections[key.index].service].requests[*request];
        let id = request.key.as_deref().map(|key| (key, &**id));
        let data = status::answer(id, told.map(StatusSource::said));
        let stamp = self.stamp(now);
        let mut out = Vec::new();
        self.encoder.response(stamp, correlation.as_deref(), &request.event, &data, &mut out);
        self.answer(*key, MessageType::Response, out);
    }

    /// Keeps a channel's newest event, if somebody may ask for it.
    pub(super) fn remember(&mut self, index: u32, frame: &Rc<Frame>) {
        let channel = &mut self.channels[index];
        if channel.is_asked_for {
            self.status_bytes += frame.bytes().len();
            let before = channel.last.replace(Rc::clone(frame));
            self.status_bytes -= before.map_or(0, |before| before.bytes().len());
        }
    }

    /// Whether a channel that is otherwise of no use stays for its document or last event.
    pub(super) fn is_remembered(&self, now: Time, index: u32) -> bool {
        let channel = &self.channels[index];
        let last = channel.last.as_ref();
        channel.document.is_some()
            || last.is_some_and(|last| now.since(last.accepted_at) < STATUS_AGE)
                && self.status_bytes <= STATUS_BYTES_PER_SHARD
                && self.channels.len() <= MAX_CHANNELS_PER_SHARD / 2
    }
}

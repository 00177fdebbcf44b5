//! Requests of clients that another shard answers: publications for channels homed there, and
//! requests for a channel's status.

use std::collections::{HashMap, HashSet, VecDeque};

use slab::Slab;

use super::answers;
use super::auth::Authentication;
use super::order::Correlation;
use crate::broker::core::Core;
use crate::broker::log_page::LogPage;
use crate::broker::shard_messages::{Accepted, PublishId, Request as ShardRequest, StatusSource};
use crate::broker::shared_count::SharedCount;
use crate::broker::upstream_messages::{ReadId, ReadRange, UpstreamRequest};
use crate::config::{ReadPage, StatusRequest, Unavailable};
use crate::limits::UPSTREAM_PUBLICATIONS;
use crate::types::{
    ChannelName, ConnectionKey, ErrorCode, MessageType, Publication, PublishError, RequestId,
};
use crate::wire::encoder::{Encoder, Outbound};
use crate::wire::envelope::Inbound;
use crate::wire::status;

/// The requests that wait for an answer.
#[derive(Debug)]
pub(super) struct Outstanding {
    publishes: Slab<Publish>,
    /// Bytes of the data of all publications at other shards.
    publishing: SharedCount,
    statuses: Slab<Status>,
    /// The publications of each connection that has some at other shards, in the order in which
    /// they are answered.
    answers: HashMap<ConnectionKey, VecDeque<Answer>>,
    /// Connections with a status request.
    asking: HashSet<ConnectionKey>,
}

/// The answer to a publication, in its place.
#[derive(Debug)]
enum Answer {
    /// Another shard has not given it yet.
    Pending(RequestId),
    Given(Correlation, ChannelName, Result<Accepted, PublishError>),
}

/// A client's publication that another shard sequences.
#[derive(Debug)]
struct Publish {
    key: ConnectionKey,
    correlation: Correlation,
    channel: ChannelName,
    bytes: usize,
}

/// A status request that waits for the channel's home.
#[derive(Debug)]
struct Status {
    key: ConnectionKey,
    correlation: Correlation,
    channel: ChannelName,
    /// Its place in the service's list of requests.
    request: usize,
    /// What it asks for.
    id: Box<str>,
}

impl Outstanding {
    /// None, of clients of so many services.
    pub(super) fn new(services: usize) -> Outstanding {
        Outstanding {
            publishes: Slab::new(),
            publishing: SharedCount::new(services),
            statuses: Slab::new(),
            answers: HashMap::new(),
            asking: HashSet::new(),
        }
    }

    /// A client publishes.
    pub(super) fn publish(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        correlation: Option<&str>,
        (mut publication, id): (Publication, Option<Box<str>>),
    ) {
        publication.channel = publication.channel.at(core.connections[key].service());
        if !auth.may_publish(core, key, publication.channel.as_str()) {
            let text = format!("Not authorized to publish to {}", publication.channel);
            return answers::refuse(core, key, correlation, ErrorCode::Forbidden, &text);
        }
        let known_as = id.map(|id| {
            let user = auth.user(key).unwrap_or_default().into();
            PublishId { user, id }
        });
        if core.cx.is_outside(&publication.channel) {
            return self.publish_outside(core, key, correlation, (publication, known_as));
        }
        let home = core.cx.homes.of(&publication.channel);
        let local = home == core.cx.shard;
        let bytes = publication.data.as_str().len();
        let service = publication.channel.service();
        let limit = core.cx.limits.publishing_bytes;
        // One alone goes whatever its size, which `max_message` bounds.
        let fits = self.publishing.all() == 0 || self.publishing.fits(service, bytes, limit);
        if local || !fits || !core.links.has_credit(home) {
            let result = match local {
                true => core.publish_as(&publication, known_as),
                false => Err(PublishError::Saturated),
            };
            return self.answer_in_turn(core, key, correlation, &publication.channel, result);
        }
        let id = self.await_answer(key, correlation, &publication.channel, bytes);
        let publication = Box::new(publication);
        core.links.request(home, ShardRequest::Publish { id, publication, known_as });
    }

    /// The external order is to give a client's publication its place.
    fn publish_outside(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        (publication, known_as): (Publication, Option<PublishId>),
    ) {
        let bytes = publication.data.as_str().len();
        let (channel, limit) = (&publication.channel, core.cx.limits.publishing_bytes);
        let fits = self.publishing.all() == 0
            || self.publishing.fits(channel.service(), bytes, limit)
                && self.publishes.len() < UPSTREAM_PUBLICATIONS;
        let refusal = match core.cx.degraded {
            Some(_) => Some(PublishError::Unavailable),
            None => (core.cx.draining || !fits).then_some(PublishError::Saturated),
        };
        if let Some(why) = refusal {
            return self.answer_in_turn(core, key, correlation, channel, Err(why));
        }
        let id = self.await_answer(key, correlation, channel, bytes);
        let publication = Box::new(publication);
        let known_as = known_as.map(|id| id.outside());
        core.cx.push_upstream(UpstreamRequest::Publish { id, publication, known_as });
    }

    /// Answers a publication behind those before it.
    fn answer_in_turn(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        channel: &ChannelName,
        result: Result<Accepted, PublishError>,
    ) {
        match self.answers.get_mut(&key) {
            None => answers::publish_result(core, key, correlation, channel, result),
            Some(before) => {
                let correlation = correlation.map(Into::into);
                before.push_back(Answer::Given(correlation, channel.clone(), result));
            }
        }
    }

    /// A publication of so many bytes is answered elsewhere.
    fn await_answer(
        &mut self,
        key: ConnectionKey,
        correlation: Option<&str>,
        channel: &ChannelName,
        bytes: usize,
    ) -> RequestId {
        self.publishing.add(channel.service(), bytes);
        let (correlation, channel) = (correlation.map(Into::into), channel.clone());
        let publish = Publish { key, correlation, channel, bytes };
        let id = RequestId(self.publishes.insert(publish) as u32);
        self.answers.entry(key).or_default().push_back(Answer::Pending(id));
        id
    }

    /// Whether other shards have answered everything.
    pub(super) fn is_quiet(&self) -> bool {
        self.publishes.is_empty() && self.statuses.is_empty()
    }

    /// Whether publications of a connection are under way.
    pub(super) fn is_publishing(&self, key: ConnectionKey) -> bool {
        self.answers.contains_key(&key)
    }

    /// Whether a status request of a connection is under way.
    pub(super) fn is_asking(&self, key: ConnectionKey) -> bool {
        self.asking.contains(&key)
    }

    /// The connection is on its way out.
    pub(super) fn forget(&mut self, key: ConnectionKey) {
        self.answers.remove(&key);
        self.asking.remove(&key);
    }

    /// Another shard has sequenced a client's publication, or refused it. Returns the client, if
    /// none of its publications is under way any more.
    pub(super) fn published(
        &mut self,
        core: &mut Core,
        id: RequestId,
        result: Result<Accepted, PublishError>,
    ) -> Option<ConnectionKey> {
        let Publish { key, correlation, channel, bytes } = self.publishes.remove(id.index());
        self.publishing.remove(channel.service(), bytes);
        if let (Ok(accepted), true) = (result, core.cx.is_external) {
            core.channels.acknowledge(&channel, accepted.seq);
        }
        let answers = self.answers.get_mut(&key)?;
        for answer in answers.iter_mut() {
            if matches!(answer, Answer::Pending(pending) if *pending == id) {
                *answer = Answer::Given(correlation, channel, result);
                break;
            }
        }
        while let Some(Answer::Given(correlation, channel, result)) = answers.front() {
            answers::publish_result(core, key, correlation.as_deref(), channel, *result);
            answers.pop_front();
        }
        answers.is_empty().then(|| {
            self.answers.remove(&key);
            key
        })
    }

    /// Answers a status request of the connection's service. Returns whether it was one.
    pub(super) fn status_request(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        correlation: Option<&str>,
        inbound: &Inbound<'_>,
    ) -> bool {
        let config = core.cx.config.clone();
        let service = core.connections[key].service();
        let requests = &config[service].requests;
        let is_asked = |request: &StatusRequest| Some(&*request.event) == inbound.event.as_deref();
        let place = requests.iter().position(is_asked);
        let Some(place) = place.filter(|_| inbound.kind == MessageType::Request) else {
            return false;
        };
        let request = &requests[place];
        let id = match &request.key {
            None => Some("".into()),
            Some(name) => status::text_member(inbound, name),
        };
        let channel = id.as_ref().and_then(|id| {
            let name = request.channel.replacen("{}", id, 1);
            ChannelName::parse(&name).ok().map(|name| name.at(service))
        });
        let (Some(id), Some(channel)) = (id, channel) else {
            let name = request.key.as_deref().unwrap_or_default();
            let text = format!("{name} is missing, not a string or impossible");
            answers::refuse(core, key, correlation, ErrorCode::InvalidRequest, &text);
            return true;
        };
        if !auth.may_subscribe(core, key, channel.as_str()) {
            answers::refuse_subscribe(core, key, correlation, channel.as_str());
            return true;
        }
        let correlation = correlation.map(Into::into);
        let status = Status { key, correlation, channel, request: place, id: (*id).into() };
        self.ask_home(core, status);
        true
    }

    fn ask_home(&mut self, core: &mut Core, status: Status) {
        let channel = status.channel.clone();
        let home = core.cx.homes.of(&channel);
        if home == core.cx.shard {
            match core.channels.status(&channel) {
                None if core.cx.is_outside(&channel) => self.ask_outside(core, status),
                found => answer(core, &status, found.as_ref()),
            }
        } else if core.links.has_credit(home) {
            self.asking.insert(status.key);
            let id = RequestId(self.statuses.insert(status) as u32);
            core.links.request(home, ShardRequest::Recall { id, channel });
        } else {
            answers::busy(core, status.key, status.correlation.as_deref());
        }
    }

    /// The channel's home has answered. Returns the client, unless another answer is needed.
    pub(super) fn recalled(
        &mut self,
        core: &mut Core,
        id: RequestId,
        found: Option<&StatusSource>,
    ) -> Option<ConnectionKey> {
        let status = self.statuses.remove(id.index());
        if found.is_none() && core.cx.is_outside(&status.channel) {
            self.ask_outside(core, status);
            return None;
        }
        self.asking.remove(&status.key);
        if core.connections.is_open(status.key) {
            answer(core, &status, found);
        }
        Some(status.key)
    }

    /// The external order has the channel's last event, if it has one.
    fn ask_outside(&mut self, core: &mut Core, status: Status) {
        self.asking.insert(status.key);
        let channel = status.channel.clone();
        let id = ReadId::Status(RequestId(self.statuses.insert(status) as u32));
        let range = ReadRange::NEWEST;
        core.cx.push_upstream(UpstreamRequest::Read { id, channel, range });
    }

    /// The external order has read it, or cannot. Returns the client.
    pub(super) fn read_outside(
        &mut self,
        core: &mut Core,
        id: RequestId,
        page: Result<ReadPage, Unavailable>,
    ) -> ConnectionKey {
        let status = self.statuses.remove(id.index());
        self.asking.remove(&status.key);
        if core.connections.is_open(status.key) {
            match page {
                Ok(page) => answer(core, &status, last_event(&page).as_ref()),
                Err(why) => {
                    let correlation = status.correlation.as_deref();
                    let (code, text) = (ErrorCode::Unavailable, why.to_string());
                    answers::refuse(core, status.key, correlation, code, &text);
                }
            }
        }
        status.key
    }
}

fn last_event(page: &ReadPage) -> Option<StatusSource> {
    let frame = LogPage::frame_of(&mut Encoder::default(), page.messages.first()?);
    Some(StatusSource::Event(frame))
}

fn answer(core: &mut Core, status: &Status, found: Option<&StatusSource>) {
    let Status { key, correlation, request, id, .. } = status;
    let config = core.cx.config.clone();
    let request = &config[core.connections[*key].service()].requests[*request];
    let id = request.key.as_deref().map(|key| (key, &**id));
    let data = status::answer(id, found.map(StatusSource::view));
    core.answer(*key, MessageType::Response, |encoder, stamp, out| {
        let reply = Outbound::response(&request.event, &data);
        encoder.write(stamp, correlation.as_deref(), &reply, out);
    });
}

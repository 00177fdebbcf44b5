//! Requests of clients that another shard answers: publications for channels homed there, and
//! requests for a channel's status.

use std::collections::{HashMap, HashSet, VecDeque};

use slab::Slab;

use super::answers;
use super::auth::Authentication;
use super::order::Correlation;
use crate::broker::core::Core;
use crate::broker::shard_messages::{Request as ShardRequest, StatusSource};
use crate::broker::shared_count::SharedCount;
use crate::config::StatusRequest;
use crate::types::{
    ChannelName, ConnectionKey, ErrorCode, MessageType, Publication, PublishError, RequestId, Seq,
};
use crate::wire::encoder::Outbound;
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
    Given(Correlation, ChannelName, Result<Seq, PublishError>),
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
        mut publication: Publication,
    ) {
        publication.channel = publication.channel.at(core.connections[key].service());
        if !auth.may_publish(core, key, publication.channel.as_str()) {
            let text = format!("Not authorized to publish to {}", publication.channel);
            return answers::refuse(core, key, correlation, ErrorCode::Forbidden, &text);
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
                true => core.publish(&publication),
                false => Err(PublishError::Saturated),
            };
            let channel = &publication.channel;
            // It waits for the answers of those before it.
            return match self.answers.get_mut(&key) {
                None => answers::publish_result(core, key, correlation, channel, result),
                Some(before) => {
                    let correlation = correlation.map(Into::into);
                    before.push_back(Answer::Given(correlation, channel.clone(), result));
                }
            };
        }
        let (correlation, channel) = (correlation.map(Into::into), publication.channel.clone());
        let id = self.publishes.insert(Publish { key, correlation, channel, bytes });
        self.publishing.add(service, bytes);
        let (id, publication) = (RequestId(id as u32), Box::new(publication));
        self.answers.entry(key).or_default().push_back(Answer::Pending(id));
        core.links.request(home, ShardRequest::Publish { id, publication });
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
        result: Result<Seq, PublishError>,
    ) -> Option<ConnectionKey> {
        let Publish { key, correlation, channel, bytes } = self.publishes.remove(id.index());
        self.publishing.remove(channel.service(), bytes);
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
        self.ask_home(core, channel, Status { key, correlation, request: place, id: (*id).into() });
        true
    }

    fn ask_home(&mut self, core: &mut Core, channel: ChannelName, status: Status) {
        let home = core.cx.homes.of(&channel);
        if home == core.cx.shard {
            let found = core.channels.status(&channel);
            answer(core, &status, found.as_ref());
        } else if core.links.has_credit(home) {
            self.asking.insert(status.key);
            let id = RequestId(self.statuses.insert(status) as u32);
            core.links.request(home, ShardRequest::Recall { id, channel });
        } else {
            answers::busy(core, status.key, status.correlation.as_deref());
        }
    }

    /// The channel's home has answered. Returns the client.
    pub(super) fn recalled(
        &mut self,
        core: &mut Core,
        id: RequestId,
        found: Option<&StatusSource>,
    ) -> ConnectionKey {
        let status = self.statuses.remove(id.index());
        self.asking.remove(&status.key);
        if core.connections.is_open(status.key) {
            answer(core, &status, found);
        }
        status.key
    }
}

fn answer(core: &mut Core, status: &Status, found: Option<&StatusSource>) {
    let Status { key, correlation, request, id } = status;
    let config = core.cx.config.clone();
    let request = &config[core.connections[*key].service()].requests[*request];
    let id = request.key.as_deref().map(|key| (key, &**id));
    let data = status::answer(id, found.map(StatusSource::view));
    core.answer(*key, MessageType::Response, |encoder, stamp, out| {
        let reply = Outbound::response(&request.event, &data);
        encoder.write(stamp, correlation.as_deref(), &reply, out);
    });
}

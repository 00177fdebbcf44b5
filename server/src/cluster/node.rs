//! The cluster's thread: what comes from the servers goes to the engine, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use futures_util::stream::Select;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use uringcast_engine::{Epoch, FeedItem};

use super::chain::Step;
use super::health::Health;
use super::jetstream_requests::{Acknowledgement, refusal, status};
use super::leadership::Leadership;
use super::node_parts::{Found, Parts};
use super::node_waits::NodeWaits;
use super::outbox::Outcome;
use super::partition::Partition;
use super::server_link::LinkEvent;
use super::status::{ClusterStatus, SharedCounts};
use super::stream_order::Command;
use super::stream_view::Event;
use super::watches::Watches;
use super::{reads, subjects};
use crate::limits::{DELIVERY_RETRY, LEADERLESS_PATIENCE, LIVE_CHUNK, STATUS_INTERVAL};

/// JetStream's number for a message that is being stored by another attempt.
const BEING_STORED: u64 = 10_158;

/// Where everything comes from.
pub(super) struct Sources {
    pub(super) live: Subscriber,
    pub(super) elections: Subscriber,
    /// What nodes tell each other.
    pub(super) nodes: Select<Subscriber, Subscriber>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) acknowledgements: mpsc::Receiver<Acknowledgement>,
    pub(super) link: mpsc::Receiver<LinkEvent>,
    pub(super) stop: oneshot::Receiver<()>,
}

/// One node of the cluster.
pub(super) struct Node {
    parts: Parts,
    started: Instant,
    found: mpsc::UnboundedSender<Found>,
    health: Health,
    /// When the status was brought up to date.
    shown: Duration,
    epoch: Epoch,
    /// What the engine is to get, in order; what it had no room for stays.
    deliveries: Vec<FeedItem>,
    /// The engine had no room.
    is_full: bool,
    watches: Watches,
    waits: NodeWaits,
}

impl Node {
    pub(super) fn new(parts: Parts) -> (Node, mpsc::UnboundedReceiver<Found>) {
        // Each partition bounds the questions and reads that are under way.
        let (found, finds) = mpsc::unbounded_channel();
        let epoch = epoch(&parts.partitions);
        let node = Node {
            parts,
            started: Instant::now(),
            found,
            health: Health::default(),
            shown: Duration::ZERO,
            epoch,
            deliveries: Vec::new(),
            is_full: false,
            watches: Watches::default(),
            waits: NodeWaits::default(),
        };
        (node, finds)
    }

    /// Runs until it is told to stop.
    pub(super) async fn run(mut self, sources: Sources, mut finds: mpsc::UnboundedReceiver<Found>) {
        let Sources { live, mut elections, mut nodes, mut commands, .. } = sources;
        let Sources { acknowledgements, mut link, mut stop, .. } = sources;
        let (mut live, mut acknowledgements) = (live.ready_chunks(LIVE_CHUNK), acknowledgements);
        loop {
            self.settle().await;
            let due = self.next_due();
            tokio::select! {
                // While the engine has no room what is published waits here, then at the server.
                Some(messages) = live.next(), if !self.is_full => {
                    messages.iter().for_each(|message| self.handle_live(message));
                }
                Some(command) = commands.recv() => {
                    self.handle_command(command);
                    let more = std::iter::from_fn(|| commands.try_recv().ok());
                    more.take(LIVE_CHUNK).for_each(|command| self.handle_command(command));
                }
                Some(acknowledgement) = acknowledgements.recv() => {
                    self.handle_acknowledgement(acknowledgement);
                }
                Some(found) = finds.recv() => self.handle_found(found),
                Some(event) = link.recv() => self.handle_link(event),
                Some(election) = elections.next() => self.handle_election(&election.payload),
                Some(message) = nodes.next() => {
                    let now = self.now();
                    self.parts.handle_node_message(now, &message);
                }
                () = sleep_until(due) => {}
                _ = &mut stop => return self.parts.say_goodbye().await,
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn next_due(&self) -> Instant {
        let now = self.now();
        let partitions = self.parts.partitions.iter();
        let due = partitions.flat_map(|one| [one.view.next_due(), one.outbox.next_due()]);
        let retry = self.is_full.then(|| now + DELIVERY_RETRY);
        let due = due.flatten().chain(retry).chain(self.parts.presence.next_due());
        let due = due.chain([self.health.next_due(now)]).min();
        self.started + due.unwrap_or(now)
    }

    /// Carries out what the parts have decided, until nothing is left.
    async fn settle(&mut self) {
        let now = self.now();
        self.parts.run_presence(now, &self.found).await;
        for place in 0..self.parts.partitions.len() {
            self.take_events(place);
            while let Some(asked) = self.parts.partitions[place].view.poll_question(now) {
                self.parts.ask(place, asked, &self.found);
            }
            while let Some(attempt) = self.parts.partitions[place].outbox.poll_attempt(now) {
                let id = attempt.id;
                // Without a connection the library would keep it, and with it this thread.
                if !self.health.is_connected() || !self.parts.store(place, attempt).await {
                    let outbox = &mut self.parts.partitions[place].outbox;
                    outbox.handle_outcome(now, id, Outcome::Refused);
                }
            }
            self.parts.partitions[place].answer_publishers();
        }
        self.watches.answer(&self.parts.partitions);
        self.deliver();
        self.waits.answer(now, &self.parts, self.is_full);
        for place in self.health.probes(now, &self.parts.partitions) {
            self.parts.probe(place, &self.found);
        }
        if self.health.take_move(now) {
            self.parts.go_to_another_server();
        }
        if let Some(change) = self.health.change(now, &self.parts.partitions) {
            change.tell(&self.parts.feed);
            self.parts.presence.set_degraded(now, self.health.degraded().is_some());
        }
        if now >= self.shown + STATUS_INTERVAL {
            self.shown = now;
            let shared = self.parts.shared.iter().map(|stream| *stream.counts.lock());
            let shared = shared.fold(SharedCounts::default(), SharedCounts::plus);
            let of = (shared, self.parts.presence.faults());
            let status = ClusterStatus::of(&self.health, &self.parts.partitions, of);
            *self.parts.status.lock() = status;
        }
    }

    fn take_events(&mut self, place: usize) {
        let mut jobs = Vec::new();
        let clock = wall_clock();
        while let Some(event) = self.parts.partitions[place].poll_event() {
            match event {
                Event::Epoch(life) => self.begin_life(place, life),
                Event::Channel { channel, step } => {
                    let of = (&self.parts.names, self.epoch);
                    let partition = &mut self.parts.partitions[place];
                    if let Step::Deliver { message, .. } = &step {
                        partition.counts.lag.record(message.time, clock);
                    }
                    let more = partition.handle_step(of, &channel, step, &mut jobs);
                    self.parts.note_presence(&channel, &more);
                    self.deliveries.extend(more);
                }
            }
        }
        jobs.into_iter().for_each(|job| self.parts.read(place, job, &self.found));
    }

    /// A stream is in another life: the engine begins all channels again.
    fn begin_life(&mut self, place: usize, life: u64) {
        if self.parts.partitions[place].life == life {
            return;
        }
        self.parts.partitions[place].life = life;
        self.epoch = epoch(&self.parts.partitions);
        tracing::warn!("stream {} begins another life: all channels have a gap", place);
        self.deliveries.clear();
        self.parts.partitions.iter_mut().for_each(Partition::forget_all);
        self.parts.order.set_epoch(self.epoch);
        self.parts.shared.iter().for_each(|stream| stream.wake.notify_one());
        self.parts.presence.begin_epoch(self.epoch);
        self.parts.feed.begin_epoch(self.epoch);
    }

    fn deliver(&mut self) {
        if !self.deliveries.is_empty() {
            self.deliveries = self.parts.feed.deliver(std::mem::take(&mut self.deliveries));
        }
        self.is_full = !self.deliveries.is_empty();
    }

    fn handle_live(&mut self, of: &async_nats::Message) {
        let now = self.now();
        let partitions = self.parts.partitions.iter_mut();
        let mut of_subject =
            partitions.filter_map(|one| Some((one.subjects.tokens(&of.subject)?.to_owned(), one)));
        let Some((tokens, partition)) = of_subject.next() else { return };
        if let Some(message) = reads::message(of) {
            partition.view.handle_live(now, &tokens, message);
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Publish(request) => {
                let (place, tokens) = self.parts.place_of(&request.publication.channel);
                let largest = self.parts.requests.largest();
                self.parts.partitions[place].publish(now, (&tokens, largest), request);
            }
            Command::Follow(request) => {
                let (place, tokens) = self.parts.place_of(&request.channel);
                let job = self.parts.partitions[place].follow((tokens, self.epoch), request);
                job.into_iter().for_each(|job| self.parts.read(place, job, &self.found));
            }
            Command::Unfollow(channel) => {
                let (place, tokens) = self.parts.place_of(&channel);
                self.parts.partitions[place].unfollow(&tokens);
            }
            Command::Read(request) => {
                let (place, tokens) = self.parts.place_of(&request.channel);
                let job = self.parts.partitions[place].read(tokens, request);
                self.parts.read(place, job, &self.found);
            }
            Command::Presence(request) => self.parts.handle_presence_request(now, request),
            Command::AskPresence(question) => self.parts.handle_presence_question(now, question),
            // A shard of the engine has other patterns.
            Command::Watch(request) => {
                self.watches.change(&self.parts.names, request, &mut self.parts.partitions);
            }
            Command::Positions(reply) => self.waits.positions = Some(reply),
            Command::AwaitAcknowledgements(reply) => self.waits.acknowledgements = Some(reply),
            Command::AwaitPresence(reply) => self.waits.presence = Some(reply),
            Command::GoOn(positions, shards) => {
                self.watches.begin_anew(shards);
                for (partition, position) in self.parts.partitions.iter_mut().zip(&positions) {
                    partition.view.take_over(now, position);
                }
            }
        }
    }

    fn handle_acknowledgement(&mut self, (place, id, answer): Acknowledgement) {
        let now = self.now();
        let Some(partition) = self.parts.partitions.get_mut(place) else { return };
        let outcome = outcome_of(&answer);
        match outcome {
            Outcome::Stored(seq) => {
                partition.view.handle_acknowledged(seq);
                partition.failing_since = None;
            }
            Outcome::Refused => _ = partition.failing_since.get_or_insert(now),
            Outcome::Unknown => {}
        }
        partition.outbox.handle_outcome(now, id, outcome);
    }

    fn handle_found(&mut self, found: Found) {
        let now = self.now();
        match found {
            Found::Answer(place, id, answer) => {
                self.parts.partitions[place].view.handle_answer(now, id, answer);
            }
            Found::Backlog(place, channel, of, backlog) => {
                let names = (&self.parts.names, self.epoch);
                let partition = &mut self.parts.partitions[place];
                let held = partition.handle_backlog(names, (channel.clone(), of), backlog);
                self.parts.note_presence(&channel, &held);
                self.deliveries.extend(held);
            }
            Found::Told(id, seq) => self.parts.presence.handle_told(now, id, seq),
            Found::Leader(place, leadership) => {
                self.health.handle_leadership(now, leadership);
                let partition = &mut self.parts.partitions[place];
                if leadership == Leadership::CutOff {
                    // That is sure: there is no election to wait for.
                    partition.failing_since = Some(now.saturating_sub(LEADERLESS_PATIENCE));
                } else if leadership != Leadership::There {
                    _ = partition.failing_since.get_or_insert(now);
                } else if partition.failing_since.take().is_some() {
                    // It may be another stream.
                    partition.view.handle_election(now);
                }
            }
        }
    }

    fn handle_link(&mut self, event: LinkEvent) {
        let now = self.now();
        self.health.handle_link(now, event);
        self.parts.presence.set_connected(now, self.health.is_connected());
        if event == LinkEvent::Disconnected {
            return;
        }
        for partition in &mut self.parts.partitions {
            partition.view.handle_out_of_touch(now);
            // Other servers learn of the subscriptions a moment later.
            partition.view.handle_election(now);
        }
        self.parts.shared.iter().for_each(|stream| stream.wake.notify_one());
    }

    /// A stream has another leader: the advisory names the stream.
    fn handle_election(&mut self, payload: &[u8]) {
        let now = self.now();
        let advisory: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
        let partitions = self.parts.partitions.iter_mut();
        let of_stream = partitions.filter(|one| advisory["stream"] == *one.subjects.stream);
        of_stream.for_each(|one| one.view.handle_election(now));
        self.parts.shared.iter().for_each(|stream| stream.wake.notify_one());
    }
}

/// What an acknowledgement says.
fn outcome_of(answer: &async_nats::Message) -> Outcome {
    if status(answer).is_some() {
        // Nothing listens there.
        return Outcome::Refused;
    }
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&answer.payload) else {
        return Outcome::Unknown;
    };
    match (refusal(&answer), answer["seq"].as_u64()) {
        (Some((BEING_STORED, _)), _) | (None, None | Some(0)) => Outcome::Unknown,
        (Some((number, text)), _) => {
            tracing::warn!("the stream takes no message: {text} (error {number})");
            Outcome::Refused
        }
        (None, Some(seq)) => Outcome::Stored(seq),
    }
}

/// Nanoseconds since 1970-01-01 UTC.
fn wall_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The epoch of all channels: another one when any stream is in another life.
pub(super) fn epoch(partitions: &[Partition]) -> Epoch {
    epoch_of(partitions.iter().map(|partition| partition.life))
}

/// The epoch of channels with streams in these lives.
pub(super) fn epoch_of(lives: impl Iterator<Item = u64>) -> Epoch {
    Epoch(subjects::fnv1a(lives.flat_map(u64::to_be_bytes)).max(1))
}

//! The turn: a duty cycle of bounded work, one clock reading each.
//!
//! 1. admit the connections that arrived;
//! 2. take messages from the mailbox and the lanes, while the broker wants any, and hand over what
//!    the ring has completed;
//! 3. the clock's tick, if it is due;
//! 4. let it write (`poll_transmit`), then do what it asks (`poll_effect`);
//! 5. ring the bells of the shards that were sent something;
//! 6. more to do: let accepts and handshakes go on, and turn again. Else park, look once more, and
//!    wait to be woken (invariant 7).

use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use monoio::net::{TcpStream, UnixStream};

use super::clock;
use super::deliver::Delivery;
use super::desk::{Arrival, Desk, Place};
use super::drain::Drain;
use super::lanes::Neighbours;
use super::posting::Posting;
use super::receive::Slots;
use super::report::{Reporter, record_ring};
use super::seat::{Command, Question};
use super::secure::Secure;
use super::wake::Wake;
use crate::broker::effect::Effect;
use crate::broker::hub::{Admission, Hub, ReceiveEnd};
use crate::limits::{ADMISSIONS_PER_TURN, RECEIVE_BUFFERS, TURN_MESSAGES};
use crate::sync::{AddressPermit, Doorbell, Heartbeat, MailboxReceiver, Quota};
use crate::telemetry::{ConnectionError, Count, Gauge};
use crate::types::{
    AuthError, ConnectionKey, Now, Publication, PublishError, Seq, ServiceId, ShardId,
};

/// One shard's broker and everything that it is driven with.
pub(super) struct Turn {
    pub id: ShardId,
    pub hub: Hub,
    pub delivery: Delivery,
    pub slots: Slots,
    pub neighbours: Neighbours,
    pub mailbox: MailboxReceiver<Command>,
    /// Taken from the mailbox, and not all published yet.
    pub posting: Option<Posting>,
    pub bell: Arc<Doorbell>,
    /// The bell's descriptor: always writable, so that waiting for it lets monoio do one round.
    pub round: UnixStream,
    pub desk: Rc<Desk>,
    pub wake: Rc<Wake>,
    /// Set by the timer.
    pub tick: Rc<Cell<bool>>,
    pub reporter: Reporter,
    pub heartbeat: Arc<Heartbeat>,
    pub quotas: Arc<[Quota]>,
    /// By slot, where connections of one address are limited; else empty.
    pub lodgings: Vec<Option<AddressPermit>>,
    pub ask: Sender<Question>,
    pub started: Instant,
    pub drain: Drain,
    /// Those of one turn, on their way to the ring.
    pub admitted: Vec<Admitted>,
}

/// A connection that the broker knows and whose socket is about to be put on the ring.
pub(super) struct Admitted {
    key: ConnectionKey,
    service: ServiceId,
    stream: TcpStream,
    /// The peer has said close_notify already.
    ended: bool,
}

impl Turn {
    /// Turns until the shard is drained.
    pub(super) async fn run(&mut self) {
        loop {
            self.wake.clear();
            let more = self.turn();
            if self.drain.is_over(&self.hub, &self.desk) {
                break;
            }
            if more || !self.park() {
                // Not by waking ourselves: monoio 0.2.4 would run nothing else, nor its timers.
                let _ = self.round.writable(true).await;
            } else {
                self.wake.wait().await;
                self.unpark();
            }
        }
        self.gather();
        self.reporter.hand_over(&mut self.hub.recorder);
        self.drain.answer(&self.hub);
    }

    /// One turn. Returns whether more is due.
    pub(super) fn turn(&mut self) -> bool {
        let now = clock::now(self.started);
        // First, while no `Release` waits to be done: the broker may admit to an index it has just
        // released, and the slot must be empty by then (invariant 12).
        self.admit(now);
        let mut more = !self.desk.is_quiet();
        more |= self.take_messages(now);
        self.neighbours.tell_of_room();
        more |= self.take_completions(now);
        if self.tick.take() {
            self.on_tick(now);
        }
        // Before the sends, so that one enter takes both.
        more |= self.slots.rearm(&mut self.delivery);
        more |= self.hub.poll_transmit(now, &mut self.delivery, &mut self.neighbours);
        for index in self.delivery.worn.drain(..) {
            self.hub.handle_worn_keys(now, index);
            more = true;
        }
        while let Some(effect) = self.hub.poll_effect() {
            self.apply(now, effect);
        }
        more |= self.slots.rearm(&mut self.delivery);
        self.delivery.finish();
        self.neighbours.ring();
        let took = clock::time(self.started).ns_since(now.mono);
        self.hub.recorder.turned(took);
        self.hub.record_handling(took);
        self.desk.governor.refill(Duration::from_nanos(took), more);
        more || !self.desk.governor.is_quiet()
    }

    /// Says that we sleep. Returns whether there is really nothing to do.
    pub(super) fn park(&mut self) -> bool {
        self.bell.park();
        // Now certain to see who waits for what was taken: the bell's fence (invariant 7).
        self.neighbours.tell_of_room();
        self.delivery.ring.listen(true);
        let has_input =
            self.posting.is_some() || !(self.mailbox.is_empty() && self.neighbours.is_quiet());
        let idle = !self.wake.is_set()
            && self.desk.is_quiet()
            && self.delivery.ring.is_quiet()
            && !self.neighbours.have_room_again()
            && !(has_input && self.hub.wants_input());
        if !idle {
            self.unpark();
        }
        idle
    }

    /// Says that we are awake: nobody need wake us.
    pub(super) fn unpark(&mut self) {
        self.bell.unpark();
        self.delivery.ring.listen(false);
    }

    /// Hands in messages of all sources in turns. Returns whether some had to be left.
    fn take_messages(&mut self, now: Now) -> bool {
        let mut left = TURN_MESSAGES;
        while self.hub.wants_input() {
            if left == 0 {
                return true;
            }
            let mut found = false;
            if let Some(posting) = self.posting.take() {
                self.posting = posting.post(|item| self.publish(now, item));
                (left, found) = (left - 1, true);
            } else if let Some((command, _)) = self.mailbox.pop() {
                self.obey(now, command);
                (left, found) = (left - 1, true);
            }
            for from in (0..self.neighbours.len()).map(|shard| ShardId(shard as u8)) {
                if let Some(request) = self.neighbours.pop_request(from) {
                    self.hub.handle_request(now, from, request);
                    (left, found) = (left.saturating_sub(1), true);
                }
                if let Some(notice) = self.neighbours.pop_notice(from) {
                    self.hub.handle_notice(now, from, notice);
                    (left, found) = (left.saturating_sub(1), true);
                }
            }
            if !found {
                return false;
            }
        }
        false
    }

    fn obey(&mut self, now: Now, command: Command) {
        // Whoever asked may have stopped waiting: then nobody needs the answer.
        match command {
            Command::Publish { items, reply } => self.posting = Some(Posting::new(items, reply)),
            Command::List { service, from, limit, reply } => {
                let _ = reply.send(self.hub.channels(service, from, limit));
            }
            Command::Count { names, reply } => {
                let _ = reply.send(self.hub.subscribers(&names));
            }
            Command::Authenticated { key, verdict } => {
                self.hub.handle_authenticated(now, key, verdict);
            }
            Command::SetDocument { channel, document, reply } => {
                let set = self.hub.set_document(now, &channel, document);
                let _ = reply.send(set.map_err(|why| self.refusal(why)));
            }
            Command::Document { channel, reply } => {
                let _ = reply.send(self.hub.document(&channel));
            }
            Command::Expel { command, from, reply } => {
                let _ = reply.send(self.hub.expel(now, &command, from));
            }
            Command::Drain { deadline, reply } => {
                self.desk.close();
                self.hub.begin_drain(now);
                self.drain.begin(deadline, reply, &self.hub);
            }
        }
    }

    fn publish(&mut self, now: Now, item: &Publication) -> Result<Seq, PublishError> {
        self.hub.publish(now, item).map_err(|why| self.refusal(why))
    }

    /// A drain explains every refusal.
    fn refusal(&self, why: PublishError) -> PublishError {
        if self.desk.is_closed() { PublishError::Closed } else { why }
    }

    /// Returns whether some had to be left: no more are taken than fill all receive buffers, or
    /// hold as many messages as a turn may take.
    fn take_completions(&mut self, now: Now) -> bool {
        let mut taken = 0;
        let is_enough =
            |taken, hub: &Hub| taken == RECEIVE_BUFFERS || hub.handled() >= TURN_MESSAGES;
        while !is_enough(taken, &self.hub)
            && let Some(completion) = self.delivery.ring.next()
        {
            self.slots.complete(now, completion, &mut self.delivery, &mut self.hub);
            taken += 1;
        }
        is_enough(taken, &self.hub)
    }

    /// Puts those who have arrived on the ring. Their ordinary descriptors go with the arrivals.
    fn admit(&mut self, now: Now) {
        let mut admitted = std::mem::take(&mut self.admitted);
        for _ in 0..ADMISSIONS_PER_TURN {
            let Some(arrival) = self.desk.take() else { break };
            admitted.extend(self.take_in(now, arrival));
        }
        // Neighbouring slots by one call: newcomers of one turn mostly have such.
        for run in admitted.chunk_by(|a, b| a.key.index + 1 == b.key.index) {
            self.place(now, run);
        }
        admitted.clear();
        self.admitted = admitted;
    }

    fn place(&mut self, now: Now, run: &[Admitted]) {
        let sockets: Vec<_> = run.iter().map(|admitted| admitted.stream.as_raw_fd()).collect();
        let keys = run.iter().map(|admitted| admitted.key);
        let placed = self.delivery.ring.place_run(keys, &sockets);
        for (place, Admitted { key, service, ended, .. }) in run.iter().enumerate() {
            let end = match &placed {
                Err((first, error)) if place >= *first => {
                    tracing::error!(%error, "the delivery ring takes no more connections");
                    self.desk.error(*service, ConnectionError::Descriptors);
                    Some(ReceiveEnd::Reset)
                }
                _ => ended.then_some(ReceiveEnd::Eof),
            };
            if let Some(end) = end {
                self.slots.report_end(now, *key, end, &mut self.delivery, &mut self.hub);
            }
        }
    }

    /// Makes a connection of an arrival; its socket is not on the ring yet.
    fn take_in(&mut self, now: Now, arrival: Arrival) -> Option<Admitted> {
        if self.desk.is_closed() {
            return None;
        }
        let Arrival { stream, service, peer, response, mut leftover, .. } = arrival;
        let Arrival { secure: session, ended, place, lodging, token, .. } = arrival;
        let Arrival { probe, handshake, .. } = arrival;
        let (secure, over_capacity) = (!matches!(session, Secure::None), place.is_none() && !probe);
        let admission = Admission { service, peer, secure, over_capacity, token, probe, response };
        // Without room in its table the broker counts that, and the socket is dropped.
        let key = self.hub.admit(now, admission)?;
        if !probe {
            let greeted = handshake.began.elapsed().as_nanos();
            self.hub.recorder.greeted(u64::try_from(greeted).unwrap_or(u64::MAX));
        }
        self.delivery.keep_session(key.index, session);
        let metered = self.hub.is_metered(key);
        self.slots.open(key, metered, place.is_some().then_some(service));
        self.lodge(key.index, lodging);
        place.into_iter().for_each(Place::keep);
        if !leftover.is_empty() {
            self.hub.handle_received(now, key, &mut leftover);
        }
        Some(Admitted { key, service, stream, ended })
    }

    fn lodge(&mut self, index: u32, lodging: Option<AddressPermit>) {
        if lodging.is_some() && self.lodgings.len() <= index as usize {
            self.lodgings.resize_with(index as usize + 1, || None);
        }
        if let Some(place) = self.lodgings.get_mut(index as usize) {
            *place = lodging;
        }
    }

    fn on_tick(&mut self, now: Now) {
        self.heartbeat.beat(now.mono);
        self.hub.handle_tick(now);
        self.gather();
        self.reporter.report(now.mono, &mut self.hub.recorder);
    }

    /// Brings the recorder up to date with what is counted elsewhere.
    fn gather(&mut self) {
        self.hub.update_gauges();
        self.desk.record(&mut self.hub.recorder);
        self.hub.recorder.set(Gauge::TlsUser, self.delivery.secured.user);
        self.hub.recorder.set(Gauge::TlsKernel, self.delivery.secured.kernel);
        record_ring(&mut self.delivery.ring, &mut self.hub.recorder);
        self.reporter.record_work(&mut self.hub.recorder);
        self.hub.recorder.set(Gauge::MailboxMessages, self.mailbox.used());
        self.hub.recorder.count(Count::MailboxRefusals, self.mailbox.take_refusals() as u64);
    }

    fn apply(&mut self, now: Now, effect: Effect) {
        let delivery = &mut self.delivery;
        match effect {
            Effect::Authenticate { service, key, token } => {
                let question = Question { shard: self.id, service, key, token };
                // There is room; but nobody may be left to answer, while draining.
                if self.ask.try_send(question).is_err() {
                    self.hub.handle_authenticated(now, key, Err(AuthError::Overload));
                }
            }
            Effect::PauseReceive(key) => self.slots.pause(key, delivery),
            Effect::ResumeReceive(key) => self.slots.resume(key),
            Effect::AwaitWritable(key) => self.slots.await_writable(key, delivery),
            Effect::ShutdownWrite(key) => self.slots.shutdown_write(key, delivery),
            Effect::CancelReceive(key) => {
                if self.slots.end(key, delivery) {
                    self.hub.handle_receive_ended(now, key);
                }
            }
            Effect::Release(key) => {
                if let Some(service) = self.slots.release(key) {
                    self.quotas[service.index()].release();
                }
                self.lodge(key.index, None);
                let delivery = &mut self.delivery;
                delivery.drop_session(key.index);
                delivery.ring.clear(key);
            }
        }
    }
}

//! The event loop of a shard. One iteration is bounded work with one reading of the clock:
//!
//! 1. admit upgraded connections;
//! 2. handle messages of the mailbox and the lanes, while the broker accepts input, and the
//!    completions of the ring;
//! 3. handle the tick, if it is due;
//! 4. let the broker write (`poll_transmit`), then apply its effects (`poll_effect`);
//! 5. ring the bells of the shards that messages were sent to;
//! 6. if work is left, let accept and handshake tasks run and iterate again. Else park, check every
//!    source once more, and wait for the waker (invariant 7).

mod admit;
mod external;
mod handover;
mod standby;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use monoio::net::UnixStream;

use self::admit::Admitted;
use self::handover::Handover;
use super::client_log::log_report;
use super::clock;
use super::command::{Command, VerificationRequest};
use super::drain::Drain;
use super::handshake::{HandshakeQueue, Listeners};
use super::io::Slots;
use super::metrics_reporter::record_ring;
use super::parts::ShardParts;
use super::pending_publish::PendingPublish;
use super::wake_flag::WakeFlag;
use crate::broker::Hub;
use crate::broker::effect::Effect;
use crate::limits::{RECEIVE_BUFFERS, TURN_MESSAGES};
use crate::sync::AddressPermit;
use crate::telemetry::{Count, Gauge};
use crate::types::{AuthError, Now, Publication, PublishError, Seq, ShardId};

/// One shard's broker and all that drives it.
pub(super) struct EventLoop {
    pub parts: ShardParts,
    pub hub: Hub,
    pub slots: Slots,
    /// The publish command of the mailbox that is not finished.
    pub pending_publish: Option<PendingPublish>,
    /// The bell's descriptor: always writable, so that waiting for it lets monoio do one round.
    pub yield_poll: UnixStream,
    pub handshakes: Rc<HandshakeQueue>,
    pub listeners: Listeners,
    pub loop_waker: Rc<WakeFlag>,
    /// Set by the timer.
    pub tick: Rc<Cell<bool>>,
    /// By slot, where connections of one address are limited; else empty.
    pub address_permits: Vec<Option<AddressPermit>>,
    pub drain: Drain,
    /// While all connections are handed to another process, and afterwards.
    pub handover: Option<Handover>,
    /// Those of one iteration, before they are put on the ring. Kept for its capacity.
    pub admitted: Vec<Admitted>,
}

impl EventLoop {
    /// Iterates until the shard is drained.
    pub(super) async fn run(&mut self) {
        loop {
            self.loop_waker.clear();
            let more = self.iterate();
            if self.drain.is_over(&self.hub, &self.handshakes) {
                break;
            }
            if more || !self.park() {
                // Not by waking ourselves: monoio 0.2.4 would run nothing else, nor its timers.
                let _ = self.yield_poll.writable(true).await;
            } else {
                self.wait().await;
                self.unpark();
            }
        }
        self.update_recorder();
        self.parts.metrics.send(self.hub.recorder());
        self.drain.report(&self.hub);
    }

    /// Waits for a source to wake the loop, or until what the broker holds back is due.
    async fn wait(&self) {
        match self.hub.next_due() {
            None => self.loop_waker.wait().await,
            Some(due) => {
                let due = self.parts.started + Duration::from_nanos(due.0);
                let _ = monoio::time::timeout_at(due.into(), self.loop_waker.wait()).await;
            }
        }
    }

    /// One iteration. Returns whether work is left.
    pub(super) fn iterate(&mut self) -> bool {
        let now = clock::now(self.parts.started);
        self.hub.begin_iteration(now);
        // First, while no `Release` is pending: the broker may admit to an index it has just
        // released, and the slot must be empty by then (invariant 12).
        let mut more = self.admit();
        more |= self.handle_messages();
        self.parts.peers.ring_blocked_senders();
        more |= self.handle_completions();
        more |= self.advance_handover();
        if self.tick.take() {
            self.on_tick(now);
        }
        // Before the sends, so that one enter takes both.
        more |= self.slots.rearm();
        more |= self.hub.poll_transmit(&mut self.slots.delivery, &mut self.parts.peers);
        for index in self.slots.delivery.exhausted.drain(..) {
            self.hub.handle_worn_keys(index);
            more = true;
        }
        while let Some(effect) = self.hub.poll_effect() {
            self.apply_effect(effect);
        }
        self.ask_upstream();
        more |= self.slots.rearm();
        self.slots.delivery.finish();
        self.parts.peers.ring();
        let took = clock::time(self.parts.started).ns_since(now.mono);
        self.hub.recorder().turned(took);
        self.hub.record_handling(took);
        self.handshakes.budget.refill(Duration::from_nanos(took), more);
        self.finish_handover_turn(more);
        more || !self.handshakes.budget.is_idle()
    }

    /// Announces that the shard sleeps, then checks every source. Returns whether all are idle.
    pub(super) fn park(&mut self) -> bool {
        self.parts.bell.park();
        // Call again after `park()`: a sender may have found its lane full before (invariant 7).
        self.parts.peers.ring_blocked_senders();
        self.slots.delivery.ring.listen(true);
        let has_input = self.pending_publish.is_some()
            || !(self.parts.mailbox.is_empty() && self.parts.peers.is_empty())
            || self.has_notices();
        let has_work = self.loop_waker.is_set()
            || self.has_admissions()
            || self.parts.peers.have_room_again()
            || has_input && self.hub.wants_input();
        let idle = !has_work && self.slots.delivery.ring.is_quiet();
        if !idle {
            self.unpark();
        }
        idle
    }

    /// Announces that the shard is awake: no bell and no event is needed.
    pub(super) fn unpark(&mut self) {
        self.parts.bell.unpark();
        self.slots.delivery.ring.listen(false);
    }

    /// Handles messages of all sources, one of each in rotation. Returns whether some are left.
    fn handle_messages(&mut self) -> bool {
        let mut handled = 0;
        while self.hub.wants_input() {
            if handled >= TURN_MESSAGES {
                return true;
            }
            let before = handled;
            if let Some(pending) = self.pending_publish.take() {
                handled += pending.next_cost();
                self.pending_publish = pending.publish_next(|item| self.publish(item));
            } else if let Some((command, _)) = self.parts.mailbox.pop() {
                handled += command.cost();
                if command.may_concern_others() {
                    self.touch_handover();
                }
                self.handle_command(command);
            }
            let mut from_shards = 0;
            for from in (0..self.parts.peers.len()).map(|shard| ShardId(shard as u8)) {
                if let Some(request) = self.parts.peers.pop_request(from) {
                    from_shards += request.cost();
                    self.hub.handle_request(from, request);
                }
                if let Some(notice) = self.parts.peers.pop_notice(from) {
                    self.hub.handle_notice(from, notice);
                    from_shards += 1;
                }
            }
            if from_shards > 0 {
                handled += from_shards;
                self.touch_handover();
            }
            handled += self.handle_upstream();
            if handled == before {
                return false;
            }
        }
        false
    }

    fn handle_command(&mut self, command: Command) {
        // A reply fails if its receiver has stopped waiting.
        match command {
            Command::Publish { items, reply } => {
                self.pending_publish = Some(PendingPublish::new(items, reply))
            }
            Command::Ask(question) => question.answer(&mut self.hub),
            Command::Authenticated { key, verdict } => {
                self.hub.handle_authenticated(key, verdict);
            }
            Command::SetDocument { channel, document, reply } => {
                let set = self.hub.set_document(&channel, document);
                let _ = reply.send(set.map_err(|why| self.refusal(why)));
            }
            Command::SetState { channel, state, reply } => {
                let _ = reply.send(self.hub.set_state(&channel, state));
            }
            Command::Expel { command, from, reply } => {
                let _ = reply.send(self.hub.disconnect(&command, from));
            }
            Command::Configure { config, reply } => {
                self.handshakes.reconfigure(&config);
                self.hub.reconfigure(config);
                let _ = reply.send(());
            }
            Command::Refuse { until, reply } => {
                self.handshakes.refuse(until);
                self.hub.refuse_newcomers();
                let _ = reply.send(());
            }
            Command::HandOver(order) => self.handle_handover(order),
            Command::Drain { deadline, reply } => {
                self.handshakes.close();
                self.hub.begin_drain();
                self.drain.begin(deadline, reply, &self.hub);
            }
        }
    }

    fn publish(&mut self, item: &Publication) -> Result<Seq, PublishError> {
        if self.refuses_publications() {
            return Err(PublishError::Saturated);
        }
        self.touch_handover();
        self.hub.publish(item).map_err(|why| self.refusal(why))
    }

    /// While the shard drains, every refusal is `Closed`.
    fn refusal(&self, why: PublishError) -> PublishError {
        if self.handshakes.is_closed() { PublishError::Closed } else { why }
    }

    /// Returns whether some may be left: an iteration handles at most RECEIVE_BUFFERS completions
    /// and TURN_MESSAGES messages.
    fn handle_completions(&mut self) -> bool {
        let mut taken = 0;
        let is_enough =
            |taken, hub: &Hub| taken == RECEIVE_BUFFERS || hub.handled() >= TURN_MESSAGES;
        while !is_enough(taken, &self.hub)
            && let Some(completion) = self.slots.delivery.ring.next()
        {
            self.slots.complete(completion, &mut self.hub);
            taken += 1;
        }
        is_enough(taken, &self.hub)
    }

    fn on_tick(&mut self, now: Now) {
        self.parts.heartbeat.beat(now.mono);
        // What is handed over keeps its deadlines: they are met where it is then.
        if !self.is_handing_over() {
            self.hub.handle_tick();
        }
        self.update_recorder();
        self.parts.metrics.report(now.mono, self.hub.recorder());
    }

    /// Records what is counted elsewhere.
    fn update_recorder(&mut self) {
        self.hub.update_gauges();
        self.handshakes.record(self.hub.recorder());
        for gauge in [Gauge::TlsUser, Gauge::TlsKernel] {
            self.hub.recorder().set(gauge, self.slots.delivery.tls_gauges[gauge as usize]);
        }
        record_ring(&mut self.slots.delivery.ring, self.hub.recorder());
        self.parts.metrics.record_work(self.hub.recorder());
        self.hub.recorder().set(Gauge::MailboxMessages, self.parts.mailbox.used());
        let refusals = self.parts.mailbox.take_refusals() as u64;
        self.hub.recorder().count(Count::MailboxRefusals, refusals);
    }

    fn apply_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Authenticate { service, key, token } => {
                let request = VerificationRequest { shard: self.parts.id, service, key, token };
                // There is room, but the verifiers may have ended, while draining.
                if self.parts.verifications.try_send(request).is_err() {
                    self.hub.handle_authenticated(key, Err(AuthError::Overload));
                }
            }
            Effect::PauseReceive(key) => self.slots.pause(key),
            Effect::ResumeReceive(key) => self.slots.resume(key),
            Effect::AwaitWritable(key) => self.slots.await_writable(key),
            Effect::ShutdownWrite(key) => self.slots.shutdown_write(key),
            Effect::Log(report) => log_report(&report, self.hub.config()),
            Effect::Report(end) => {
                let ends = self.hub.config().ends.as_ref();
                // The log must not hold up a shard.
                if ends.is_some_and(|ends| ends.try_send(*end).is_err()) {
                    self.hub.recorder().count(Count::AccessLogDrops, 1);
                }
            }
            Effect::CancelReceive(key) => {
                if self.slots.close(key) {
                    self.hub.handle_receive_ended(key);
                }
            }
            Effect::Release(key) => {
                if let Some(service) = self.slots.release(key) {
                    self.parts.limits.quotas[service.index()].release();
                }
                self.set_address_permit(key.index, None);
            }
        }
    }
}

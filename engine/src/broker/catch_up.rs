//! Serving laggards: tail, outbox and logs, chunk by chunk, until they are level again.

use super::close::CloseReason;
use super::effect::Effect;
use super::hub::Hub;
use super::laggard::{Cursor, LagState, Laggard};
use super::log::Log;
use super::outlet::{Payload, WriteSink};
use crate::limits::RECOVERY_GRACE;
use crate::telemetry::Count;
use crate::types::{ConnectionKey, Now, Seq, Time};
use crate::wire::reply::{Gap, GapReason};

/// What a laggard gets next.
enum Next {
    Write(Payload),
    /// Nothing is owed: it is level with its channels, or closed.
    Level,
    /// It knows more than this shard's live set was handed yet: it waits for the sweep.
    Hold,
    /// A log ran past a cursor of one who was too slow.
    FellOff,
}

/// Up to where there is nothing for a reader at `cursor`, if so.
fn missing_to(log: &Log, cursor: Seq) -> Option<Seq> {
    if cursor < log.first() {
        return Some(Seq(log.first().0 - 1));
    }
    // One that came from another shard may be in the middle of what is missing here.
    log.from(cursor).next().filter(|gap| gap.first < cursor).map(|gap| gap.seq)
}

impl Hub {
    /// After `Effect::AwaitWritable`: the socket has room, or is dead and will say so on writing.
    pub fn handle_writable(&mut self, _now: Now, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Some(laggard) = &mut connection.laggard
            && laggard.state == LagState::Waiting
        {
            laggard.state = LagState::Ready;
            self.ready.push_back(key);
        }
    }

    pub(super) fn await_writable(&mut self, key: ConnectionKey) {
        self.effects.push_back(Effect::AwaitWritable(key));
    }

    /// A live subscriber could not take its bytes. `at_cursor` names the channel in which it
    /// stands elsewhere than the live set says.
    pub(super) fn become_laggard(
        &mut self,
        now: Time,
        key: ConnectionKey,
        tail: Option<Payload>,
        at_cursor: Option<(u32, Seq)>,
        closing: bool,
    ) {
        let mut laggard = Laggard::new(now, LagState::Waiting);
        laggard.tail = tail;
        laggard.closing = closing;
        self.recorder.count(Count::Laggards, 1);
        self.make_laggard(key, laggard);
        if let Some((channel, next)) = at_cursor
            && let Some(laggard) = &mut self.connections[key.index].laggard
        {
            laggard.set_cursor(channel, next);
        }
        self.await_writable(key);
        self.charge(now, key);
    }

    /// A subscriber starts in the past: the same state, but nobody's fault.
    pub(super) fn recover_from(&mut self, now: Time, key: ConnectionKey, channel: u32, next: Seq) {
        if self.connections[key.index].laggard.is_none() {
            let mut laggard = Laggard::new(now, LagState::Ready);
            laggard.recovering = true;
            self.make_laggard(key, laggard);
            self.ready.push_back(key);
        }
        if let Some(laggard) = &mut self.connections[key.index].laggard {
            laggard.set_cursor(channel, next);
        }
        self.charge(now, key);
    }

    fn make_laggard(&mut self, key: ConnectionKey, mut laggard: Laggard) {
        let connection = &mut self.connections[key.index];
        for subscription in connection.subscriptions.as_slice() {
            let live = &self.channels[subscription.channel].live;
            laggard.set_cursor(subscription.channel, live.handed(subscription.position).next());
        }
        connection.laggard = Some(Box::new(laggard));
        self.gate.shut(key.index);
        self.laggards += 1;
    }

    /// Adds bytes to a laggard's outbox, or closes it when it holds too much.
    pub(super) fn owe(&mut self, now: Time, key: ConnectionKey, bytes: Vec<u8>, closes: bool) {
        let Some(laggard) = &mut self.connections[key.index].laggard else { return };
        if laggard.closing {
            return;
        }
        if closes {
            laggard.close_with(bytes);
        } else if laggard.state == LagState::Waiting
            && laggard.outbox.len() + bytes.len() > self.config.max_outbox
        {
            // One that may be written, as after a recovery, is not to blame: it gets it all now.
            return self.close(now, key, CloseReason::OutboxFull);
        } else {
            laggard.outbox.extend_from_slice(&bytes);
        }
        self.charge(now, key);
    }

    /// Keeps the shard's sum of laggard memory.
    pub(super) fn weigh(&mut self, key: ConnectionKey) {
        if let Some(laggard) = &mut self.connections[key.index].laggard {
            let bytes = laggard.bytes();
            self.laggard_bytes = self.laggard_bytes - laggard.charged + bytes;
            laggard.charged = bytes;
        }
    }

    /// Keeps the sum and its bound: the one that asks for more than there is goes.
    pub(super) fn charge(&mut self, now: Time, key: ConnectionKey) {
        self.weigh(key);
        let laggard = &self.connections[key.index].laggard;
        let lags = laggard.as_ref().is_some_and(|laggard| !laggard.closing);
        if lags && self.laggard_bytes > self.bounds.laggard_bytes {
            self.close(now, key, CloseReason::LaggardMemory);
        }
    }

    /// Forgets a connection's laggard state.
    pub(super) fn drop_laggard(&mut self, key: ConnectionKey) -> Option<Box<Laggard>> {
        let laggard = self.connections[key.index].laggard.take()?;
        self.laggard_bytes -= laggard.charged;
        self.laggards -= 1;
        Some(laggard)
    }

    pub(super) fn serve_laggards(&mut self, now: Now, outlet: &mut impl WriteSink) {
        for _ in 0..self.ready.len().min(self.bounds.laggards) {
            let Some(key) = self.ready.pop_front() else { break };
            self.serve(now, key, outlet);
        }
    }

    fn serve(&mut self, now: Now, key: ConnectionKey, outlet: &mut impl WriteSink) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(mut laggard) = connection.laggard.take() else { return };
        if laggard.state != LagState::Ready {
            connection.laggard = Some(laggard);
            return;
        }
        let next = self.next_of(now, key, &mut laggard);
        if let Next::Write(_) = next {
            laggard.state = LagState::Writing;
        }
        self.connections[key.index].laggard = Some(laggard);
        self.charge(now.mono, key);
        match next {
            Next::Write(payload) => {
                outlet.load(payload);
                self.begin_laggard_run(key);
                if outlet.push(key.index) {
                    self.flush(outlet);
                }
            }
            Next::Level => self.level(now.mono, key),
            Next::Hold => self.ready.push_back(key),
            Next::FellOff => {
                // It is still ready: for the close frame.
                self.ready.push_back(key);
                self.close(now.mono, key, CloseReason::SlowConsumer);
            }
        }
    }

    fn next_of(&mut self, now: Now, key: ConnectionKey, laggard: &mut Laggard) -> Next {
        if let Some(tail) = laggard.tail.take() {
            return Next::Write(tail);
        }
        if !laggard.outbox.is_empty() {
            return Next::Write(Payload::Owned(std::mem::take(&mut laggard.outbox)));
        }
        let (mut joined, mut ahead) = (Vec::new(), false);
        for _ in 0..laggard.cursors.len() {
            laggard.turn %= laggard.cursors.len();
            let turn = laggard.turn;
            let cursor = laggard.cursors[turn];
            let channel = &self.channels[cursor.channel];
            let Some(place) = self.connections[key.index].subscriptions.get(cursor.channel) else {
                laggard.turn += 1;
                continue;
            };
            // Up to where the live set stands for this subscriber, so that going live loses and
            // repeats nothing (invariant 2).
            let handed = channel.live.handed(place.position);
            if cursor.next > handed {
                ahead |= cursor.next > handed.next();
                laggard.turn += 1;
                continue;
            }
            if !laggard.recovering && cursor.next < channel.log.first() {
                return Next::FellOff;
            }
            if let Some(to) = missing_to(&channel.log, cursor.next) {
                joined.extend(self.gap_message(now, cursor, to));
                laggard.cursors[turn].next = to.next();
                continue;
            }
            let mut count = 0;
            for (frame, _) in channel.log.range(cursor.next, handed) {
                let bytes = frame.bytes();
                if joined.is_empty() && bytes.len() >= self.bounds.chunk {
                    laggard.cursors[turn].next = frame.seq.next();
                    laggard.turn += 1;
                    self.recorder.replayed(channel.name.service(), 1);
                    return Next::Write(Payload::Frame(frame.clone(), 0));
                }
                if joined.len() + bytes.len() > self.bounds.chunk {
                    break;
                }
                joined.extend_from_slice(bytes);
                laggard.cursors[turn].next = frame.seq.next();
                count += 1;
            }
            self.recorder.replayed(channel.name.service(), count);
            let rest = laggard.cursors[turn].next <= handed;
            // A channel that got nothing, its frame being too large for what was left, is next.
            laggard.turn += usize::from(count > 0 || !rest);
            if rest {
                break;
            }
        }
        match (joined.is_empty(), ahead) {
            (false, _) => Next::Write(Payload::Owned(joined)),
            (true, true) => Next::Hold,
            (true, false) => Next::Level,
        }
    }

    /// A message for one subscriber that cannot have what is between its cursor and `to`.
    fn gap_message(&mut self, now: Now, cursor: Cursor, to: Seq) -> Vec<u8> {
        let stamp = self.stamp(now);
        let channel = &self.channels[cursor.channel];
        let epoch = channel.log.epoch();
        let gap = Gap { from: cursor.next, to, epoch, reason: GapReason::Retention };
        let mut bytes = Vec::new();
        self.encoder.gap(stamp, &channel.name, &gap, &mut bytes);
        self.missed(gap.to.0 - gap.from.0 + 1);
        bytes
    }

    /// A laggard's write went out whole, unless an exception said otherwise.
    pub(super) fn laggard_written(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Some(laggard) = &mut connection.laggard
            && laggard.state == LagState::Writing
        {
            laggard.state = LagState::Ready;
            self.ready.push_back(key);
        }
    }

    /// Nothing is owed any more: live again, or closed.
    fn level(&mut self, now: Time, key: ConnectionKey) {
        let Some(laggard) = self.drop_laggard(key) else { return };
        if laggard.closing {
            return self.close_written(now, key);
        }
        self.gate.open(key.index);
        if !laggard.recovering {
            self.recorder.caught_up(now.ns_since(laggard.since));
        }
    }

    /// Closes a laggard whom a log ran past while its socket was full (the clock asks).
    pub(super) fn check_laggard(&mut self, now: Time, key: ConnectionKey) {
        let Some(laggard) = &mut self.connections[key.index].laggard else { return };
        laggard.recovering &= now.since(laggard.since) < RECOVERY_GRACE;
        let fell_off = |cursor: &Cursor| cursor.next < self.channels[cursor.channel].log.first();
        if !laggard.recovering && !laggard.closing && laggard.cursors.iter().any(fell_off) {
            self.close(now, key, CloseReason::SlowConsumer);
        }
    }
}

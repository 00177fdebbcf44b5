//! Serving laggards: tail, outbox and logs, chunk by chunk, until they are level again.

use super::chains::Chains;
use super::form::Form;
use super::laggard::{Cursor, LagState, Laggard};
use super::reader_context::ReaderContext;
use super::twins::Twins;
use super::write_batch::Run;
use super::write_sink::{Payload, WriteSink};
use super::{Delivery, Work};
use crate::broker::channel::{Channels, Log};
use crate::broker::connection::{CloseReason, Connections};
use crate::broker::context::{Context, Ending};
use crate::broker::shared_count::SharedCount;
use crate::limits::RECOVERY_GRACE;
use crate::telemetry::{Count, Lag, SlowConsumer, keep_slowest};
use crate::types::ChannelIndex;
use crate::types::{ConnectionKey, Seq};
use crate::wire::reply::{self, Gap};

/// What a laggard gets next.
enum Next {
    Write(Payload),
    /// Nothing is owed: it is level with its channels, or closed.
    Level,
    /// It has more than this shard's live set was handed yet: it waits for the sweep.
    Hold,
    /// A log ran past a cursor of one that was too slow.
    FellOff,
}

/// The laggards of a round of ticks, as far as it has looked.
#[derive(Debug, Default)]
pub(super) struct Survey {
    by_lag: [u64; Lag::COUNT],
    slowest: Vec<SlowConsumer>,
}

/// Up to where there is nothing for a reader at `cursor`, if so.
fn missing_to(log: &Log, cursor: Seq) -> Option<Seq> {
    if cursor < log.first() {
        return Some(Seq(log.first().0 - 1));
    }
    // A cursor that was set at another shard may be in the middle of what is missing here.
    log.from(cursor).next().filter(|gap| gap.first < cursor).map(|gap| gap.seq)
}

impl Delivery {
    /// After `Effect::AwaitWritable`: the socket has space, or is dead and will say so on writing.
    pub(in crate::broker) fn handle_writable(&mut self, key: ConnectionKey) {
        self.laggards.make_ready(key, LagState::Waiting);
    }

    /// A subscriber starts in the past: a laggard that is not to blame for it.
    pub(in crate::broker) fn recover(
        &mut self,
        cx: &mut Context,
        channels: &Channels,
        key: ConnectionKey,
        channel: ChannelIndex,
        next: Seq,
    ) {
        if self.laggards.get(key.index).is_none() {
            let service = channels.name(channel).service();
            let mut laggard = Laggard::new(service, cx.time(), LagState::Ready);
            laggard.recovering = true;
            self.add_laggard(channels, key, laggard);
        }
        self.move_cursor(key.index, channel, next);
        self.charge(cx, key);
    }

    pub(super) fn add_laggard(
        &mut self,
        channels: &Channels,
        key: ConnectionKey,
        mut laggard: Laggard,
    ) {
        for subscription in channels.subscriptions_of(key.index) {
            if let Some(handed) = self.handed(channels, key.index, subscription.channel) {
                laggard.set_cursor(subscription.channel, handed.next());
            }
        }
        self.laggards.add(key, laggard);
        self.chains.forget(key.index);
        self.gate.shut(key.index);
    }

    /// Next position that a laggard reads in a channel.
    pub(in crate::broker) fn cursor(&self, connection: u32, channel: ChannelIndex) -> Option<Seq> {
        self.laggards.get(connection)?.cursor(channel)
    }

    /// Sets or adds a cursor, if the connection is a laggard.
    pub(in crate::broker) fn move_cursor(
        &mut self,
        connection: u32,
        channel: ChannelIndex,
        next: Seq,
    ) {
        if let Some(laggard) = self.laggards.get_mut(connection) {
            laggard.set_cursor(channel, next);
        }
    }

    pub(in crate::broker) fn remove_cursor(&mut self, connection: u32, channel: ChannelIndex) {
        if let Some(laggard) = self.laggards.get_mut(connection) {
            laggard.remove_cursor(channel);
        }
    }

    pub(in crate::broker) fn remove_cursors(&mut self, connection: u32) {
        if let Some(laggard) = self.laggards.get_mut(connection) {
            laggard.cursors = Vec::new();
            self.laggards.weigh(connection);
        }
    }

    /// Adds bytes to a laggard's outbox, or closes it when it holds too much.
    pub(super) fn owe(
        &mut self,
        cx: &mut Context,
        key: ConnectionKey,
        bytes: Vec<u8>,
        closes: bool,
    ) {
        let Some(laggard) = self.laggards.get_mut(key.index) else { return };
        if laggard.closing {
            return;
        }
        if closes {
            laggard.close_with(bytes);
        } else if laggard.state == LagState::Waiting
            && laggard.outbox.len() + bytes.len() > cx.config.max_outbox
        {
            // One that may be written, as after a recovery, is not to blame: it gets it all now.
            return cx.close(key, CloseReason::OutboxFull);
        } else {
            laggard.outbox.extend_from_slice(&bytes);
        }
        self.charge(cx, key);
    }

    /// Keeps the sum of memory and its bounds: the laggard that asks for more than there is goes.
    pub(in crate::broker) fn charge(&mut self, cx: &mut Context, key: ConnectionKey) {
        self.laggards.weigh(key.index);
        let lagging = self.laggards.get(key.index).filter(|laggard| !laggard.closing);
        let Some(service) = lagging.map(|laggard| laggard.service) else { return };
        if !self.laggards.bytes().fits(service, 0, cx.limits.laggard_bytes) {
            cx.close(key, CloseReason::LaggardMemory);
        }
    }

    /// Memory of all laggards.
    pub(in crate::broker) fn laggard_bytes(&self) -> &SharedCount {
        self.laggards.bytes()
    }

    /// Serves some of the laggards that may be written.
    pub(in crate::broker) fn serve_laggards(&mut self, work: &mut Work<'_, impl WriteSink>) {
        for _ in 0..self.laggards.ready().min(work.cx.limits.laggards) {
            let Some(key) = self.laggards.next_ready() else { break };
            if work.connections.get(key).is_some() {
                self.serve(work, key);
            }
        }
    }

    fn serve(&mut self, work: &mut Work<'_, impl WriteSink>, key: ConnectionKey) {
        let Some(laggard) = self.laggards.get_mut(key.index) else { return };
        if laggard.state != LagState::Ready {
            return;
        }
        let next = next_of(work, &self.chains, &mut self.twins, key, laggard);
        if let Next::Write(_) = next {
            laggard.state = LagState::Writing;
        }
        self.charge(work.cx, key);
        match next {
            Next::Write(payload) => {
                work.sink.load(payload);
                self.batch.runs.push(Run::Laggard { key });
                if work.sink.push(key.index) {
                    self.flush(work);
                }
            }
            Next::Level => self.go_live(work.cx, key),
            Next::Hold => self.laggards.requeue(key),
            Next::FellOff => {
                // It is still ready: for the close frame.
                self.laggards.requeue(key);
                work.cx.close(key, CloseReason::SlowConsumer);
            }
        }
    }

    /// Nothing is owed any more: live again, or closed.
    fn go_live(&mut self, cx: &mut Context, key: ConnectionKey) {
        let Some(laggard) = self.laggards.remove(key.index) else { return };
        if laggard.closing {
            return cx.end(key, Ending::CloseWritten);
        }
        self.gate.open(key.index);
        if !laggard.recovering {
            cx.recorder.caught_up(cx.now.mono.ns_since(laggard.since));
        }
    }

    // Looking after laggards, once a round.

    /// Surveys a laggard. Returns `false` if a log ran past it while its socket was full.
    pub(in crate::broker) fn tend(
        &mut self,
        cx: &Context,
        channels: &Channels,
        connections: &Connections,
        connection: u32,
    ) -> bool {
        // The gate's dense table answers for those that are live.
        if self.gate.is_open(connection) {
            return true;
        }
        let Some(laggard) = self.laggards.get_mut(connection) else { return true };
        self.survey.by_lag[laggard.lag() as usize] += 1;
        let owed = laggard.owed(channels);
        keep_slowest(&mut self.survey.slowest, owed, || {
            let key = connections.key(connection);
            SlowConsumer {
                id: connections.id(cx.shard, key),
                peer: connections[key].peer(),
                service: connections[key].service(),
                owed,
                behind: cx.time().since(laggard.since),
                state: laggard.lag(),
            }
        });
        laggard.recovering &= cx.time().since(laggard.since) < RECOVERY_GRACE;
        let fell_off = |cursor: &Cursor| cursor.next < channels.log(cursor.channel).first();
        laggard.recovering || laggard.closing || !laggard.cursors.iter().any(fell_off)
    }

    /// A round of ticks is over: records what it has surveyed.
    pub(in crate::broker) fn end_round(&mut self, cx: &mut Context, channels: &Channels) {
        let Survey { by_lag, slowest } = std::mem::take(&mut self.survey);
        cx.recorder.lagging(by_lag);
        cx.recorder.record_top(slowest, |index| channels.name_at(index));
    }
}

fn next_of<S>(
    work: &mut Work<'_, S>,
    chains: &Chains,
    twins: &mut Twins,
    key: ConnectionKey,
    laggard: &mut Laggard,
) -> Next {
    if let Some(tail) = laggard.tail.take() {
        return Next::Write(tail);
    }
    if !laggard.outbox.is_empty() {
        return Next::Write(Payload::Owned(std::mem::take(&mut laggard.outbox)));
    }
    let chunk = work.cx.limits.chunk;
    let (mut joined, mut ahead) = (Vec::new(), false);
    for _ in 0..laggard.cursors.len() {
        laggard.next_cursor %= laggard.cursors.len();
        let cursor = &mut laggard.cursors[laggard.next_cursor];
        // Up to where the live set stands for this subscriber, so that going live loses and
        // repeats nothing (invariant 2).
        let Some(handed) = chains.handed(work.channels, key.index, cursor.channel) else {
            laggard.next_cursor += 1;
            continue;
        };
        if cursor.next > handed {
            if cursor.next > handed.next() {
                ahead = true;
                work.channels.hurry(cursor.channel);
            }
            laggard.next_cursor += 1;
            continue;
        }
        let log = work.channels.log(cursor.channel);
        if !laggard.recovering && cursor.next < log.first() {
            return Next::FellOff;
        }
        if let Some(to) = missing_to(log, cursor.next) {
            joined.extend(gap_message(work.cx, work.channels, key, *cursor, to));
            cursor.next = to.next();
            work.channels.interrupt_context(key.index, cursor.channel);
            continue;
        }
        let service = work.channels.name(cursor.channel).service();
        let mut context = ReaderContext::new(work.channels.since(key.index, cursor.channel));
        let (mut count, mut large) = (0, None);
        let plain = Form::of(work.channels, key.index, cursor.channel);
        for (frame, _) in log.range(cursor.next, handed) {
            let deflation = context.next(&mut work.cx.recorder, twins, frame);
            let form = plain.deflated(deflation);
            let len = form.len(frame);
            if joined.is_empty() && len >= chunk {
                large = Some(form.rest(frame, 0));
            } else if joined.len() + len > chunk {
                break;
            } else {
                form.append(frame, &mut joined);
            }
            context.took(&mut work.cx.recorder, frame, deflation);
            cursor.next = frame.seq.next();
            count += 1;
            if large.is_some() {
                break;
            }
        }
        work.cx.recorder.replayed(service, count);
        context.keep(work.channels, key.index, cursor.channel);
        if let Some(payload) = large {
            laggard.next_cursor += 1;
            return Next::Write(payload);
        }
        let rest = cursor.next <= handed;
        // A channel that got nothing, its frame being too large for what was left, is next.
        laggard.next_cursor += usize::from(count > 0 || !rest);
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
fn gap_message(
    cx: &mut Context,
    channels: &Channels,
    key: ConnectionKey,
    cursor: Cursor,
    to: Seq,
) -> Vec<u8> {
    let (log, name) = (channels.log(cursor.channel), channels.name(cursor.channel));
    let (from, epoch) = (cursor.next, log.epoch());
    let gap = Gap { from, to, epoch };
    cx.recorder.count(Count::Missed, to.0 - from.0 + 1);
    let frame =
        cx.encode(|encoder, stamp, out| encoder.write(stamp, None, &reply::gap(name, &gap), out));
    Form::of(channels, key.index, cursor.channel).message(frame, to)
}

//! Serving laggards: tail, outbox and logs, chunk by chunk, until they are level again.

use super::chains::Chains;
use super::form::{Form, positions_beside};
use super::laggard::{LagState, Laggard};
use super::reader_context::ReaderContext;
use super::reading::{Brought, Reading};
use super::skips::{SkipStart, Skips};
use super::slow_policy::Behind;
use super::twins::Twins;
use super::write_batch::Run;
use super::write_sink::{Payload, WriteSink};
use super::{Delivery, Work};
use crate::broker::channel::Channels;
use crate::broker::connection::{CloseReason, Connections};
use crate::broker::context::{Context, Ending};
use crate::broker::shared_count::SharedCount;
use crate::config::SlowPolicy;
use crate::limits::RECOVERY_GRACE;
use crate::telemetry::{Lag, SlowConsumer, keep_slowest};
use crate::types::ChannelIndex;
use crate::types::{ConnectionKey, Seq};

/// What a laggard gets next.
enum Next {
    Write(Payload),
    /// Nothing is owed: it is level with its channels, or closed.
    Level,
    /// It has more than this shard's live set was handed yet: it waits for the sweep.
    Hold,
    /// It is too far behind, and its channel's class says that it is to be closed.
    FellOff,
}

/// The laggards of a round of ticks, as far as it has looked.
#[derive(Debug, Default)]
pub(super) struct Survey {
    by_lag: [u64; Lag::COUNT],
    slowest: Vec<SlowConsumer>,
}

impl Delivery {
    /// After `Effect::AwaitWritable`: the socket has space, or is dead and will say so on writing.
    pub(in crate::broker) fn handle_writable(&mut self, key: ConnectionKey) {
        self.laggards.make_ready(key, LagState::Waiting);
    }

    /// A subscriber goes on in the past: a laggard that is not to blame for it.
    pub(in crate::broker) fn recover(
        &mut self,
        cx: &mut Context,
        channels: &Channels,
        key: ConnectionKey,
        channel: ChannelIndex,
        (next, newest_to): (Seq, Seq),
    ) {
        if let Some(laggard) = self.laggards.get_mut(key.index) {
            (laggard.recovering, laggard.since) = (true, cx.time());
        } else {
            let service = channels.name(channel).service();
            let mut laggard = Laggard::new(service, cx.time(), LagState::Ready);
            laggard.recovering = true;
            self.add_laggard(channels, key, laggard);
        }
        self.move_cursor(key.index, channel, next);
        if let Some(laggard) = self.laggards.get_mut(key.index) {
            laggard.set_newest(channel, newest_to);
        }
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
        (closes, is_stream): (bool, bool),
    ) {
        let Some(laggard) = self.laggards.get_mut(key.index) else { return };
        if laggard.closing {
            return;
        }
        if closes && (is_stream || bytes.is_empty()) {
            // Of a stream it may have the head.
            laggard.close_behind(&bytes);
        } else if closes {
            laggard.close_with(bytes);
        } else if laggard.state == LagState::Waiting
            && !laggard.outbox.is_empty()
            && laggard.outbox.len() + bytes.len() > cx.config.max_outbox
        {
            // One that may be written, as after a recovery, is not to blame: it gets it all now.
            // Nor is one that is owed a single reply, however large, such as a state.
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
        self.serve_readers(work);
        for _ in 0..self.laggards.ready().min(work.cx.limits.laggards) {
            let Some(key) = self.laggards.next_ready() else { break };
            if work.connections.get(key).is_some() {
                self.serve(work, key, LagState::Ready);
            }
        }
    }

    /// Serves a laggard that is in this state.
    pub(super) fn serve(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        key: ConnectionKey,
        state: LagState,
    ) {
        let Some(laggard) = self.laggards.get_mut(key.index) else { return };
        if laggard.state != state {
            return;
        }
        let memory = (&mut self.twins, &mut self.skips);
        let next = next_of(work, &self.chains, memory, key, laggard);
        match next {
            Next::Write(_) => laggard.state = LagState::Writing,
            Next::Level => {}
            Next::Hold | Next::FellOff => laggard.state = LagState::Ready,
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
    pub(super) fn go_live(&mut self, cx: &mut Context, key: ConnectionKey) {
        let Some(laggard) = self.laggards.remove(key.index) else { return };
        if laggard.closing {
            return cx.end(key, Ending::CloseWritten);
        }
        self.gate.open(key.index);
        if !laggard.recovering && !laggard.keeps_up {
            cx.recorder.caught_up(cx.now.mono.ns_since(laggard.since));
        }
    }

    // Looking after laggards, once a round.

    /// Surveys a laggard. Returns `false` if it is too far behind, and is to be closed.
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
                skipped: self.skips.of(connection),
            }
        });
        laggard.recovering &= cx.time().since(laggard.since) < RECOVERY_GRACE;
        if laggard.recovering || laggard.closing {
            return true;
        }
        for place in 0..laggard.cursors.len() {
            let (channel, next) = (laggard.cursors[place].channel, laggard.cursors[place].next);
            let Some(handed) = self.chains.handed(channels, connection, channel) else { continue };
            let (class, log) = (channels.class(channel), channels.log(channel));
            let behind = Behind::of(class, log, next, handed, cx.time());
            match (behind, class.slow) {
                (None, _) => {}
                (Some(_), SlowPolicy::Disconnect) => return false,
                (Some(behind), SlowPolicy::Skip | SlowPolicy::Latest) => {
                    let key = connections.key(connection);
                    self.skips.start(laggard, SkipStart { key, channel, behind });
                }
            }
        }
        true
    }

    /// A laggard that begins to be sent less than everything.
    pub(in crate::broker) fn next_skip(&mut self) -> Option<SkipStart> {
        self.skips.next_started()
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
    (twins, skips): (&mut Twins, &mut Skips),
    key: ConnectionKey,
    laggard: &mut Laggard,
) -> Next {
    if let Some(tail) = laggard.tail.take() {
        return Next::Write(tail);
    }
    if !laggard.outbox.is_empty() && !laggard.keeps_up {
        return Next::Write(Payload::Owned(std::mem::take(&mut laggard.outbox)));
    }
    // A laggard that keeps up gets all in one write: a second might come too late for the log.
    let (mut joined, mut ahead) = (std::mem::take(&mut laggard.outbox), false);
    for _ in 0..laggard.cursors.len() {
        laggard.next_cursor %= laggard.cursors.len();
        let cursor = laggard.cursors[laggard.next_cursor];
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
        let blamed = !laggard.recovering && !laggard.keeps_up;
        let channel = cursor.channel;
        let others = positions_beside(work.channels, key.index, laggard);
        let cursor = &mut laggard.cursors[laggard.next_cursor];
        let mut context = ReaderContext::new(work.channels.since(key.index, channel));
        let reading = Reading {
            cx: work.cx,
            channels: work.channels,
            form: Form::of(work.channels, key.index, channel).beside(&others),
            cursor,
            handed,
            joined: &mut joined,
            context: &mut context,
            twins,
            keeps_up: laggard.keeps_up,
            brought: Brought::default(),
            #[cfg(test)]
            sabotage: skips.sabotage,
        };
        let brought = reading.read(blamed);
        let rest = cursor.next <= handed;
        if brought.disconnects {
            return Next::FellOff;
        }
        context.keep(work.channels, key.index, channel);
        if blamed {
            skips.add(key.index, &brought);
        }
        if let Some(behind) = brought.behind {
            skips.start(laggard, SkipStart { key, channel, behind });
        }
        // A channel that got nothing, its frame being too large for what was left, is next.
        laggard.next_cursor += usize::from(brought.frames > 0 || !rest);
        if let Some(payload) = brought.large {
            return Next::Write(payload);
        }
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

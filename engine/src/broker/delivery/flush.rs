//! The end of a batch: what its writes have handed over is recorded, and connections with writes
//! that were not whole become laggards, or end.

use super::chain_encodings::Encodings;
use super::form::Form;
use super::laggard::{LagState, Laggard};
use super::marks::{Marked, Swept};
use super::write_batch::{Run, rest_of};
use super::write_sink::{Flushed, Owed, Payload, Short, WriteSink};
use super::{Delivery, Work};
use crate::broker::context::Ending;
use crate::broker::effect::Effect;
use crate::shared_frame::Deflation;
use crate::telemetry::{Count, MessageError};
use crate::types::{ChannelIndex, ConnectionKey, Seq, Time};

impl Delivery {
    /// Ends the batch: every write of it is over; exceptions become laggards or endings.
    pub(in crate::broker) fn flush(&mut self, work: &mut Work<'_, impl WriteSink>) {
        if self.batch.runs.is_empty() {
            return self.end_sweeps(work, work.cx.time());
        }
        let mut flushed = std::mem::take(&mut self.batch.flushed);
        let mut runs = std::mem::take(&mut self.batch.runs);
        work.cx.recorder.submitted(runs.iter().map(Run::writes).sum());
        work.sink.flush(&mut flushed);
        self.gate.next_batch();
        let Flushed { at, shorts, payloads } = &mut flushed;
        for short in shorts.drain(..) {
            self.handle_short(work, *at, short, &mut runs, payloads);
        }
        for (run, payload) in runs.drain(..).zip(payloads.drain(..)) {
            self.end_run(work, *at, run, payload);
        }
        self.end_sweeps(work, *at);
        self.batch.runs = runs;
        self.batch.flushed = flushed;
    }

    /// Records the batch's whole writes of marked sweeps, and ends those that are over.
    fn end_sweeps<S>(&mut self, work: &mut Work<'_, S>, at: Time) {
        while let Some((sweeps, count)) = self.chains.next_written() {
            for Marked { channel, sweep, encoding, .. } in sweeps {
                record_delivered(work, at, (*channel, *sweep, *encoding), count);
            }
        }
        while let Some(sweeps) = self.chains.next_ended() {
            for Marked { channel, sweep, piece, .. } in sweeps {
                // Its members of another encoding may still be owed theirs.
                if !self.chains.is_marked(channel) && work.channels.end_sweep(channel, sweep) {
                    work.channels.finish(work.cx, channel, sweep, at);
                }
                self.batch.recycle(piece.into());
            }
        }
        for channel in self.swept.drain(..) {
            work.channels.requeue(work.cx, channel);
        }
    }

    fn end_run<S>(&mut self, work: &mut Work<'_, S>, at: Time, run: Run, payload: Payload) {
        match run {
            Run::Sweep { channel, sweep, encoding, deflation, count, last } => {
                record_delivered(work, at, (channel, sweep, encoding), count);
                work.cx.recorder.wrote(work.channels.metric_class(channel), count);
                if last {
                    work.channels.finish(work.cx, channel, sweep, at);
                    self.batch.recycle(payload);
                } else {
                    let epoch = work.channels.log(channel).epoch();
                    self.batch.keep_cut((channel, epoch, sweep.to, encoding, deflation), payload);
                }
            }
            Run::Chain { chain, count, .. } => {
                let class = work.channels.metric_class(self.chains.first_channel(chain));
                work.cx.recorder.wrote(class, count);
                self.chains.release(chain);
                self.batch.recycle(payload);
            }
            Run::Reply { key, closes } => {
                if closes && self.laggards.get(key.index).is_none() {
                    work.cx.end(key, Ending::CloseWritten);
                }
            }
            Run::Laggard { key } => self.end_reading(work.cx, work.channels, key),
        }
    }

    /// A write that was not whole: from now on the connection has state of its own.
    fn handle_short<S>(
        &mut self,
        work: &mut Work<'_, S>,
        at: Time,
        short: Short,
        runs: &mut [Run],
        payloads: &mut [Payload],
    ) {
        let key = work.connections.key(short.connection);
        let service = work.connections[key].service();
        let dead = matches!(short.owed, Owed::Dead(_));
        if dead {
            work.cx.recorder.message_error(service, MessageError::SendFailed);
            work.cx.end(key, Ending::Lost);
            self.shut(key.index);
        }
        match &mut runs[short.run] {
            Run::Sweep { channel, sweep, encoding, deflation, count, .. } => {
                *count -= 1;
                let (channel, sweep) = (*channel, *sweep);
                let swept = ((channel, sweep, *encoding), *deflation);
                let (tail, next) = match short.owed {
                    Owed::After(taken) => split(work, at, swept, &mut { taken }),
                    Owed::Sealed(rest) => {
                        let frames = work.channels.log(channel).range(sweep.from, sweep.to).count();
                        work.cx.recorder.replayed(service, frames as u64);
                        (Some(Payload::Sealed(rest, 0)), sweep.to.next())
                    }
                    Owed::Dead(_) => return,
                };
                self.fall_behind(work, key, tail, &[(channel, next)], false);
            }
            Run::Chain { chain, encodings, count, reply } => {
                *count -= 1;
                self.chains.uncount(*chain);
                let sweeps = self.chains.sweeps(*chain);
                let (tail, cursors) = match short.owed {
                    Owed::After(taken) if taken < *reply => {
                        let tail = payloads[short.run].bytes()[taken..*reply].to_vec();
                        let cursors =
                            sweeps.iter().map(|(channel, sweep, _)| (*channel, sweep.from));
                        (Some(Payload::Owned(tail)), cursors.collect())
                    }
                    Owed::After(taken) => {
                        split_chain(work, at, (&sweeps, *encodings), taken - *reply)
                    }
                    Owed::Sealed(rest) => {
                        let frames = |(channel, sweep, _): &Swept| {
                            work.channels.log(*channel).range(sweep.from, sweep.to).count() as u64
                        };
                        let frames = sweeps.iter().map(frames).sum();
                        work.cx.recorder.replayed(service, frames);
                        let after =
                            sweeps.iter().map(|(channel, sweep, _)| (*channel, sweep.to.next()));
                        (Some(Payload::Sealed(rest, 0)), after.collect())
                    }
                    Owed::Dead(_) => return,
                };
                #[cfg(test)]
                let cursors = self.chains.misplace(cursors, &sweeps);
                self.fall_behind(work, key, tail, &cursors, false);
            }
            _ if dead => {}
            Run::Reply { closes, .. } => {
                let tail = rest_of(&mut payloads[short.run], short.owed);
                self.fall_behind(work, key, Some(tail), &[], *closes);
            }
            Run::Laggard { .. } => {
                let tail = rest_of(&mut payloads[short.run], short.owed);
                self.stop_keeping_up(work.cx, key.index, at);
                if let Some(laggard) = self.laggards.get_mut(key.index) {
                    (laggard.tail, laggard.state) = (Some(tail), LagState::Waiting);
                }
                self.charge(work.cx, key);
                work.cx.push_effect(Effect::AwaitWritable(key));
            }
        }
    }

    /// A live connection could not take its bytes. `cursors` names the channels in which it stands
    /// elsewhere than the live sets say.
    fn fall_behind<S>(
        &mut self,
        work: &mut Work<'_, S>,
        key: ConnectionKey,
        tail: Option<Payload>,
        cursors: &[(ChannelIndex, Seq)],
        closing: bool,
    ) {
        let service = work.connections[key].service();
        let mut laggard = Laggard::new(service, work.cx.time(), LagState::Waiting);
        (laggard.tail, laggard.closing) = (tail, closing);
        work.cx.recorder.count(Count::Laggards, 1);
        self.add_laggard(work.channels, key, laggard);
        for &(channel, next) in cursors {
            self.move_cursor(key.index, channel, next);
        }
        work.cx.push_effect(Effect::AwaitWritable(key));
        self.charge(work.cx, key);
    }
}

/// So many members were written a sweep.
fn record_delivered<S>(
    work: &mut Work<'_, S>,
    at: Time,
    (channel, sweep, encoding): Swept,
    count: u64,
) {
    let (recorder, channels) = (&mut work.cx.recorder, &work.channels);
    let (class, form) = (channels.metric_class(channel), Form::new(channels, channel, encoding));
    for (frame, _) in channels.log(channel).range(sweep.from, sweep.to) {
        let ns = at.ns_since(frame.accepted_at);
        recorder.delivered(class, encoding.transport(), ns, count, form.len(frame));
    }
}

/// Where a cut falls in a sweep's frames: the rest of the frame it falls into, and the position
/// after that frame. `taken` is reduced by the bytes of those before.
fn split<S>(
    work: &mut Work<'_, S>,
    at: Time,
    ((channel, sweep, encoding), deflation): (Swept, Deflation),
    taken: &mut usize,
) -> (Option<Payload>, Seq) {
    let (recorder, channels) = (&mut work.cx.recorder, &work.channels);
    let form = Form::new(channels, channel, encoding).deflated(deflation);
    for (frame, _) in channels.log(channel).range(sweep.from, sweep.to) {
        let len = form.len(frame);
        if *taken == 0 {
            return (None, frame.first);
        }
        if *taken < len {
            recorder.replayed(channels.name(channel).service(), 1);
            let cut = std::mem::take(taken);
            return (Some(form.rest(frame, cut)), frame.seq.next());
        }
        *taken -= len;
        let (ns, class) = (at.ns_since(frame.accepted_at), channels.metric_class(channel));
        recorder.delivered(class, encoding.transport(), ns, 1, frame.bytes().len());
    }
    (None, sweep.to.next())
}

/// The same for a chain: the rest of the frame that the cut falls into, and a cursor for each
/// channel.
fn split_chain<S>(
    work: &mut Work<'_, S>,
    at: Time,
    (sweeps, encodings): (&[Swept], Encodings),
    mut taken: usize,
) -> (Option<Payload>, Vec<(ChannelIndex, Seq)>) {
    let (mut tail, mut cursors) = (None, Vec::with_capacity(sweeps.len()));
    for (nth, &swept) in sweeps.iter().enumerate() {
        // What follows a cut was not taken.
        let (rest, next) = split(work, at, (swept, encodings.get(nth)), &mut taken);
        tail = tail.or(rest);
        cursors.push((swept.0, next));
    }
    (tail, cursors)
}

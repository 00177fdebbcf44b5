//! Streams of several channels: each event's `id` says where its connection is in all of them, so
//! that no two connections share bytes. A sweep that comes to one makes it a reader of the logs, as
//! laggards are; it is live again with the end of its write, if that is whole.

use super::laggard::{Cursor, LagState, Laggard};
use super::write_batch::Run;
use super::write_sink::{Payload, WriteSink};
use super::{Delivery, Work};
use crate::broker::channel::{Channels, Sweep};
use crate::broker::context::Context;
use crate::shared_frame::Deflation;
use crate::telemetry::Count;
use crate::types::{ChannelIndex, ConnectionKey, Encoding, Time};

const JOINT: Encoding = Encoding::JointEvent;

impl Delivery {
    /// Makes readers of pending members of a sweep, as many as the budget has.
    pub(super) fn fill_readers(
        &mut self,
        work: &mut Work<'_, impl WriteSink>,
        channel: ChannelIndex,
        sweep: Sweep,
        budget: &mut usize,
    ) {
        let pending = work.channels.pending(channel, JOINT);
        let taken = pending.len().min(*budget);
        if pending[..taken].iter().any(|&connection| self.gate.was_written(connection)) {
            self.flush(work);
        }
        self.begin_reading(work, channel, taken);
        *budget -= taken;
        let last = work.channels.advance(channel, JOINT, taken);
        let (deflation, count) = (Deflation::Plain, 0);
        self.batch.runs.push(Run::Sweep {
            channel,
            sweep,
            encoding: JOINT,
            deflation,
            count,
            last,
        });
        work.sink.load(Payload::Owned(Vec::new()));
    }

    /// Makes readers of all pending members of a channel, before its sweep is marked for the
    /// others. Returns `false` if that must wait for the end of the batch.
    pub(super) fn set_readers_aside<S>(
        &mut self,
        work: &mut Work<'_, S>,
        channel: ChannelIndex,
    ) -> bool {
        let pending = work.channels.pending(channel, JOINT);
        if pending.iter().any(|&connection| self.gate.was_written(connection)) {
            return false;
        }
        self.begin_reading(work, channel, pending.len());
        true
    }

    fn begin_reading<S>(&mut self, work: &mut Work<'_, S>, channel: ChannelIndex, members: usize) {
        for place in 0..members {
            let connection = work.channels.pending(channel, JOINT)[place];
            if self.gate.is_open(connection) {
                let key = work.connections.key(connection);
                let service = work.connections[key].service();
                let mut laggard = Laggard::new(service, work.cx.time(), LagState::Writing);
                laggard.keeps_up = true;
                self.add_laggard(work.channels, key, laggard);
                self.readers.push(key);
            }
        }
    }

    /// Serves the readers of this iteration, all of them: afterwards the logs may drop what was
    /// swept.
    pub(super) fn serve_readers(&mut self, work: &mut Work<'_, impl WriteSink>) {
        let mut readers = std::mem::take(&mut self.readers);
        for key in readers.drain(..) {
            if work.connections.get(key).is_some() {
                self.serve(work, key, LagState::Writing);
            }
        }
        self.readers = readers;
    }

    /// The write of a laggard was whole: it may be written again, or is live if it has kept up.
    pub(super) fn end_reading(
        &mut self,
        cx: &mut Context,
        channels: &Channels,
        key: ConnectionKey,
    ) {
        let has_kept_up = self.laggards.get(key.index).is_some_and(|laggard| {
            let is_level = |cursor: &Cursor| {
                let handed = self.chains.handed(channels, key.index, cursor.channel);
                handed.is_none_or(|handed| cursor.next == handed.next())
            };
            laggard.keeps_up
                && laggard.state == LagState::Writing
                && laggard.outbox.is_empty()
                && laggard.cursors.iter().all(is_level)
        });
        match has_kept_up {
            true => self.go_live(cx, key),
            false => self.laggards.make_ready(key, LagState::Writing),
        }
    }

    /// A reader's write was cut: it is a laggard like others.
    pub(super) fn stop_keeping_up(&mut self, cx: &mut Context, connection: u32, now: Time) {
        let Some(laggard) = self.laggards.get_mut(connection) else { return };
        if std::mem::take(&mut laggard.keeps_up) {
            laggard.since = now;
            cx.recorder.count(Count::Laggards, 1);
        }
    }
}

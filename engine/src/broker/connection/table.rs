//! A shard's connections, in a table indexed like the ring's slots.

mod handover;
mod keepalive;
mod leaving;
mod opening_streams;
mod public_ids;
mod unfinished_messages;

use std::collections::HashMap;
use std::time::Duration;

use super::former_ids::FormerIds;
use super::opening::Stream;
use super::record::{Role, Sign};
use super::token_buckets::{Bucket, ByteBucket};
use super::unfinished::Unfinished;
use super::{Admission, Connection, Pause, State};
use crate::broker::context::Context;
use crate::broker::effect::Effect;
use crate::broker::timers::Timer;
use crate::limits::SMALL_FRAME_RATE;
use crate::telemetry::{Close, ConnectionError, Count, MessageType};
use crate::types::{ClientCertificate, ConnectionKey, Time, Transport};
use crate::wire::event_stream;
use crate::wire::frame::Reader;

/// The connections of a shard. An index is reused only after its last completion (invariant 12).
#[derive(Debug)]
pub(crate) struct Connections {
    records: Vec<Connection>,
    free: Vec<u32>,
    capacity: usize,
    /// Second of each connection's last receive: dense, looked at by the keepalive.
    last_rx: Vec<u32>,
    /// Clients' connections not yet released, by service.
    open: Vec<usize>,
    /// Those of them that were told to reconnect.
    leaving: Vec<usize>,
    unfinished: Unfinished,
    /// Of the few that have one, by index.
    certificates: HashMap<u32, Box<ClientCertificate>>,
    /// Streams of events, by index.
    streams: HashMap<u32, Stream>,
    /// Of connections that another process has handed over.
    former_ids: FormerIds,
}

impl Connections {
    pub(crate) fn new(capacity: usize, services: usize) -> Connections {
        // All of the address space at once: only what is used is ever touched, and growing never
        // leaves copies behind.
        Connections {
            records: Vec::with_capacity(capacity),
            free: Vec::new(),
            capacity,
            last_rx: Vec::with_capacity(capacity),
            open: vec![0; services],
            leaving: vec![0; services],
            unfinished: Unfinished::new(services),
            certificates: HashMap::new(),
            streams: HashMap::new(),
            former_ids: FormerIds::default(),
        }
    }

    /// Takes a free index, if there is one.
    pub(crate) fn admit(
        &mut self,
        cx: &mut Context,
        admission: &mut Admission,
    ) -> Option<ConnectionKey> {
        let service = admission.service;
        let Some(index) = self.take_index() else {
            cx.recorder.connection_error(service, ConnectionError::Descriptors);
            return None;
        };
        let settings = cx.service(service);
        let messages = Bucket::full(frame_rate(settings.message_rate), cx.time());
        let bytes = ByteBucket::full(settings.access.byte_rate, cx.time());
        let nonce = cx.random();
        let record = &mut self.records[index as usize];
        record.become_state(State::Open);
        (record.service, record.nonce) = (service, nonce);
        record.tls_mode = admission.tls_mode;
        record.role = if admission.probe { Role::Probe } else { Role::Client };
        record.reader = Reader::new(admission.deflate);
        record.since = cx.time().seconds();
        (record.messages, record.bytes) = (messages, bytes);
        record.set_peer(admission.peer);
        self.last_rx[index as usize] = record.since;
        let certificate = admission.certificate.take();
        if let Some(request) = admission.stream.take() {
            record.sign = Sign::Acknowledges;
            self.streams.insert(index, Stream::new(*request));
        }
        self.certificates.extend(certificate.map(|certificate| (index, certificate)));
        if !admission.probe {
            cx.recorder.connected(service);
            self.open[service.index()] += 1;
        }
        Some(self.key(index))
    }

    fn take_index(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            (self.records.len() < self.capacity).then(|| {
                self.records.push(Connection::default());
                self.last_rx.push(0);
                self.records.len() as u32 - 1
            })
        })
    }

    /// Gives an index back.
    pub(crate) fn release(&mut self, key: ConnectionKey) {
        self.unfinished.set(key, self[key].service, 0, Time(0));
        self.certificates.remove(&key.index);
        self.streams.remove(&key.index);
        self.former_ids.remove(key.index);
        let record = &mut self[key];
        record.become_state(State::Vacant);
        let (service, role) = (record.service, record.role);
        let generation = record.generation.wrapping_add(1);
        *record = Connection { generation, ..Connection::default() };
        if role != Role::Probe {
            self.open[service.index()] -= 1;
            self.leaving[service.index()] -= usize::from(role != Role::Client);
        }
        self.free.push(key.index);
    }

    /// The connection, unless the key is a former user's.
    pub(crate) fn get(&self, key: ConnectionKey) -> Option<&Connection> {
        let record = self.records.get(key.index as usize)?;
        (record.generation == key.generation && record.state != State::Vacant).then_some(record)
    }

    pub(crate) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.get(key)?;
        self.records.get_mut(key.index as usize)
    }

    pub(crate) fn is_open(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(Connection::is_open)
    }

    pub(crate) fn key(&self, index: u32) -> ConnectionKey {
        ConnectionKey { index, generation: self.records[index as usize].generation }
    }

    /// The certificate that the client has shown.
    pub(crate) fn certificate(&self, index: u32) -> Option<&ClientCertificate> {
        self.certificates.get(&index).map(|certificate| &**certificate)
    }

    /// Indices ever used.
    pub(crate) fn slots(&self) -> usize {
        self.records.len()
    }

    /// Connections there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Connections not vacant.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free.len()
    }

    /// Clients' connections not yet released, by service.
    pub(crate) fn open(&self) -> &[usize] {
        &self.open
    }

    /// Queues a frame for a client, counted by the kind of its message. A stream that is not open
    /// yet is answered otherwise.
    pub(crate) fn answer(
        &self,
        cx: &mut Context,
        key: ConnectionKey,
        kind: MessageType,
        frame: Vec<u8>,
    ) {
        let record = &self[key];
        let frame = match record.transport() {
            Transport::EventStream if self.is_opening(key) => return,
            Transport::EventStream => event_stream::of_frame(None, &frame),
            Transport::WebSocket => frame,
        };
        if !record.is_probe() {
            cx.recorder.sent(record.service, kind);
        }
        cx.reply(key, frame);
    }

    /// Counts the end of a client's connection.
    pub(crate) fn count_end(
        &self,
        cx: &mut Context,
        key: ConnectionKey,
        why: Close,
        error: Option<ConnectionError>,
    ) {
        let record = &self[key];
        if !record.is_probe() {
            let codes = cx.service(record.service).close_codes;
            cx.recorder.closed(why, codes);
            error.into_iter().for_each(|error| cx.recorder.connection_error(record.service, error));
        }
    }

    // Receiving.

    /// Bytes were received: over the rate the connection is paused until they are paid for.
    /// Returns `false` if it is being closed and has sent more than was on its way.
    pub(crate) fn received(&mut self, cx: &mut Context, key: ConnectionKey, bytes: usize) -> bool {
        self.last_rx[key.index as usize] = cx.time().seconds();
        let record = &mut self[key];
        if record.sign == Sign::Answers {
            record.sign = Sign::Sends;
        }
        if record.state != State::Open {
            return record.bytes.drain(bytes);
        }
        self.charge_bytes(cx, key, bytes);
        true
    }

    /// Takes bytes that have come out of the rate: over it the connection is paused.
    pub(crate) fn charge_bytes(&mut self, cx: &mut Context, key: ConnectionKey, bytes: usize) {
        let record = &mut self[key];
        let rate = cx.service(record.service).access.byte_rate;
        if let Some(wait) = record.bytes.take(rate, bytes, cx.time())
            && !record.is_paused_for(Pause::Rate)
        {
            cx.recorder.count(Count::BytePauses, 1);
            self.pause_until(cx, key, cx.time() + wait);
        }
    }

    /// Takes frames that were handled already out of the connection's rate of messages, or of
    /// [`SMALL_FRAME_RATE`] where that has no limit. Says for how many milliseconds there should be
    /// no more, if they were too many.
    pub(crate) fn charge_frames(
        &mut self,
        cx: &Context,
        key: ConnectionKey,
        frames: u32,
    ) -> Option<u32> {
        let record = &mut self[key];
        let rate = frame_rate(cx.service(record.service).message_rate);
        record.messages.charge(rate, frames, cx.time())
    }

    /// Whether the connection is paused, and one message more would be over its rate. Where it is
    /// not paused, only that flag is read.
    pub(crate) fn is_over_rate(&self, cx: &Context, key: ConnectionKey) -> bool {
        let record = &self[key];
        record.is_paused() && {
            let rate = cx.service(record.service).message_rate;
            rate > 0 && record.messages_left(rate, cx.time()) == 0
        }
    }

    /// Stores the reader of a receive. Returns the connection with the largest unfinished message
    /// if all of them exceed their bound.
    pub(crate) fn keep_reader(
        &mut self,
        cx: &Context,
        key: ConnectionKey,
        reader: Reader,
    ) -> Option<ConnectionKey> {
        self.unfinished.set(key, self[key].service, reader.held(), cx.time());
        self[key].reader = reader;
        let over = self.unfinished.bytes() > cx.limits.unfinished_bytes;
        if over { self.unfinished.largest() } else { None }
    }

    /// The closing handshake begins: receives what was on its way, and no more.
    pub(crate) fn begin_close(&mut self, cx: &mut Context, key: ConnectionKey) {
        self[key].become_state(State::Closing);
        self[key].bytes = ByteBucket::for_close();
        self.resume(cx, key, Pause::Rate);
    }

    /// Takes one message out of the connection's rate, or says after how many milliseconds there
    /// will be one.
    pub(crate) fn take_message(&mut self, cx: &Context, key: ConnectionKey) -> Result<(), u32> {
        let record = &mut self[key];
        let rate = cx.service(record.service).message_rate;
        record.messages.take(rate, cx.time())
    }

    /// Stops receiving for a while, unless that is so already.
    pub(crate) fn pause_until(&mut self, cx: &mut Context, key: ConnectionKey, until: Time) {
        if !self[key].is_paused_for(Pause::Rate) {
            self.pause(cx, key, Pause::Rate);
            cx.timers.set(until, key, Timer::Resume);
        }
    }

    /// A pause for the rate is over, unless more was received meanwhile than was paid for.
    pub(crate) fn end_pause(&mut self, cx: &mut Context, key: ConnectionKey) {
        let record = &mut self[key];
        let service = cx.service(record.service);
        let bytes = record.bytes.take(service.access.byte_rate, 0, cx.time());
        let owed = record.messages.charge(frame_rate(service.message_rate), 0, cx.time());
        match bytes.max(owed.map(|wait_ms| Duration::from_millis(wait_ms.into()))) {
            Some(wait) => cx.timers.set(cx.now.mono + wait, key, Timer::Resume),
            None => self.resume(cx, key, Pause::Rate),
        }
    }

    /// Other rates are in force: ends the pauses that are over by these.
    pub(crate) fn end_pauses(&mut self, cx: &mut Context) {
        cx.timers.clear(Timer::Resume);
        for index in 0..self.slots() as u32 {
            let key = self.key(index);
            if self[key].is_paused_for(Pause::Rate) {
                self.end_pause(cx, key);
            }
        }
    }

    pub(crate) fn pause(&mut self, cx: &mut Context, key: ConnectionKey, pause: Pause) {
        let record = &mut self[key];
        if !record.is_paused() {
            cx.push_effect(Effect::PauseReceive(key));
        }
        record.pauses |= pause as u8;
    }

    pub(crate) fn resume(&mut self, cx: &mut Context, key: ConnectionKey, pause: Pause) {
        let record = &mut self[key];
        let before = record.is_paused();
        record.pauses &= !(pause as u8);
        // Where the peer has ended its side there is nothing to receive.
        let ended = matches!(record.state, State::HalfClosedRemote | State::AwaitingCompletions);
        if before && !record.is_paused() && !ended {
            cx.push_effect(Effect::ResumeReceive(key));
        }
    }
}

/// The rate of small frames where messages have this one.
fn frame_rate(message_rate: u32) -> u32 {
    if message_rate == 0 { SMALL_FRAME_RATE } else { message_rate }
}

impl std::ops::Index<ConnectionKey> for Connections {
    type Output = Connection;
    /// A key that was checked since the connection may last have been released.
    fn index(&self, key: ConnectionKey) -> &Connection {
        &self.records[key.index as usize]
    }
}

impl std::ops::IndexMut<ConnectionKey> for Connections {
    fn index_mut(&mut self, key: ConnectionKey) -> &mut Connection {
        &mut self.records[key.index as usize]
    }
}

#[cfg(test)]
mod tests;

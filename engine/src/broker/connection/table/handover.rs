//! Connections that go over to another process, and those that come from one.

use super::Connections;
use crate::broker::connection::opening::Stream;
use crate::broker::connection::record::{Role, Sign};
use crate::broker::connection::token_buckets::{Bucket, ByteBucket};
use crate::broker::connection::{Connection, Pause, State};
use crate::broker::context::Context;
use crate::handover::{self, HandoverError, Inbound, Session, Socket};
use crate::types::{ConnectionKey, Encoding, ShardId};
use crate::wire::deflate::Deflate;
use crate::wire::event_stream::StreamRequest;
use crate::wire::frame::Reader;

impl Connections {
    /// Whether a connection can go over to another process: the engine's own have their other ends
    /// here, and what is closing is over before long.
    pub(crate) fn may_travel(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|record| record.is_open() && !record.is_probe())
    }

    /// What is known of a connection here. Its session, channels and debts are others' to tell.
    pub(crate) fn export(
        &self,
        shard: ShardId,
        key: ConnectionKey,
        socket: Socket,
    ) -> handover::Connection {
        let record = &self[key];
        let since = self.unfinished.since(key);
        handover::Connection {
            socket,
            id: self.id(shard, key),
            service: record.service,
            peer: record.peer(),
            tls_mode: record.tls_mode,
            certificate: self.certificate(key.index).cloned(),
            leaving: record.leaves(),
            since: record.since,
            last_received: self.last_rx[key.index as usize],
            awaits_pong: record.sign == Sign::Answers,
            messages: record.messages.export(),
            bytes: record.bytes.export(),
            is_held_back: record.is_paused_for(Pause::Rate),
            deflate: record.deflate().map(Deflate::export),
            inbound: Inbound { since, ..record.reader.export() },
            stream: self.streams.get(&key.index).map(Stream::export),
            session: Session::default(),
            patterns: Vec::new(),
            subscriptions: Vec::new(),
            debts: None,
            skipped: (0, 0),
            deadlines: Vec::new(),
        }
    }

    /// Takes over a connection of another process, in the slot that its socket has. Behind the last
    /// one comes [`Connections::list_free`], before any other connection.
    ///
    /// # Errors
    /// [`HandoverError`] without such a slot, or where its state cannot be.
    pub(crate) fn import(
        &mut self,
        cx: &mut Context,
        connection: &handover::Connection,
    ) -> Result<ConnectionKey, HandoverError> {
        let index = connection.socket.slot;
        let is_vacant = |record: &Connection| record.state == State::Vacant;
        let has_room = self.records.get(index as usize).is_none_or(is_vacant);
        if index as usize >= self.capacity || !has_room {
            return Err(HandoverError::NoRoom("connections"));
        }
        let deflate = match connection.deflate.map(Deflate::import) {
            Some(None) => return Err(HandoverError::Malformed("terms of compression")),
            agreed => agreed.flatten(),
        };
        let reader = Reader::import(&connection.inbound, deflate);
        let reader = reader.ok_or(HandoverError::Malformed("what was received of a message"))?;
        while self.records.len() <= index as usize {
            self.records.push(Connection::default());
            self.last_rx.push(0);
        }
        let service = connection.service;
        let since = connection.inbound.since.unwrap_or(cx.time());
        let key = self.key(index);
        self.unfinished.set(key, service, reader.held(), since);
        let record = &mut self.records[index as usize];
        record.become_state(State::Open);
        (record.service, record.tls_mode) = (service, connection.tls_mode);
        record.role = connection.leaving.map_or(Role::Client, Role::Leaving);
        record.sign = match (&connection.stream, connection.awaits_pong) {
            (Some(_), _) => Sign::Acknowledges,
            (None, true) => Sign::Answers,
            (None, false) => Sign::Sends,
        };
        (record.since, record.reader) = (connection.since, reader);
        record.messages = Bucket::import(connection.messages);
        record.bytes = ByteBucket::import(connection.bytes);
        record.set_peer(connection.peer);
        self.last_rx[index as usize] = connection.last_received;
        self.open[service.index()] += 1;
        self.leaving[service.index()] += usize::from(connection.leaving.is_some());
        let certificate = connection.certificate.clone();
        self.certificates.extend(certificate.map(|shown| (index, Box::new(shown))));
        let stream = connection.stream.clone();
        self.streams.extend(stream.map(|stream| (index, Stream::import(stream))));
        self.former_ids.insert(index, connection.id);
        if connection.is_held_back {
            self.pause(cx, key, Pause::Rate);
        }
        Ok(key)
    }

    /// Those that were taken over are all there: the other slots are free.
    pub(crate) fn list_free(&mut self) {
        let is_vacant = |(_, record): &(usize, &Connection)| record.state == State::Vacant;
        let vacant = self.records.iter().enumerate().filter(is_vacant);
        self.free = vacant.map(|(index, _)| index as u32).collect();
    }

    /// Takes back what was taken over of a connection before anything has named it.
    pub(crate) fn retract(&mut self, key: ConnectionKey) {
        self[key].become_state(State::AwaitingCompletions);
        self.release(key);
        self.records[key.index as usize].generation = key.generation;
    }
}

impl Stream {
    fn export(&self) -> handover::Stream {
        let request = self.opening.as_ref().map(|opening| handover::StreamRequest {
            channels: opening.request.channels.clone(),
            since: opening.request.since.clone(),
            origin: opening.request.origin.as_deref().map(Into::into),
            last: opening.request.last,
            latest: opening.request.latest,
        });
        handover::Stream { is_joint: self.encoding == Encoding::JointEvent, request }
    }

    fn import(handover::Stream { is_joint, request }: handover::Stream) -> Stream {
        let encoding = if is_joint { Encoding::JointEvent } else { Encoding::Event };
        let opening = request.map(|request| {
            let handover::StreamRequest { channels, since, origin, last, latest } = request;
            let (origin, own_ids) = (origin.map(Into::into), !is_joint);
            Stream::opening_of(StreamRequest { channels, since, last, latest, own_ids, origin })
        });
        Stream { encoding, opening }
    }
}

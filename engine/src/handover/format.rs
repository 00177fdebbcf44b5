//! The format, field by field: docs/HANDOVER.md says what each means. Fields are added at the end
//! of a record only, under `later`, and never taken away.

use uuid::Uuid;

use super::byte_codec::{ByteReader, ByteWriter, Coded, choice, record};
use super::{
    Action, Allowance, Attendance, BegunFrame, BegunMessage, Blob, Channel, CloseCause, Connection,
    Deadline, DeadlineKind, Debts, DeflateTerms, Departure, Early, EndKind, EngineState, Fault,
    HandoverError, History, Identity, Inbound, Order, Published, Roster, RosterMember, SecretBytes,
    SentMessage, Session, ShardState, Socket, Stream, StreamRequest, Subscription, Verification,
    Waiting,
};
use crate::limits::{MAX_JSON_DEPTH, MAX_SERVICES, MAX_SHARDS};
use crate::shared_frame::{Encodings, Frame, text_of};
use crate::types::{
    CertificateId, ChannelName, ClientCertificate, DrainReason, Epoch, Homes, JsonObject, Member,
    MessageKey, Seq, ServiceId, ShardId, StateDocument, Time, TlsMode,
};

record!(Blob { name, version, is_required, bytes });
record!(ShardState {
    shard,
    channels,
    rosters,
    connections,
    forgotten,
    floor,
} later { heads, ended, sealed, published, acknowledged });
record!(Early { shard, connections });
record!(Published { channel, user, id, seq, at });
record!(Channel {
    name,
    head,
    last_at,
    first,
    frames,
    kept,
    lost,
    is_published,
    document,
    state,
    last,
    used_at,
} later { is_followed });
record!(History { logs });
record!(Roster { channel, is_named, counted_at, recounts, members });
record!(RosterMember { member, is_told, until, connections });
record!(Connection {
    socket,
    id,
    service,
    peer,
    tls_mode,
    certificate,
    leaving,
    since,
    last_received,
    awaits_pong,
    messages,
    bytes,
    is_held_back,
    deflate,
    inbound,
    stream,
    session,
    patterns,
    subscriptions,
    debts,
    skipped,
    deadlines,
});
record!(Socket { shard, slot, tls, receive_ended });
record!(Allowance { left, at_ms });
record!(DeflateTerms { window_bits, is_twins_only });
record!(Inbound { has_ended, head, frame, control, message, since });
record!(BegunFrame { opcode, is_final, is_compressed, mask, len, taken });
record!(BegunMessage { opcode, is_compressed, bytes, fragments });
record!(Stream { is_joint, request });
record!(StreamRequest { channels, since, origin } later { last, latest });
record!(Session {
    is_authenticating,
    identity,
    verification,
    fault,
    filter,
    departure,
    later,
    close_by,
    waiting,
});
record!(Identity { user, permissions, expires, token, issued });
record!(Verification { token, request, welcome, backlog });
record!(Fault { why, user });
record!(Departure { order, positions, until });
record!(Order { action, names, pattern, correlation, is_list, invalid });
record!(Subscription { channel, handed, newest_to, is_by_pattern, attendance });
record!(Attendance { user });
record!(Debts { tail, is_sealed, outbox, since, is_recovering, is_skipping });
record!(Deadline { at, kind });
record!(StateDocument { state, epoch, seq });
record!(ClientCertificate { name, id });
record!(CertificateId { issuer, serial });

choice!(SentMessage { 0 => Text(text), 1 => Binary(bytes) });
choice!(Waiting { 0 => Message(message), 1 => Close(code), 2 => End(kind) });
choice!(EndKind { 0 => Eof, 1 => Reset, 2 => TlsFault });
choice!(Action { 0 => Subscribe, 1 => Unsubscribe, 2 => Unwatch, 3 => Close(cause) });
choice!(CloseCause {
    0 => Shutdown, 1 => Drain, 2 => TokenExpired, 3 => Expelled, 4 => CertificateRevoked,
});
choice!(DeadlineKind { 0 => FirstFrame, 1 => Resume, 2 => Backlog, 3 => Reconnect });
choice!(DrainReason { 0 => Shutdown, 1 => Drain });
choice!(Member { 0 => User(user), 1 => Connection(id) });
choice!(TlsMode {
    0 => Plain, 1 => Proxy, 2 => Tls12, 3 => KernelTls12, 4 => Tls13, 5 => KernelTls13,
});

/// Values that are an integer by another name.
macro_rules! numbers {
    ($($name:ident)*) => {$(
        impl Coded for $name {
            fn put(&self, to: &mut ByteWriter) {
                self.0.put(to);
            }

            fn take(from: &mut ByteReader<'_>) -> Result<$name, HandoverError> {
                Coded::take(from).map($name)
            }
        }
    )*};
}

numbers!(Epoch Seq Time);

impl Coded for ShardId {
    fn put(&self, to: &mut ByteWriter) {
        self.0.put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<ShardId, HandoverError> {
        let shard = u8::take(from)?;
        let is_one = usize::from(shard) < MAX_SHARDS;
        is_one.then_some(ShardId(shard)).ok_or(HandoverError::Malformed("a shard's number"))
    }
}

impl Coded for ServiceId {
    fn put(&self, to: &mut ByteWriter) {
        self.0.put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<ServiceId, HandoverError> {
        let service = u8::take(from)?;
        let is_one = usize::from(service) < MAX_SERVICES;
        is_one.then_some(ServiceId(service)).ok_or(HandoverError::Malformed("a service's number"))
    }
}

impl Coded for EngineState {
    fn put(&self, to: &mut ByteWriter) {
        let start = to.begin_record();
        self.epoch.put(to);
        let ([one, other], shards) = (self.homes.key(), self.homes.shards());
        (one, other).put(to);
        (shards as u16).put(to);
        self.time.put(to);
        self.services.put(to);
        self.is_ordered_outside.put(to);
        to.end_record(start);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<EngineState, HandoverError> {
        let mut fields = from.take_record()?;
        let epoch = Coded::take(&mut fields)?;
        let (one, other) = Coded::take(&mut fields)?;
        let shards = usize::from(u16::take(&mut fields)?);
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(HandoverError::Malformed("a number of shards"));
        }
        let homes = Homes::new([one, other], shards);
        let (time, services) = (Coded::take(&mut fields)?, Coded::take(&mut fields)?);
        let is_ordered_outside = fields.take_later()?;
        Ok(EngineState { epoch, homes, time, services, is_ordered_outside })
    }
}

impl Coded for SecretBytes {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self.expose());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<SecretBytes, HandoverError> {
        from.take_block().map(SecretBytes::new)
    }
}

impl Coded for Uuid {
    fn put(&self, to: &mut ByteWriter) {
        self.as_u128().put(to);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Uuid, HandoverError> {
        u128::take(from).map(Uuid::from_u128)
    }
}

impl Coded for ChannelName {
    fn put(&self, to: &mut ByteWriter) {
        self.service().put(to);
        to.put_block(self.as_str().as_bytes());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<ChannelName, HandoverError> {
        let (service, text) = (ServiceId::take(from)?, String::take(from)?);
        let name = ChannelName::parse(&text);
        name.map(|name| name.at(service)).map_err(|_| HandoverError::Malformed("a channel's name"))
    }
}

impl Coded for MessageKey {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self.as_str().as_bytes());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<MessageKey, HandoverError> {
        let text = String::take(from)?;
        MessageKey::parse(&text).map_err(|_| HandoverError::Malformed("a message's key"))
    }
}

impl Coded for JsonObject {
    fn put(&self, to: &mut ByteWriter) {
        to.put_block(self.as_str().as_bytes());
    }

    fn take(from: &mut ByteReader<'_>) -> Result<JsonObject, HandoverError> {
        let object = JsonObject::parse_within(from.take_block()?, MAX_JSON_DEPTH);
        object.map_err(|_| HandoverError::Malformed("a document is no JSON object"))
    }
}

impl Coded for Frame {
    /// The plain encoding, and whether the message may be compressed: its other encodings are made
    /// anew.
    fn put(&self, to: &mut ByteWriter) {
        let start = to.begin_record();
        (self.first, self.seq, self.accepted_at).put(to);
        self.is_gap.put(to);
        self.is_compressible().put(to);
        self.key().cloned().put(to);
        to.put_block(self.bytes());
        to.end_record(start);
    }

    fn take(from: &mut ByteReader<'_>) -> Result<Frame, HandoverError> {
        let mut fields = from.take_record()?;
        let (first, seq, at): (Seq, Seq, Time) = Coded::take(&mut fields)?;
        let is_gap = bool::take(&mut fields)?;
        let encodings = bool::take(&mut fields)?.then(|| Encodings::new(None));
        let key = Coded::take(&mut fields)?;
        let bytes: Box<[u8]> = Coded::take(&mut fields)?;
        if first > seq || first.0 == 0 || seq.0 == u64::MAX {
            return Err(HandoverError::Malformed("the positions of a frame"));
        }
        if !is_text_frame(&bytes) {
            return Err(HandoverError::Malformed("a frame is not whole"));
        }
        // No shard waits for it: what is handed over was swept.
        let mut frame = Frame::with_encodings((bytes, encodings), key, seq, at, 0);
        (frame.first, frame.is_gap) = (first, is_gap);
        Ok(frame)
    }
}

/// Whether the bytes are one whole text frame of a server.
fn is_text_frame(bytes: &[u8]) -> bool {
    let len = text_of(bytes).len() as u64;
    let announced = match *bytes {
        [0x81, 127, a, b, c, d, e, f, g, h, ..] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        [0x81, 126, a, b, ..] => u16::from_be_bytes([a, b]).into(),
        [0x81, short @ ..126, ..] => short.into(),
        _ => return false,
    };
    announced == len && std::str::from_utf8(text_of(bytes)).is_ok()
}

//! States to be tried: one that is always the same, and any.

use std::sync::Arc;

use uuid::Uuid;

use crate::handover::*;
use crate::shared_frame::{Encodings, Frame};
use crate::types::{
    CertificateId, ChannelName, ClientCertificate, DrainReason, Epoch, Homes, JsonObject, Member,
    MessageKey, Seq, ServiceId, ShardId, StateDocument, Time, TlsMode,
};
use crate::wire::frame::{Opcode, encode};

pub(crate) fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

/// A message at `seq`, or a gap from `first` on.
pub(crate) fn frame(first: u64, seq: u64, key: Option<&str>) -> Frame {
    let mut bytes = Vec::new();
    encode(Opcode::Text, format!(r#"{{"seq":{seq}}}"#).as_bytes(), &mut bytes);
    let key = key.map(|key| MessageKey::parse(key).unwrap());
    let encodings = seq.is_multiple_of(2).then(|| Encodings::new(None));
    let at = Time(1_000 * seq);
    let mut frame = Frame::with_encodings((bytes.into(), encodings), key, Seq(seq), at, 0);
    (frame.first, frame.is_gap) = (Seq(first), first < seq);
    frame
}

/// A connection that has nothing.
pub(crate) fn connection(shard: u8, slot: u32) -> Connection {
    Connection {
        socket: Socket { shard: ShardId(shard), slot, tls: None, receive_ended: false },
        id: Uuid::from_u128(u128::from(slot) << 8 | u128::from(shard)),
        service: ServiceId(0),
        peer: ([192, 0, 2, 1], 4_321).into(),
        tls_mode: TlsMode::Plain,
        certificate: None,
        leaving: None,
        since: 5,
        last_received: 6,
        awaits_pong: false,
        messages: Allowance { left: -1, at_ms: 7 },
        bytes: Allowance { left: 8, at_ms: 9 },
        is_held_back: false,
        deflate: None,
        inbound: Inbound::default(),
        stream: None,
        session: Session::default(),
        patterns: Vec::new(),
        subscriptions: Vec::new(),
        debts: None,
        skipped: (0, 0),
        deadlines: Vec::new(),
    }
}

pub(crate) fn subscription(channel: &str, handed: u64) -> Subscription {
    Subscription {
        channel: name(channel),
        handed: Seq(handed),
        newest_to: Seq(0),
        is_by_pattern: false,
        attendance: None,
    }
}

/// A connection that has everything that one can have.
fn laden() -> Connection {
    let mut laden = connection(1, 3);
    laden.socket.tls = Some(SecretBytes::new(&b"traffic secret"[..]));
    laden.socket.receive_ended = true;
    laden.peer = ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443).into();
    laden.tls_mode = TlsMode::Tls13;
    let id = CertificateId::new(b"issuer", &[1, 2]);
    laden.certificate = Some(ClientCertificate { name: "client".into(), id });
    (laden.leaving, laden.awaits_pong, laden.is_held_back) = (Some(DrainReason::Drain), true, true);
    laden.deflate = Some(DeflateTerms { window_bits: 12, is_twins_only: true });
    laden.inbound = Inbound {
        has_ended: true,
        head: Box::new([0x81]),
        frame: Some(BegunFrame {
            opcode: 1,
            is_final: false,
            is_compressed: true,
            mask: [1, 2, 3, 4],
            len: 10,
            taken: 2,
        }),
        control: Box::new([5]),
        message: Some(BegunMessage {
            opcode: 1,
            is_compressed: true,
            bytes: Box::new([6, 7]),
            fragments: 1,
        }),
        since: Some(Time(11)),
    };
    laden.stream = Some(Stream {
        is_joint: true,
        request: Some(StreamRequest {
            channels: vec![name("news")],
            since: vec![(name("news"), Epoch(9), Seq(3))],
            origin: Some("https://example.org".into()),
            last: 0,
            latest: false,
        }),
    });
    laden.session = session();
    laden.patterns = vec!["ne".into()];
    laden.subscriptions = vec![Subscription {
        newest_to: Seq(2),
        is_by_pattern: true,
        attendance: Some(Attendance { user: Some("ada".into()) }),
        ..subscription("news", 2)
    }];
    laden.debts = Some(Debts {
        tail: Box::new([1]),
        is_sealed: true,
        outbox: Box::new([2, 3]),
        since: Time(12),
        is_recovering: true,
        is_skipping: true,
    });
    laden.skipped = (13, 14);
    let all = [
        DeadlineKind::FirstFrame,
        DeadlineKind::Resume,
        DeadlineKind::Backlog,
        DeadlineKind::Reconnect,
    ];
    laden.deadlines = all.map(|kind| Deadline { at: Time(15), kind }).into();
    laden
}

fn session() -> Session {
    let order = |action| Order {
        action,
        names: vec![name("news")],
        pattern: Some("ne".into()),
        correlation: Some("17".into()),
        is_list: true,
        invalid: vec![String::new()],
    };
    let later = [
        Action::Subscribe,
        Action::Unwatch,
        Action::Close(CloseCause::Shutdown),
        Action::Close(CloseCause::Drain),
        Action::Close(CloseCause::TokenExpired),
        Action::Close(CloseCause::Expelled),
        Action::Close(CloseCause::CertificateRevoked),
    ];
    Session {
        is_authenticating: true,
        identity: Some(Identity {
            user: "ada".into(),
            permissions: vec!["read".into()],
            expires: Some(Time(16)),
            token: Some(17),
            issued: Some(-18),
        }),
        verification: Some(Verification {
            token: SecretBytes::new(&b"token of a client"[..]),
            request: Some(Some("19".into())),
            welcome: true,
            backlog: vec![SentMessage::Text("{}".into()), SentMessage::Binary(Box::new([20]))],
        }),
        fault: Some(Fault { why: "expired".into(), user: Some("ada".into()) }),
        filter: Some("part".into()),
        departure: Some(Departure {
            order: order(Action::Unsubscribe),
            positions: vec![(name("news"), Seq(3))],
            until: Time(21),
        }),
        later: later.map(order).into(),
        close_by: Some((Time(22), CloseCause::Expelled)),
        waiting: vec![
            Waiting::Message(SentMessage::Text("{}".into())),
            Waiting::Close(1000),
            Waiting::End(EndKind::Eof),
            Waiting::End(EndKind::Reset),
            Waiting::End(EndKind::TlsFault),
        ],
    }
}

/// A state with every field of the format, always the same.
pub(crate) fn sample() -> State {
    let mut one = ShardState::new(ShardId(0));
    let document = |text: &str| JsonObject::parse(text.as_bytes()).unwrap();
    let state = StateDocument { state: document(r#"{"goals":1}"#), epoch: Epoch(9), seq: Seq(3) };
    one.channels.push(Channel {
        name: name("news"),
        head: Seq(4),
        last_at: Some(Time(4_000)),
        first: Seq(2),
        frames: vec![frame(3, 3, None), frame(4, 4, None)],
        kept: vec![frame(1, 1, Some("b"))],
        lost: Seq(0),
        is_published: true,
        document: Some(Arc::new(document(r#"{"is":"there"}"#))),
        state: Some(Arc::new(state)),
        last: Some(frame(4, 4, None)),
        used_at: Time(5_000),
        is_followed: false,
    });
    one.rosters.push(Roster {
        channel: name("news"),
        is_named: true,
        counted_at: Some(Time(23)),
        recounts: true,
        members: vec![
            RosterMember {
                member: Member::User("ada".into()),
                is_told: true,
                until: None,
                connections: vec![laden().id],
            },
            RosterMember {
                member: Member::Connection(Uuid::from_u128(24)),
                is_told: true,
                until: Some(Time(25)),
                connections: Vec::new(),
            },
        ],
    });
    let mut plain = connection(0, 0);
    plain.subscriptions = vec![subscription("news", 4)];
    one.connections.push(plain);
    (one.forgotten, one.floor) = (vec![(name("old"), Seq(26))], Seq(27));
    let mut other = ShardState::new(ShardId(1));
    other.connections.push(laden());
    let key = [81_985_529_216_486_895, 1];
    State {
        engine: EngineState {
            epoch: Epoch(9),
            homes: Homes::new(key, 2),
            time: Time(28),
            services: vec!["sim".into()],
            is_ordered_outside: false,
        },
        histories: vec![
            History { logs: vec![(name("news"), vec![frame(1, 1, None)])] },
            History { logs: vec![(name("news"), vec![frame(2, 2, Some("a"))])] },
        ],
        early: Vec::new(),
        shards: vec![one, other],
        blobs: vec![Blob {
            name: "tickets".into(),
            version: 2,
            is_required: true,
            bytes: SecretBytes::new(&b"ticket key"[..]),
        }],
    }
}

/// Any state that a predecessor may write.
pub(crate) fn some_state(rng: &mut fastrand::Rng) -> State {
    let mut state = sample();
    state.histories.clear();
    let shards = rng.usize(1..=4);
    state.shards = (0..shards).map(|shard| ShardState::new(ShardId(shard as u8))).collect();
    let names: Vec<String> = (0..rng.usize(..5)).map(|n| format!("room:{n}")).collect();
    let mut heads = Vec::new();
    for text in &names {
        let (first, len) = (rng.u64(1..9), rng.u64(..6));
        let head = first + len - 1;
        heads.push(head);
        state.shards[rng.usize(..shards)].channels.push(Channel {
            name: name(text),
            head: Seq(head),
            last_at: None,
            first: Seq(first),
            frames: (first..first + len).map(|seq| frame(seq, seq, None)).collect(),
            kept: Vec::new(),
            lost: Seq(first - 1),
            is_published: rng.bool(),
            document: None,
            state: None,
            last: None,
            used_at: Time(rng.u64(..9)),
            is_followed: rng.bool(),
        });
    }
    for slot in 0..rng.u32(..6) {
        let shard = rng.usize(..shards);
        let mut connection = if rng.bool() { laden() } else { connection(0, slot) };
        connection.socket.slot = slot;
        connection.id = Uuid::from_u128(rng.u128(..));
        connection.subscriptions.clear();
        for (text, head) in names.iter().zip(&heads) {
            if rng.bool() {
                connection.subscriptions.push(subscription(text, rng.u64(..=*head)));
            }
        }
        state.shards[shard].connections.push(connection);
    }
    state.early = (0..rng.u8(..3)).map(|of| early_ones(rng, ShardId(of), &names)).collect();
    for slot in 10..20 {
        let shard = &mut state.shards[rng.usize(..shards)];
        match rng.u8(..12) {
            0 => shard.ended.push((ShardId(0), slot)),
            1 => shard.sealed.push((ShardId(0), slot, rng.u64(..9))),
            2 => shard.connections.push(connection(0, slot)),
            3 => shard.published.push(Published {
                channel: name("room:1"),
                user: "ada".into(),
                id: slot.to_string().into(),
                seq: Seq(1),
                at: Time(rng.u64(..9)),
            }),
            4 => shard.acknowledged.push((name("room:1"), Seq(rng.u64(..99)))),
            _ => {}
        }
    }
    state
}

/// Connections that went over early, of one shard.
fn early_ones(rng: &mut fastrand::Rng, shard: ShardId, names: &[String]) -> Early {
    let some = |slot: u32| {
        let mut connection = connection(0, slot);
        let channels = names.iter().map(|text| subscription(text, 0));
        connection.subscriptions = channels.collect();
        connection
    };
    let slots = 10 + 3 * u32::from(shard.0)..13 + 3 * u32::from(shard.0);
    Early { shard, connections: slots.filter(|_| rng.bool()).map(some).collect() }
}

//! A client's end: reads its stream with tungstenite's frame parser and holds it against what the
//! homes encoded.

pub(super) mod attendance;
mod by_patterns;
pub(super) mod confirmed;
mod errors;
mod promised;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::io::Cursor;

use serde_json::Value;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use self::attendance::Roster;
use super::deflating::ClientInflater;
use super::order::Order;
use super::truth::{Truth, correlation};
use super::updates::Updates;
use crate::limits::LEAVE_PATIENCE;
use crate::types::{Encoding, ServiceId, Time};

/// A subscription as the client may believe in it.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    /// Which life of the channel's log; a confirmation of a list does not tell.
    life: Option<usize>,
    /// The position that must come next, once known.
    pub(super) next: Option<u64>,
    /// If it is not known: the next position is this one at the latest.
    pub(super) latest: u64,
    /// A recovery may begin within a gap.
    recovering: bool,
}

impl Belief {
    pub(super) fn life(&self) -> Option<usize> {
        self.life
    }
}

#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) shard: usize,
    pub(super) service: ServiceId,
    /// How it is written messages.
    pub(super) encoding: Encoding,
    /// Its request for a stream was answered.
    pub(super) answered: bool,
    pub(super) buffer: Vec<u8>,
    pub(super) reading: bool,
    /// It vanished by itself.
    pub(super) gone: bool,
    /// It saw the end of the stream.
    pub(super) ended: bool,
    pub(super) over_capacity: bool,
    welcomed: bool,
    /// The answer to its token comes before the welcome.
    shows_token: bool,
    pub(super) authenticated: u64,
    pub(super) turned_away: u64,
    pub(super) closed: Option<u16>,
    pub(super) reason: String,
    /// Why it was told to reconnect.
    pub(super) told: Option<String>,
    pub(super) close_sent: Option<u16>,
    /// What its own fault must be answered with.
    pub(super) fault: Option<u16>,
    pub(super) beliefs: HashMap<usize, Belief>,
    /// The channels that it has by name.
    named: HashSet<usize>,
    /// What the channels of its patterns begin with.
    patterns: BTreeSet<String>,
    pub(super) patterns_confirmed: u64,
    /// Messages that it was answered.
    pub(super) histories: u64,
    /// Subscriptions that began with a state.
    pub(super) states: u64,
    /// The newest of its own messages in each channel that it has by name, with the epoch, where
    /// the order is outside.
    acknowledged: HashMap<usize, (String, u64)>,
    /// Times that it was told that nothing can be published.
    pub(super) degraded: u64,
    pub(super) orders: VecDeque<(u64, Order)>,
    /// All requests that are owed an answer, in order.
    sent: VecDeque<u64>,
    /// It was too slow once, or frames of it were lost on purpose: it may lack what it should have.
    pub(super) may_lack: bool,
    /// When it reads.
    pub(super) now: Time,
    /// Heads of all channels when an operator wanted it gone, and that time.
    pub(super) expelled: Option<(Time, Vec<u64>)>,
    /// Publishes and pings.
    pub(super) asked: HashMap<u64, &'static str>,
    pub(super) pongs: Vec<Vec<u8>>,
    pub(super) gaps: u64,
    pub(super) events: u64,
    pub(super) busy: u64,
    pub(super) forbidden: u64,
    pub(super) too_fast: u64,
    pub(super) not_recovered: u64,
    /// Those of them that got a part.
    pub(super) partial: u64,
    /// Subscriptions that began with the newest message of each key.
    pub(super) replayed: u64,
    /// Subscriptions that went on elsewhere.
    pub(super) returned: u64,
    pub(super) inflater: Option<ClientInflater>,
    /// The members of each channel, as it was told.
    pub(super) rosters: HashMap<usize, Roster>,
    pub(super) lists: u64,
    pub(super) joins_and_leaves: u64,
    /// It speaks another protocol, and gets updates.
    pub(super) updates: Option<Updates>,
}

impl Client {
    pub(super) fn new(
        shard: usize,
        service: ServiceId,
        over_capacity: bool,
        shows_token: bool,
    ) -> Client {
        Client { shard, service, over_capacity, shows_token, reading: true, ..Client::default() }
    }

    /// It says something.
    pub(super) fn says(&mut self, text: &str) {
        let id = text.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"'));
        self.sent.extend(id.and_then(|(id, _)| id.parse::<u64>().ok()));
    }

    pub(super) fn subscribes(&mut self, id: u64, channels: &[usize]) {
        let channels = channels.iter().map(|channel| (*channel, None)).collect();
        self.orders.push_back((id, Order::subscribe(channels, true)));
    }

    /// Takes bytes of the stream and judges every whole message in it.
    pub(super) fn take(&mut self, bytes: impl Iterator<Item = u8>, truth: &Truth) {
        self.buffer.extend(bytes);
        if self.encoding.is_event() {
            return self.take_events(truth);
        }
        let mut at = 0;
        loop {
            let mut cursor = Cursor::new(&self.buffer[at..]);
            let parsed = FrameHeader::parse(&mut cursor).expect("the server's frame header");
            let Some((header, len)) = parsed else { break };
            let end = at + cursor.position() as usize + len as usize;
            if end > self.buffer.len() {
                break;
            }
            assert!(header.is_final && header.mask.is_none());
            assert!(!(header.rsv2 || header.rsv3));
            let payload = self.buffer[at + cursor.position() as usize..end].to_vec();
            let (frame, payload) = match header.rsv1 {
                true => ClientInflater::plain(&mut self.inflater, &payload),
                false => (self.buffer[at..end].to_vec(), payload),
            };
            self.message(header.opcode, &payload, &frame, truth);
            at = end;
        }
        self.buffer.drain(..at);
    }

    pub(super) fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Whether the stream stopped within a message.
    pub(super) fn is_torn(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn message(&mut self, opcode: OpCode, payload: &[u8], frame: &[u8], truth: &Truth) {
        assert!(self.closed.is_none(), "a frame after the close frame");
        match opcode {
            OpCode::Control(Control::Close) => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                self.closed = Some(code);
                self.reason = String::from_utf8(payload[2..].to_vec()).unwrap();
            }
            OpCode::Control(Control::Ping) => self.pongs.push(payload.to_vec()),
            // The hub sends it in place of missing messages.
            OpCode::Control(Control::Pong) if self.updates.is_some() && payload.is_empty() => {}
            OpCode::Control(Control::Pong) => {
                assert_eq!(payload, b"sim");
                self.asked.remove(&0).expect("a pong nobody asked for");
            }
            OpCode::Data(Data::Text) => {
                let value: Value = serde_json::from_slice(payload).expect("JSON");
                match self.updates.is_some() {
                    true => self.take_update(&value),
                    false => self.envelope(&value, frame, truth),
                }
            }
            other => panic!("{other} from the server"),
        }
    }

    pub(super) fn envelope(&mut self, value: &Value, frame: &[u8], truth: &Truth) {
        let kind = value["type"].as_str().unwrap();
        let event = value["event"].as_str();
        if !self.welcomed && value["error_code"] == "AUTH_FAILED" {
            self.turned_away += 1;
            return;
        }
        assert_eq!(self.turned_away, 0, "who was turned away gets nothing more: {value}");
        if std::mem::take(&mut self.shows_token) {
            self.authenticated += 1;
            assert_eq!((kind, event), ("response", Some("auth")), "{value}");
            assert_eq!(value["data"]["user_id"], "sim");
            return;
        }
        if let Some(id) = correlation(value) {
            assert_eq!(self.sent.pop_front(), Some(id), "answers leave in order: {value}");
        }
        let first = !std::mem::replace(&mut self.welcomed, true);
        assert_eq!(first, event == Some("session.created"), "welcome first, and once: {value}");
        assert!(!self.over_capacity, "a welcome to a server that is full");
        match (kind, event) {
            ("event", Some("session.created")) => {}
            ("event", Some("session.reconnect")) => self.is_told(value),
            ("event", Some("session.degraded")) => self.degraded += 1,
            ("event", Some("session.restored")) => assert!(truth.external, "{value}"),
            ("event", Some("gap")) => self.gap(value, truth),
            ("event", Some("presence.list")) if value["seq"].is_null() => {
                self.attendance(value, truth)
            }
            ("event", _) => self.event(value, frame, truth),
            ("response", Some("subscribe")) => self.subscribed(value, truth),
            ("response", Some("unsubscribe")) => self.unsubscribed(value, truth),
            ("response", Some("presence")) => {
                self.asked.remove(&correlation(value).unwrap()).expect("who asked for that?");
            }
            ("response", Some("history")) => self.history(value, truth),
            ("response", Some("auth")) => {
                self.authenticated += 1;
                self.asked.remove(&correlation(value).unwrap()).expect("a token nobody showed");
            }
            ("response", Some("publish")) => {
                assert_eq!(value["data"]["status"], "published");
                self.is_published(value, truth);
                self.asked.remove(&correlation(value).unwrap()).expect("published what?");
            }
            ("pong", None) => {
                self.asked.remove(&correlation(value).unwrap()).expect("which ping?");
            }
            ("error", None) => self.error(value),
            _ => panic!("what is {value}"),
        }
    }

    fn unsubscribed(&mut self, value: &Value, truth: &Truth) {
        if value["data"]["pattern"].is_string() {
            return self.lost_pattern(value, truth);
        }
        let Order::Unsubscribe { channels, list, at } = self.order(value) else {
            panic!("{value}")
        };
        let late = self.now.since(at) >= LEAVE_PATIENCE;
        let data = &value["data"];
        assert_eq!(data["status"], "unsubscribed");
        if !list {
            assert_eq!(data["channel"], truth.name(channels[0].0));
        }
        for (channel, head) in channels {
            // By a pattern alone it has the channel as before.
            let leaves = self.named.remove(&channel) || !self.is_kept(channel, truth);
            let head = head.max(self.acknowledged_in(channel, truth));
            let has = !leaves || late || self.has_up_to(channel, head, truth);
            assert!(has, "left {channel} before {head}: {value}");
            self.acknowledged.remove(&channel);
            self.rosters.remove(&channel);
            self.forget_unless_kept(channel, truth);
        }
    }

    fn event(&mut self, value: &Value, frame: &[u8], truth: &Truth) {
        let channel = truth.channel(self.service, value["room"].as_str().unwrap());
        let seq = value["seq"].as_u64().unwrap();
        let belief = self.beliefs.get_mut(&channel).expect("an event without a subscription");
        let life = truth.find(channel, seq, frame).expect("a frame that its home encoded");
        assert_eq!(*belief.life.get_or_insert(life), life, "a frame of another life");
        // What it has of the channel is the message before, where that is no neighbour.
        let first = value["prev"].as_u64().map_or(seq, |prev| prev + 1);
        match belief.next {
            Some(next) if truth.external && belief.recovering => {
                assert!(
                    first <= next && next <= seq,
                    "{channel}: {next} is not in {first} to {seq}"
                );
            }
            Some(next) => assert_eq!(first, next, "{channel}: lost, repeated or out of order"),
            None => assert!(first <= belief.latest, "{seq}, but {} at the latest", belief.latest),
        }
        belief.next = Some(seq + 1);
        belief.recovering = false;
        self.events += 1;
        self.comes_or_goes(channel, value);
    }

    fn gap(&mut self, value: &Value, truth: &Truth) {
        let channel = truth.channel(self.service, value["room"].as_str().unwrap());
        let data = &value["data"];
        let [from, to, missed] =
            ["from_seq", "to_seq", "missed"].map(|key| data[key].as_u64().unwrap());
        let belief = self.beliefs.get_mut(&channel).expect("a gap without a subscription");
        let life = truth.life(channel, data["epoch"].as_str().unwrap());
        if data["reason"] == "restart" {
            assert!(truth.external && (from, to, missed) == (1, 0, 0), "{value}");
            (belief.life, belief.next, belief.recovering) = (Some(life), Some(1), false);
            // Its position means nothing any more.
            self.rosters.remove(&channel);
            return;
        }
        assert!(from <= to && missed == to + 1 - from, "{value}");
        assert_eq!(*belief.life.get_or_insert(life), life, "a gap in another life");
        truth.check_gap(channel, life, (from, to), data["reason"].as_str().unwrap());
        match belief.next {
            Some(next) if belief.recovering => assert!(from <= next && next <= to, "{value}"),
            Some(next) => assert_eq!(from, next, "{value}"),
            None => assert!(from <= belief.latest, "{value}"),
        }
        belief.next = Some(to + 1);
        belief.recovering = false;
        self.gaps += missed;
        // It may have missed members that came and went.
        self.rosters.remove(&channel);
    }
}

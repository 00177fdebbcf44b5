//! What clients do, at random.

use std::time::Duration;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::net::SEAL;
use super::order::Order;
use super::world::{TOKENS, World, auth};
use crate::broker::ReceiveEnd;
use crate::config::AuthMode;
use crate::limits::{LEAVE_PATIENCE, TICK};
use crate::types::{ClientAction, ClientCommand, ServiceId, Target};

/// The fault of a client that ends its side without a close frame (RFC 6455, 7.1.5).
const PARTED: u16 = 1006;
const TEXT: OpCode = OpCode::Data(Data::Text);

impl World {
    /// One random thing happens.
    pub(super) fn step(&mut self) {
        if self.plan.changes && self.chance(3) {
            self.change_settings();
        }
        self.change_order();
        if self.plan.states && self.chance(5) {
            self.put_state();
        }
        if self.plan.handovers && self.chance(3) {
            self.hand_over();
        }
        let rough = self.plan.rough;
        match self.rng.u8(..100) {
            0..30 => {
                let shard = self.rng.usize(..self.plan.shards);
                self.turn(shard, false);
            }
            30..45 => {
                let channel = self.rng.usize(..self.plan.channels);
                for _ in 0..self.rng.u8(1..6) {
                    self.publish(channel);
                }
            }
            45..50 => {
                let ms = self.rng.u64(..60);
                if self.plan.leaps && self.chance(10) {
                    self.idle(ms);
                }
                self.pass_time(Duration::from_millis(ms));
            }
            50..54 => {
                let shard = self.rng.usize(..self.plan.shards);
                self.connect(shard);
            }
            54..75 => self.for_some_client(|world, client| {
                if world.clients[client].reading {
                    let most = world.rng.usize(1..=2_000);
                    world.read(client, most);
                }
            }),
            75..95 => self.for_some_client(World::speak),
            95..98 if rough => self.for_some_client(|world, client| {
                let reading = !world.clients[client].reading;
                world.clients[client].reading = reading;
                world.note(|| format!("client {client} reads: {reading}"));
            }),
            98 if self.plan.rough && self.plan.seed.is_multiple_of(3) && self.chance(30) => {
                self.expel()
            }
            98 if rough && self.plan.seed.is_multiple_of(5) && self.chance(30) => {
                self.relieve();
            }
            98.. if rough => self.for_some_client(World::misbehave),
            _ => {}
        }
    }

    /// Seconds in which nothing happens but the clock: the silent are pinged and given up.
    fn idle(&mut self, ticks: u64) {
        for _ in 0..2 * ticks {
            self.pass_time(TICK);
            (0..self.plan.shards).for_each(|shard| self.turn(shard, false));
        }
    }

    pub(super) fn for_some_client(&mut self, act: impl FnOnce(&mut World, usize)) {
        let (first, all) = (self.clients.len().saturating_sub(20), self.clients.len());
        if first < all {
            let client = self.rng.usize(first..all);
            act(self, client);
        }
    }

    /// Reads at most so many bytes, and does what a client must.
    pub(super) fn read(&mut self, client: usize, most: usize) {
        let (end, socket) = (&mut self.clients[client], &mut self.sockets[client]);
        if end.gone || end.ended {
            return;
        }
        end.may_lack |= socket.slow || self.plan.lossy;
        end.now = self.now;
        let size = most.min(socket.down.len());
        let seal = if socket.sealed { SEAL } else { 0 };
        end.take(socket.down.drain(..size).map(|byte| byte ^ seal), &self.truth);
        for payload in std::mem::take(&mut self.clients[client].pongs) {
            self.send(client, OpCode::Control(Control::Pong), &payload);
        }
        if let (Some(code), None) = (self.clients[client].closed, self.clients[client].close_sent) {
            match self.clients[client].encoding.is_event() {
                true => self.end_stream(client, code),
                false => self.close(client, code),
            }
        }
        let (end, socket) = (&mut self.clients[client], &mut self.sockets[client]);
        if socket.fin && socket.down.is_empty() {
            end.ended = true;
            socket.up_end.get_or_insert(ReceiveEnd::Eof);
            // A stream ends with a close frame, unless its client was too slow to take that.
            let excused = socket.slow || socket.dead;
            let bidden = end.closed.is_some() || end.fault == Some(PARTED);
            assert!(bidden || excused, "client {client} was dropped without a word");
            assert!(!end.is_torn() || excused, "client {client} got half a frame");
            let (closed, fault, reason) = (end.closed, end.fault, end.reason.clone());
            self.note(|| format!("client {client} ended: {closed:?} {reason}"));
            self.check_expelled(client);
            let excuses = ["Authentication", "Token", "Disconnected", "Message was"];
            let unblamed = excuses.iter().any(|excuse| reason.starts_with(excuse));
            let blamed = closed >= Some(4000) && !unblamed || reason == "slow consumer";
            assert!(excused || !blamed, "client {client} read everything: {closed:?} {reason}");
            let mut expected: Vec<u16> = vec![1001, 1011, 1013];
            expected.extend(4001..=4005);
            expected.extend([4101, 4102, 4103, 4201]);
            expected.extend(self.plan.changes.then_some(1009));
            expected.extend(fault);
            if self.clients[client].encoding.is_event() {
                expected.extend([400, 401, 403, 503, 507]);
            }
            let known = closed.is_none_or(|code| expected.contains(&code));
            assert!(known, "client {client}: {closed:?} {fault:?}");
        }
    }

    /// A service wants all subscribers of a channel gone.
    pub(super) fn expel(&mut self) {
        let channel = self.rng.usize(..self.plan.channels);
        let name = self.truth.channel_name(channel).clone();
        let (service, target) = (name.service(), Target::Channel(name));
        let command = ClientCommand { service, target, action: ClientAction::Disconnect };
        let heads: Vec<u64> = (0..self.plan.channels).map(|c| self.truth.accepted(c)).collect();
        // Whom it means only the hubs know; a later command waits for no more than the first one.
        for client in &mut self.clients {
            client.expelled.get_or_insert((self.now, heads.clone()));
        }
        for shard in 0..self.plan.shards {
            self.begin_iteration(shard);
            let mut from = Some(0);
            while let Some(next) = from {
                from = self.hubs[shard].disconnect(&command, next).1;
            }
        }
        self.note(|| format!("subscribers of {channel} are expelled"));
    }

    /// A client that is expelled has been handed what was accepted before, unless it was slow.
    fn check_expelled(&mut self, client: usize) {
        let end = &mut self.clients[client];
        let Some((at, heads)) = end.expelled.take() else { return };
        if end.reason.starts_with("Disconnected") && self.now.since(at) < LEAVE_PATIENCE {
            for (channel, head) in heads.into_iter().enumerate() {
                let may_lack = end.leaves(channel) || !end.has_by_name(channel);
                let has = may_lack || end.has_up_to(channel, head, &self.truth);
                assert!(has, "client {client} was expelled before {head} of {channel}");
            }
            self.expelled += 1;
        }
    }

    pub(super) fn close(&mut self, client: usize, code: u16) {
        self.clients[client].close_sent = Some(code);
        self.send(client, OpCode::Control(Control::Close), &code.to_be_bytes());
    }

    /// Sends a masked frame.
    fn send(&mut self, client: usize, opcode: OpCode, payload: &[u8]) {
        let mask = self.rng.u32(..).to_be_bytes();
        let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        self.sockets[client].up.extend(bytes);
    }

    pub(super) fn say(&mut self, client: usize, text: &str) {
        self.clients[client].says(text);
        self.send(client, TEXT, text.as_bytes());
    }

    fn may_speak(&self, client: usize) -> bool {
        let end = &self.clients[client];
        !(end.gone || end.ended || end.fault.is_some())
            && end.close_sent.is_none()
            && self.sockets[client].up.len() < 5_000
    }

    pub(super) fn speak(&mut self, client: usize) {
        let is_silent = !self.may_speak(client) || self.clients[client].encoding.is_event();
        if is_silent || self.speak_of_updates(client) {
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let own = self.truth.channels_of(self.clients[client].service);
        let channel = own[self.rng.usize(..own.len())];
        let name = self.truth.name(channel).to_owned();
        let asks = self.plan.presence && self.chance(10);
        let by_pattern = self.plan.patterns && self.chance(20);
        let returns = self.plan.returns && self.chance(35);
        let begins = self.plan.states && self.chance(35);
        let reads = self.plan.histories && self.chance(25);
        let text = match self.rng.u8(..100) {
            _ if asks => {
                self.clients[client].asked.insert(id, "presence");
                let data = format!(r#"{{"channel":"{name}"}}"#);
                format!(r#"{{"id":"{id}","type":"request","event":"presence","data":{data}}}"#)
            }
            _ if by_pattern => self.pattern_request(client, id),
            _ if returns => self.returning_request(client, id),
            _ if begins => self.state_request(client, id, channel),
            _ if reads => self.history_request(client, id, channel),
            0..50 => self.subscribe(client, id, channel, &name),
            50..70 => self.unsubscribe(client, id, channel, &name),
            70..85 => {
                self.clients[client].asked.insert(id, "publish");
                let document = self.document();
                format!(
                    r#"{{"id":"{id}","type":"request","event":"publish","data":
                    {{"channel":"{name}","event":"said","data":{document}}}}}"#
                )
            }
            85..92 => {
                self.clients[client].asked.insert(id, "ping");
                format!(r#"{{"id":"{id}","type":"ping"}}"#)
            }
            92..96 => {
                if self.clients[client].asked.insert(0, "frame").is_none() {
                    self.send(client, OpCode::Control(Control::Ping), b"sim");
                }
                return;
            }
            96 if self.plan.config.services[0].access.mode != AuthMode::Off => {
                self.clients[client].asked.insert(id, "auth");
                auth(&id.to_string(), self.rng.choice(TOKENS).unwrap())
            }
            96..98 => "no JSON at all".into(),
            _ => {
                self.clients[client].asked.insert(id, "unknown");
                format!(r#"{{"id":"{id}","type":"request","event":"dance"}}"#)
            }
        };
        self.note(|| format!("client {client} says {}", &text[..text.len().min(150)]));
        self.say(client, &text);
    }

    fn subscribe(&mut self, client: usize, id: u64, channel: usize, name: &str) -> String {
        let form = self.rng.u8(..6);
        let mut order = Order::subscribe(vec![(channel, None)], false);
        let text = match form {
            0 => format!(
                r#"{{"id":"{id}","type":"event","event":"subscribe","data":{{"room":"{name}"}}}}"#
            ),
            1 => format!(r#"{{"id":"{id}","type":"subscribe","room":"{name}"}}"#),
            2 => {
                let channels = self.some_channels(client);
                let names = self.names(&channels);
                let channels = channels.into_iter().map(|channel| (channel, None)).collect();
                order = Order::subscribe(channels, true);
                format!(r#"{{"id":"{id}","type":"subscribe","data":{{"channels":{names}}}}}"#)
            }
            3 => {
                let data = format!(r#"{{"channel":"{name}"}}"#);
                format!(r#"{{"id":"{id}","type":"request","event":"subscribe","data":{data}}}"#)
            }
            _ => {
                let (epoch, seq) = self.truth.position(&mut self.rng, channel);
                let since = Some((epoch.clone(), seq));
                order = Order::subscribe(vec![(channel, since)], false);
                format!(
                    r#"{{"id":"{id}","type":"request","event":"subscribe","data":
                    {{"channel":"{name}","since":{{"epoch":"{epoch}","seq":{seq}}}}}}}"#
                )
            }
        };
        self.clients[client].orders.push_back((id, order));
        match self.plan.presence && self.chance(50) {
            true => text.replacen(r#"{"channel"#, r#"{"presence":true,"channel"#, 1),
            false => text,
        }
    }

    fn unsubscribe(&mut self, client: usize, id: u64, channel: usize, name: &str) -> String {
        let list = self.chance(30);
        let channels = if list { self.some_channels(client) } else { vec![channel] };
        let names = self.names(&channels);
        let with_heads = channels.iter().map(|channel| (*channel, self.truth.accepted(*channel)));
        let (channels, at) = (with_heads.collect(), self.now);
        let order = Order::Unsubscribe { channels, list, at };
        self.clients[client].orders.push_back((id, order));
        let data = if list {
            format!(r#"{{"channels":{names}}}"#)
        } else {
            format!(r#"{{"channel":"{name}"}}"#)
        };
        format!(r#"{{"id":"{id}","type":"unsubscribe","data":{data}}}"#)
    }

    pub(super) fn some_channels(&mut self, client: usize) -> Vec<usize> {
        self.some_channels_of(self.clients[client].service)
    }

    pub(super) fn some_channels_of(&mut self, service: ServiceId) -> Vec<usize> {
        let mut channels = self.truth.channels_of(service);
        self.rng.shuffle(&mut channels);
        channels.truncate(self.rng.usize(1..=channels.len()));
        channels
    }

    pub(super) fn names(&self, channels: &[usize]) -> String {
        let names: Vec<&str> = channels.iter().map(|c| self.truth.name(*c)).collect();
        serde_json::to_string(&names).unwrap()
    }

    /// Goes away, properly or not, or breaks the protocol.
    fn misbehave(&mut self, client: usize) {
        if !self.may_speak(client) {
            return;
        }
        if self.clients[client].encoding.is_event() {
            return self.misbehave_in_stream(client);
        }
        let what = self.rng.u8(..7);
        self.note(|| format!("client {client} misbehaves ({what})"));
        let socket = &mut self.sockets[client];
        match what {
            0 => {
                self.clients[client].fault = Some(1000);
                self.close(client, 1000);
            }
            1 => {
                socket.up_end = Some(ReceiveEnd::Eof);
                self.clients[client].gone = true;
            }
            2 => {
                (socket.dead, socket.up_end) = (true, Some(ReceiveEnd::Reset));
                self.clients[client].gone = true;
            }
            6 => {
                // It still reads.
                socket.up_end = Some(ReceiveEnd::Eof);
                self.clients[client].fault = Some(PARTED);
            }
            3 => {
                // Not masked.
                socket.up.extend(b"\x81\x01x");
                self.clients[client].fault = Some(1002);
            }
            4 => {
                self.send(client, TEXT, b"\xff\xff");
                self.clients[client].fault = Some(1007);
            }
            _ => {
                self.send(client, TEXT, &vec![b'x'; self.largest_message() + 1]);
                self.clients[client].fault = Some(1009);
            }
        }
    }
}

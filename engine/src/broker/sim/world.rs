//! Hubs, sockets, lanes, clients and one clock, moved step by step by the seed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::counted::Counted;
use super::external::External;
use super::net::{Pair, Port, SimLanes, SimSink, Socket};
use super::plan::{Plan, Sabotage};
use super::truth::Truth;
use crate::broker::effect::Effect;
use crate::broker::{Admission, Hub, ReceiveEnd};
use crate::config::Config;
use crate::limits::TICK;
use crate::types::{
    AuthError, ConnectionKey, Encoding, Identity, Now, ServiceId, ShardId, Time, TlsMode, Verdict,
};

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: fastrand::Rng,
    pub(super) now: Time,
    pub(super) ticks: Vec<Time>,
    pub(super) hubs: Vec<Hub>,
    pub(super) busy: Vec<bool>,
    pub(super) lanes: Vec<Vec<Pair>>,
    pub(super) ports: Vec<Vec<Port>>,
    pub(super) sockets: Vec<Socket>,
    pub(super) clients: Vec<Client>,
    pub(super) truth: Truth,
    /// The order of channels, where it is outside.
    pub(super) external: Option<External>,
    /// The positions of channels' states.
    pub(super) states: HashMap<usize, u64>,
    /// Tokens being verified, by shard: turns until the answer, and the connection.
    pub(super) verdicts: Vec<Vec<(u8, ConnectionKey, Verdict)>>,
    pub(super) refused: u64,
    pub(super) lost: u64,
    /// Permissions that clients lost to changed settings.
    pub(super) grants_lost: u64,
    /// Clients that were expelled, and had everything.
    pub(super) expelled: u64,
    pub(super) next_id: u64,
    /// The newest settings.
    pub(super) config: Arc<Config>,
    /// What hubs have counted that were handed over.
    pub(super) former: Counted,
    /// Settings that a shard has not taken over yet.
    pub(super) settings: Vec<Option<Arc<Config>>>,
    /// Connections go over to other hubs, which keep their deadlines.
    pub(super) has_no_ticks: bool,
    /// Writes that the hubs asked for.
    pub(super) writes: u64,
    /// Steps to be remembered for a failure's report.
    steps: usize,
    trace: VecDeque<String>,
}

/// Good ones, one that soon expires, one that just has, and no token at all.
pub(super) const TOKENS: &[&str] = &["good", "good", "good", "brief", "late", "bad"];

/// An `auth` request.
pub(super) fn auth(id: &str, token: &str) -> String {
    format!(r#"{{"id":"{id}","type":"request","event":"auth","data":{{"token":"{token}"}}}}"#)
}

impl World {
    pub(super) fn new(plan: Plan) -> World {
        let row = |_| (0..plan.shards).map(|_| Pair::default()).collect();
        World {
            rng: fastrand::Rng::with_seed(plan.seed ^ 0x51b0),
            now: Time(1_000_000_000),
            ticks: vec![Time(0); plan.shards],
            hubs: (0..plan.shards).map(|shard| plan.hub(shard)).collect(),
            busy: vec![false; plan.shards],
            lanes: (0..plan.shards).map(row).collect(),
            ports: (0..plan.shards).map(|_| Vec::new()).collect(),
            sockets: Vec::new(),
            clients: Vec::new(),
            verdicts: vec![Vec::new(); plan.shards],
            truth: Truth::new(&plan),
            external: plan.external.then(|| External::new(&plan)),
            states: HashMap::new(),
            refused: 0,
            lost: 0,
            grants_lost: 0,
            expelled: 0,
            next_id: 1,
            config: plan.config.clone(),
            former: Counted::default(),
            settings: vec![None; plan.shards],
            has_no_ticks: false,
            writes: 0,
            steps: super::setting("SIM_STEPS").map_or(50, |steps| steps as usize),
            trace: VecDeque::new(),
            plan,
        }
    }

    pub(super) fn note(&mut self, step: impl FnOnce() -> String) {
        if self.trace.len() == self.steps {
            self.trace.pop_front();
        }
        self.trace.push_back(step());
    }

    pub(super) fn last_steps(&self) -> String {
        self.trace.iter().map(|step| format!("  {step}\n")).collect()
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.now, unix_us: 1_700_000_000_000_000 + (self.now.0 / 1_000) as i64 }
    }

    pub(super) fn begin_iteration(&mut self, shard: usize) {
        let now = self.now();
        self.hubs[shard].begin_iteration(now);
    }

    pub(super) fn pass_time(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// A client comes. The hub may have no room for it.
    pub(super) fn connect(&mut self, shard: usize) {
        let over_capacity = self.plan.rough && self.chance(3);
        let sealed = self.plan.sealed && self.rng.bool();
        let (token, frame) = self.token();
        let service = ServiceId((self.clients.len() % self.plan.services) as u8);
        let tls_mode = if sealed { TlsMode::Tls13 } else { TlsMode::Plain };
        let (stream, orders) = self.stream_request(service).unzip();
        let (encoding, (deflate, inflater), frame) = match &stream {
            None => (Encoding::Plain, self.negotiate(), frame),
            Some(_) => (self.plan.encoding(self.clients.len()), (None, None), None),
        };
        let token = if stream.is_some() { self.stream_token(token) } else { token };
        let plain = Admission::plain(([127, 0, 0, 1], 1).into());
        let admission = Admission { service, tls_mode, over_capacity, token, stream, ..plain };
        let admission = Admission { deflate, ..admission };
        self.begin_iteration(shard);
        let Some(key) = self.hubs[shard].admit(admission) else {
            return self.note(|| format!("shard {shard} is full"));
        };
        let (client, index) = (self.clients.len(), key.index as usize);
        self.note(|| format!("client {client} connects to shard {shard} as {key:?}"));
        self.clients.push(Client::new(shard, service, over_capacity, frame.is_some()));
        self.clients[client].encoding = encoding;
        let orders = orders.into_iter().flatten().map(|order| (0, order));
        self.clients[client].orders.extend(orders);
        self.clients[client].inflater = inflater;
        self.clients[client].updates = self.plan.updates_of(service);
        let room = self.rng.usize(1..=self.plan.socket);
        self.sockets.push(Socket { sealed, room, ..Socket::default() });
        let ports = &mut self.ports[shard];
        if index >= ports.len() {
            ports.resize_with(index + 1, Port::default);
        }
        assert!(ports[index].key.is_none(), "a slot that is taken (12)");
        let Port { ghost, .. } = ports[index];
        ports[index] = Port { key: Some(key), client, armed: true, ghost, ..Port::default() };
        if let Some(frame) = frame {
            self.say(client, &frame);
        }
    }

    /// Answers the verifications that are done.
    pub(super) fn verify(&mut self, shard: usize) {
        for (turns, key, verdict) in std::mem::take(&mut self.verdicts[shard]) {
            match turns.checked_sub(1) {
                Some(turns) => self.verdicts[shard].push((turns, key, verdict)),
                None => self.hubs[shard].handle_authenticated(key, verdict),
            }
        }
    }

    /// One turn of a shard's shell, as `all` as possible or a random part of it.
    pub(super) fn turn(&mut self, shard: usize, all: bool) {
        self.begin_iteration(shard);
        self.take_settings(shard);
        if self.ticks[shard] <= self.now && !self.has_no_ticks {
            self.ticks[shard] = self.now + TICK;
            self.hubs[shard].handle_tick();
        }
        for index in 0..self.ports[shard].len() {
            self.complete(shard, index, all);
        }
        self.verify(shard);
        self.take_lanes(shard, all);
        self.take_feed(shard, all);
        self.truth.observe(&self.hubs);
        self.transmit(shard);
        // What waited for earlier requests was handled, too.
        self.truth.observe(&self.hubs);
        self.hubs[shard].check();
        for port in &self.ports[shard] {
            port.key.iter().for_each(|key| self.hubs[shard].check_pause(*key, port.paused));
        }
        let busy = self.busy[shard];
        self.note(|| format!("shard {shard} turns; busy: {busy}"));
    }

    pub(super) fn transmit(&mut self, shard: usize) {
        let mut sink = SimSink {
            ports: &mut self.ports[shard],
            sockets: &mut self.sockets,
            limit: self.plan.batch,
            at: self.now,
            sabotage: self.plan.sabotage,
            rng: &mut self.rng.fork(),
            runs: Vec::new(),
            queued: Default::default(),
            writes: &mut self.writes,
        };
        let mut lanes = SimLanes {
            row: &mut self.lanes[shard],
            capacity: self.plan.lane,
            lossy: self.plan.lossy,
            lost: &mut self.lost,
            rng: &mut self.rng,
        };
        self.busy[shard] = self.hubs[shard].poll_transmit(&mut sink, &mut lanes);
        assert!(sink.runs.is_empty(), "writes without a flush");
        self.take_effects(shard);
    }

    pub(super) fn take_effects(&mut self, shard: usize) {
        while let Some(effect) = self.hubs[shard].poll_effect() {
            self.note(|| format!("shard {shard}: {effect:?}"));
            self.apply(shard, effect);
        }
        self.take_questions(shard);
    }

    fn port(&mut self, shard: usize, key: ConnectionKey) -> &mut Port {
        let port = &mut self.ports[shard][key.index as usize];
        assert_eq!(port.key, Some(key), "an effect on a slot of others");
        port
    }

    fn apply(&mut self, shard: usize, effect: Effect) {
        let early = self.plan.sabotage == Some(Sabotage::EarlyReuse);
        match effect {
            Effect::Authenticate { key, token, .. } => {
                let turns = self.rng.u8(..6);
                let (second, soon) = (self.now().unix_us / 1_000_000, self.rng.i64(1..4));
                let permissions = self.permissions();
                let identity = |expires| {
                    Ok(Identity { user: "sim".into(), permissions, expires, ..Identity::default() })
                };
                let verdict = match token.expose() {
                    "good" => identity(None),
                    "brief" => identity(Some(second + soon)),
                    "late" => identity(Some(second)),
                    _ => Err(AuthError::invalid()),
                };
                self.verdicts[shard].push((turns, key, verdict));
            }
            Effect::Log(_) | Effect::Report(_) => {}
            Effect::PauseReceive(key) => self.port(shard, key).paused = true,
            Effect::ResumeReceive(key) => self.port(shard, key).paused = false,
            Effect::AwaitWritable(key) => {
                let port = self.port(shard, key);
                assert!(!std::mem::replace(&mut port.polled, true), "two polls of one slot");
            }
            Effect::ShutdownWrite(key) => {
                let port = self.port(shard, key);
                assert!(!std::mem::replace(&mut port.shut, true), "two FINs");
                let client = port.client;
                self.sockets[client].fin = true;
            }
            Effect::CancelReceive(key) => {
                let delay = self.rng.u8(..6);
                let port = self.port(shard, key);
                assert!(port.cancelled.is_none(), "cancelled twice");
                port.polled = false;
                port.cancelled = Some(delay);
                if early {
                    port.ghost = std::mem::take(&mut port.armed);
                    port.cancelled = Some(0);
                }
            }
            Effect::Release(key) => {
                let port = self.port(shard, key);
                let flying = port.armed || port.polled || port.cancelled.is_some();
                assert!(!flying, "released with something in flight (12)");
                port.key = None;
                let client = port.client;
                self.sockets[client].fin = true;
                self.sockets[client].released = true;
            }
        }
    }

    /// Completions of one slot.
    fn complete(&mut self, shard: usize, index: usize, all: bool) {
        let late = self.rng.bool();
        let port = &mut self.ports[shard][index];
        let Some(key) = port.key else { return };
        if port.cancelled.is_none() && std::mem::take(&mut port.ghost) {
            // The sabotage's late completion: it carries the index only, and so the wrong key.
            return self.hubs[shard].handle_end(key, ReceiveEnd::Eof);
        }
        let client = port.client;
        if let Some(turns) = port.cancelled {
            if turns > 0 {
                port.cancelled = Some(turns - 1);
                if port.armed && late {
                    self.receive(shard, index, key, client, all);
                }
                return;
            }
            (port.armed, port.cancelled) = (false, None);
            return self.hubs[shard].handle_receive_ended(key);
        }
        if port.polled && self.sockets[client].is_writable() && (all || late) {
            port.polled = false;
            self.hubs[shard].handle_writable(key);
        }
        let port = &self.ports[shard][index];
        // What has arrived before a pause still comes.
        if port.armed && (!port.paused || (late && !all)) && (all || self.rng.bool()) {
            self.receive(shard, index, key, client, all);
        }
    }

    fn receive(
        &mut self,
        shard: usize,
        index: usize,
        key: ConnectionKey,
        client: usize,
        all: bool,
    ) {
        let socket = &mut self.sockets[client];
        if !socket.up.is_empty() {
            let most = if self.rng.bool() { 10 } else { socket.up.len() }.min(socket.up.len());
            let size = if all { socket.up.len() } else { self.rng.usize(1..=most) };
            let mut bytes: Vec<u8> = socket.up.drain(..size).collect();
            self.hubs[shard].handle_received(key, &mut bytes);
        } else if let Some(end) = socket.up_end.take() {
            self.ports[shard][index].armed = false;
            self.hubs[shard].handle_end(key, end);
        }
    }

    pub(super) fn take_lanes(&mut self, shard: usize, all: bool) {
        for from in 0..self.plan.shards {
            let most = if all { usize::MAX } else { self.rng.usize(..8) };
            for _ in 0..most {
                let hub = &mut self.hubs[shard];
                let lane = &mut self.lanes[from][shard];
                if !hub.wants_input() {
                    return;
                }
                let from = ShardId(from as u8);
                let notices_first = self.rng.bool();
                if notices_first || lane.requests.is_empty() {
                    let Some(notice) = lane.notices.pop_front() else { break };
                    hub.handle_notice(from, notice);
                } else if let Some(request) = lane.requests.pop_front() {
                    hub.handle_request(from, request);
                    if self.plan.presence {
                        // The next one may have the channel forgotten.
                        self.truth.observe(&self.hubs);
                    }
                }
            }
        }
    }
}

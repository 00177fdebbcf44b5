//! Sockets, slots and lanes between the hubs and the world.

use std::collections::{HashSet, VecDeque};

use super::plan::Sabotage;
use crate::broker::ReceiveEnd;
use crate::broker::shard_messages::{Lanes, Notice, Request};
use crate::broker::write_sink::{Flushed, Owed, Payload, Short, WriteSink};
use crate::limits::LANE_CREDITS;
use crate::types::{ConnectionKey, ShardId, Time};

/// What sealing does to a byte here.
pub(super) const SEAL: u8 = 0x5a;

/// One client's connection as the network sees it.
#[derive(Debug, Default)]
pub(super) struct Socket {
    pub(super) sealed: bool,
    /// Written by the server, not yet read by the client.
    pub(super) down: VecDeque<u8>,
    pub(super) room: usize,
    /// Every write fails.
    pub(super) dead: bool,
    /// The server ended its side, or all.
    pub(super) fin: bool,
    pub(super) released: bool,
    /// Written by the client, not yet read by the server.
    pub(super) up: VecDeque<u8>,
    pub(super) up_end: Option<ReceiveEnd>,
    /// A write was not whole.
    pub(super) slow: bool,
}

impl Socket {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room.saturating_sub(self.down.len()));
        self.down.extend(&bytes[..taken]);
        taken
    }

    pub(super) fn is_writable(&self) -> bool {
        self.dead || self.down.len() < self.room
    }
}

/// One registered slot of a shard.
#[derive(Debug, Default)]
pub(super) struct Port {
    pub(super) key: Option<ConnectionKey>,
    pub(super) client: usize,
    /// A receive is in flight.
    pub(super) armed: bool,
    pub(super) paused: bool,
    /// A poll for room is in flight.
    pub(super) polled: bool,
    pub(super) shut: bool,
    /// Turns until the cancelled receive's final completion.
    pub(super) cancelled: Option<u8>,
    /// What the sabotage's shell forgot: bytes of the former connection still to come.
    pub(super) ghost: bool,
}

pub(super) struct SimSink<'a> {
    pub(super) ports: &'a mut [Port],
    pub(super) sockets: &'a mut [Socket],
    pub(super) limit: usize,
    pub(super) at: Time,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) rng: &'a mut fastrand::Rng,
    pub(super) runs: Vec<(Payload, Vec<u32>)>,
    pub(super) queued: HashSet<u32>,
    pub(super) writes: &'a mut u64,
}

impl WriteSink for SimSink<'_> {
    fn load(&mut self, payload: Payload) {
        assert!(self.queued.len() < self.limit, "loaded into a full batch");
        self.runs.push((payload, Vec::new()));
    }

    fn push(&mut self, connection: u32) -> bool {
        assert!(self.queued.len() < self.limit, "pushed into a full batch");
        let port = &self.ports[connection as usize];
        *self.writes += 1;
        assert!(port.key.is_some(), "written to a free slot (12)");
        assert!(!port.shut, "written after FIN");
        assert!(self.queued.insert(connection), "written twice in a batch (11)");
        self.runs.last_mut().expect("a run is loaded").1.push(connection);
        self.queued.len() == self.limit
    }

    fn flush(&mut self, out: &mut Flushed) {
        assert!(out.shorts.is_empty() && out.payloads.is_empty());
        out.at = self.at;
        self.queued.clear();
        for (run, (payload, connections)) in self.runs.drain(..).enumerate() {
            for connection in connections {
                let client = self.ports[connection as usize].client;
                let socket = &mut self.sockets[client];
                if self.sabotage == Some(Sabotage::LostWrite) && self.rng.u8(..20) == 0 {
                    continue;
                }
                if let Some(owed) = write(socket, &payload) {
                    out.shorts.push(Short { connection, run, owed });
                }
            }
            out.payloads.push(payload);
        }
    }
}

fn write(socket: &mut Socket, payload: &Payload) -> Option<Owed> {
    if socket.dead {
        return Some(Owed::Dead(libc::EPIPE));
    }
    let sealed_before = matches!(payload, Payload::Sealed(..));
    assert!(socket.sealed || !sealed_before, "ciphertext for a plain socket");
    let bytes = payload.bytes();
    assert!(!bytes.is_empty(), "a write of nothing");
    if !socket.sealed || sealed_before {
        let taken = socket.write(bytes);
        let short = taken < bytes.len();
        socket.slow |= short;
        return short.then_some(Owed::After(taken));
    }
    let mut sealed: Vec<u8> = bytes.iter().map(|byte| byte ^ SEAL).collect();
    let taken = socket.write(&sealed);
    sealed.drain(..taken);
    let short = !sealed.is_empty();
    socket.slow |= short;
    short.then_some(Owed::Sealed(sealed))
}

/// What is on the way from one shard to another.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) requests: VecDeque<Request>,
    pub(super) notices: VecDeque<Notice>,
}

pub(super) struct SimLanes<'a> {
    pub(super) row: &'a mut [Pair],
    pub(super) capacity: usize,
    pub(super) lossy: bool,
    pub(super) lost: &'a mut u64,
    pub(super) rng: &'a mut fastrand::Rng,
}

impl Lanes for SimLanes<'_> {
    fn try_request(&mut self, to: ShardId, request: Request) -> Result<(), Request> {
        let lane = &mut self.row[to.index()].requests;
        if lane.len() >= self.capacity {
            return Err(request);
        }
        lane.push_back(request);
        Ok(())
    }

    fn try_notice(&mut self, to: ShardId, notice: Notice) -> Result<(), Notice> {
        let lane = &mut self.row[to.index()].notices;
        if lane.len() >= self.capacity {
            return Err(notice);
        }
        if self.lossy && matches!(notice, Notice::Frame { .. }) && self.rng.u8(..30) == 0 {
            *self.lost += 1;
        } else {
            lane.push_back(notice);
        }
        Ok(())
    }

    fn reply(&mut self, to: ShardId, notice: Notice) {
        let lane = &mut self.row[to.index()].notices;
        assert!(lane.len() < self.capacity + 2 * LANE_CREDITS, "a reply without room");
        lane.push_back(notice);
    }
}

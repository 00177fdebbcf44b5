//! The steps of a hand-over that all shards of the predecessor take together.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use uringcast_ring::RemoteRing;

use crate::api::handle::Handle;
use crate::handover::{Early, History, Sent};
use crate::limits::{
    HANDOVER_HANDSHAKES, HANDOVER_LOOK, HANDOVER_OLD_HANDSHAKES, HANDOVER_PER_TURN, HANDOVER_REST,
    HANDOVER_STOP, HANDOVER_SWEEPS,
};
use crate::shard::{Command, Exported, HandoverOrder, Place, Rest, Verdict};
use crate::types::{ServiceId, ShardId};

/// The shards, while connections are handed over. Dropped before they have been, the shards serve
/// on.
#[derive(Debug)]
pub(super) struct Shards {
    handle: Arc<Handle>,
    /// Of shards that have written their state down, and stand still.
    verdicts: Vec<oneshot::Sender<Verdict>>,
    is_over: bool,
}

/// Where connections may go: a ring of the other process.
pub(super) struct Target {
    pub ring: RemoteRing,
    /// Slots of the ring.
    pub slots: usize,
}

impl Shards {
    pub(super) fn new(handle: Arc<Handle>) -> Shards {
        Shards { handle, verdicts: Vec::new(), is_over: false }
    }

    /// The sockets that the shards accept from.
    pub(super) fn listeners(&self) -> Result<Vec<(ServiceId, TcpListener)>, String> {
        let asked = self.ask(HANDOVER_REST, |reply| HandoverOrder::Listeners { reply })?;
        Ok(asked.into_iter().flatten().collect())
    }

    /// Nothing of the logs has gone over yet.
    pub(super) fn nothing_sent(&self) -> Vec<Sent> {
        self.handle.mailboxes.iter().map(|_| Sent::default()).collect()
    }

    /// The logs behind what was `sent`, of each shard by itself, while all serve; and what of them
    /// that is then. Not what there is no time for.
    pub(super) fn histories(
        &self,
        mut sent: Vec<Sent>,
        within: Duration,
    ) -> Result<(Vec<History>, Vec<Sent>), String> {
        let until = Instant::now() + within;
        let mut histories: Vec<_> = sent.iter().map(|_| History::default()).collect();
        sent.iter_mut().for_each(Sent::begin_round);
        loop {
            let mut before = std::mem::take(&mut sent).into_iter();
            let answers = self.ask(HANDOVER_REST, |reply| HandoverOrder::History {
                sent: before.next().unwrap_or_default(),
                reply,
            })?;
            let mut is_over = true;
            for ((now_sent, next), history) in answers.into_iter().zip(&mut histories) {
                sent.push(now_sent);
                if let Some(next) = next {
                    history.logs.extend(next.logs);
                    is_over = false;
                }
            }
            if is_over || Instant::now() >= until {
                return Ok((histories, sent));
            }
        }
    }

    /// Waits for the handshakes that are under way now, while all goes on and others begin.
    pub(super) fn await_handshakes(&self) -> Result<(), String> {
        let until = Instant::now() + HANDOVER_OLD_HANDSHAKES;
        let mut is_first = true;
        loop {
            let left = self.ask(HANDOVER_REST, |reply| HandoverOrder::Await { is_first, reply })?;
            if left.into_iter().all(|left| left == 0) || Instant::now() >= until {
                return Ok(());
            }
            is_first = false;
            thread::sleep(HANDOVER_LOOK);
        }
    }

    /// Accepts nothing more, and waits for the handshakes under way, but not long. Returns how many
    /// are left.
    pub(super) fn close(&self) -> Result<usize, String> {
        let until = Instant::now() + HANDOVER_HANDSHAKES;
        loop {
            let under_way = self.ask(HANDOVER_REST, |reply| HandoverOrder::Close { reply })?;
            let left = under_way.into_iter().sum();
            if left == 0 || Instant::now() >= until {
                return Ok(left);
            }
            thread::sleep(HANDOVER_LOOK);
        }
    }

    /// Admits nothing more, and says where each connection goes. Returns how many slots of each
    /// target will be filled at most.
    pub(super) fn hold(&self, targets: Vec<Target>) -> Result<Vec<u32>, String> {
        let counts = self.ask(HANDOVER_REST, |reply| HandoverOrder::Hold { reply })?;
        let all: usize = counts.iter().sum();
        let each = all.div_ceil(targets.len()).max(1);
        if let Some(target) = targets.iter().find(|target| target.slots < each) {
            let slots = target.slots;
            return Err(format!(
                "{all} connections are open, and a shard of the other process has room for \
                 {slots}: raise its max_connections"
            ));
        }
        let mut places = (0..all).map(|number| Place {
            shard: ShardId((number / each) as u8),
            slot: (number % each) as u32,
        });
        let used = (0..targets.len()).map(|target| {
            let rest = all.saturating_sub(target * each);
            rest.min(each) as u32
        });
        let used = used.collect();
        let rings: Arc<[RemoteRing]> = targets.into_iter().map(|target| target.ring).collect();
        for (mailbox, count) in self.handle.mailboxes.iter().zip(counts) {
            let places = places.by_ref().take(count).collect();
            let rings = Arc::clone(&rings);
            mailbox.send_owed(Command::HandOver(HandoverOrder::Assign { rings, places }));
        }
        Ok(used)
    }

    /// Waits for a moment in which no shard has anything to deliver, but not long: there may never
    /// be one.
    pub(super) fn await_sweeps(&self) -> Result<(), String> {
        let until = Instant::now() + HANDOVER_SWEEPS;
        loop {
            let swept = self.ask(HANDOVER_REST, |reply| HandoverOrder::IsSwept { reply })?;
            if swept.into_iter().all(|is_swept| is_swept) || Instant::now() >= until {
                return Ok(());
            }
            thread::sleep(HANDOVER_LOOK);
        }
    }

    /// Copies all sockets and stops receiving.
    pub(super) fn stop(&self) -> Result<(), String> {
        let stopped = self.ask(HANDOVER_STOP, |reply| HandoverOrder::Stop { reply })?;
        let fault = stopped.into_iter().find_map(Result::err);
        fault.map_or(Ok(()), |errno| {
            let error = std::io::Error::from_raw_os_error(errno);
            Err(format!("a socket cannot be copied to the other process: {error}"))
        })
    }

    /// The connections that can go over early, of each shard by itself, while all serve. Not what
    /// [`HANDOVER_REST`] leaves no time for.
    pub(super) fn early(&self) -> Result<Vec<Early>, String> {
        let until = Instant::now() + HANDOVER_REST;
        let mut early: Vec<Early> = self.nothing_early();
        for from in (0..).step_by(HANDOVER_PER_TURN) {
            let answers = self.ask(HANDOVER_REST, |reply| HandoverOrder::Early { from, reply })?;
            let is_over = answers.iter().all(Option::is_none);
            for (connections, early) in answers.into_iter().zip(&mut early) {
                early.connections.extend(connections.into_iter().flatten());
            }
            if is_over || Instant::now() >= until {
                break;
            }
        }
        Ok(early)
    }

    fn nothing_early(&self) -> Vec<Early> {
        let shards = (0..self.handle.mailboxes.len()).map(|shard| ShardId(shard as u8));
        shards.map(|shard| Early { shard, connections: Vec::new() }).collect()
    }

    /// Waits until nothing is under way between the shards.
    pub(super) fn rest(&self) -> Result<(), String> {
        let until = Instant::now() + HANDOVER_REST;
        // A shard that is idle may be sent something by one that is asked later: only a round in
        // which all were idle all the time since the round before proves that nothing is under way.
        loop {
            let shards = self.ask(HANDOVER_REST, |reply| HandoverOrder::Rest { reply })?;
            let why = match shards.into_iter().max() {
                None | Some(Rest::Idle) => return Ok(()),
                Some(Rest::Busy) => "requests of clients or tokens are under way",
                Some(Rest::AwaitsOrder) => {
                    "the order of channels (a cluster's streams) has not acknowledged what clients \
                     publish, or answered where their subscriptions begin: try again"
                }
            };
            if Instant::now() >= until {
                return Err(format!(
                    "the shards do not come to rest within {HANDOVER_REST:?}: {why}"
                ));
            }
        }
    }

    /// Has each shard write down its state, but for what of the logs was `sent`. They stand still
    /// from then on.
    pub(super) fn export(&mut self, sent: Vec<Sent>) -> Result<Vec<Exported>, String> {
        let (mut verdicts, mut sent) = (Vec::new(), sent.into_iter());
        let states = self.ask(HANDOVER_REST, |reply| {
            let (sender, verdict) = oneshot::channel();
            verdicts.push(sender);
            HandoverOrder::Export { sent: sent.next().unwrap_or_default(), reply, verdict }
        });
        self.verdicts = verdicts;
        states
    }

    /// The other process serves what went over: the shards release it.
    pub(super) fn hand_over(mut self) {
        self.is_over = true;
        for verdict in self.verdicts.drain(..) {
            // Fails only if the shard has ended.
            let _ = verdict.send(Verdict::HandedOver);
        }
    }

    /// Orders a step of every shard, and waits for all answers.
    fn ask<T>(
        &self,
        within: Duration,
        mut order: impl FnMut(oneshot::Sender<T>) -> HandoverOrder,
    ) -> Result<Vec<T>, String> {
        let until = Instant::now() + within;
        let send = |mailbox: &crate::sync::Mailbox<Command>| {
            let (reply, answer) = oneshot::channel();
            mailbox.send_owed(Command::HandOver(order(reply)));
            answer
        };
        let answers: Vec<_> = self.handle.mailboxes.iter().map(send).collect();
        let wait = |(shard, answer): (usize, oneshot::Receiver<T>)| {
            let late = |_| format!("shard {shard} does not answer within {within:?}");
            answer.recv_deadline(until).map_err(late)
        };
        answers.into_iter().enumerate().map(wait).collect()
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // One without a verdict resumes; one that has not written its state down is told to.
        self.verdicts.clear();
        for mailbox in &self.handle.mailboxes {
            mailbox.send_owed(Command::HandOver(HandoverOrder::Resume));
        }
    }
}

//! A shard's part in handing all its connections to another process (docs/HANDOVER.md).
//!
//! The control plane orders the steps, of all shards together: [`HandoverOrder`]. Until the state
//! is written down the shard delivers as always; then its thread stands still until it is told
//! whether the other process has taken over. `standby` beside this is the other process's part.

mod writing;

use std::sync::Arc;
use std::time::Instant;

use super::EventLoop;
use crate::handover::Sent;
use crate::limits::{HANDOVER_HISTORY_BYTES, HANDOVER_PER_TURN};
use crate::shard::delivery_ring::RemoteRing;
use crate::shard::handover_order::{Exported, HandoverOrder, Place, Rest, Verdict};
use crate::shard::tls::TlsProgress;
use crate::shard::upstream_link::UpstreamLink;
use crate::types::ConnectionKey;

/// How far a shard is.
pub(in crate::shard) struct Handover {
    /// Those that go over.
    travellers: Vec<ConnectionKey>,
    /// Their places, in the same order, once they are known.
    places: Vec<Place>,
    rings: Arc<[RemoteRing]>,
    /// Those that went over early, in the order of the travellers, with where their TLS stood then,
    /// if they have it.
    early: Vec<(ConnectionKey, Option<TlsProgress>)>,
    /// How many travellers' sockets are copied or being copied.
    done: usize,
    stage: Stage,
    /// Something was handled since the shard was asked last whether it is at rest.
    is_touched: bool,
    /// It was asked whether it is at rest, and accepts no publication.
    is_at_end: bool,
}

enum Stage {
    Holding,
    Stopping(oneshot::Sender<Result<(), i32>>),
    Stopped,
    /// Asked whether it is at rest: answered at the end of the iteration.
    Resting(oneshot::Sender<Rest>),
    /// To be written down at the end of the iteration.
    Exporting(Sent, oneshot::Sender<Exported>, oneshot::Receiver<Verdict>),
    /// The other process has what went over.
    HandedOver,
}

impl EventLoop {
    pub(super) fn handle_handover(&mut self, order: HandoverOrder) {
        match order {
            // Each reply fails if the hand-over was given up.
            HandoverOrder::Listeners { reply } => {
                let _ = reply.send(self.listeners.duplicates());
            }
            HandoverOrder::History { mut sent, reply } => {
                let history = self.hub.export_history(&mut sent, HANDOVER_HISTORY_BYTES);
                let _ = reply.send((sent, history));
            }
            HandoverOrder::Await { is_first, reply } => {
                if is_first {
                    self.handshakes.begin_era();
                }
                let _ = reply.send(self.handshakes.older());
            }
            HandoverOrder::Close { reply } => {
                self.handshakes.hold(true);
                let _ = reply.send(self.handshakes.under_way());
            }
            HandoverOrder::Hold { reply } => {
                let handover = Handover::new(self.travellers());
                let _ = reply.send(handover.travellers.len());
                self.handover = Some(handover);
            }
            HandoverOrder::Assign { rings, places } => {
                if let Some(handover) = &mut self.handover {
                    (handover.rings, handover.places) = (rings, places);
                }
            }
            HandoverOrder::Stop { reply } => {
                self.slots.halt();
                let Some(handover) = &mut self.handover else { return };
                let stays = |key: &ConnectionKey| handover.place_of(*key).is_none();
                let others: Vec<_> = self.slots.unclosed().filter(stays).collect();
                others.into_iter().for_each(|key| self.slots.stop_receiving(key));
                handover.stage = Stage::Stopping(reply);
            }
            HandoverOrder::Early { from, reply } => {
                let _ = reply.send(self.export_early(from));
            }
            HandoverOrder::IsSwept { reply } => {
                let _ = reply.send(self.hub.is_swept());
            }
            HandoverOrder::Rest { reply } => {
                self.hub.freeze(true);
                self.parts.upstream.iter_mut().for_each(UpstreamLink::come_to_an_end);
                self.set_stage(Stage::Resting(reply));
                self.handover.iter_mut().for_each(|handover| handover.is_at_end = true);
            }
            HandoverOrder::Export { sent, reply, verdict } => {
                self.set_stage(Stage::Exporting(sent, reply, verdict));
            }
            HandoverOrder::Resume => self.resume(),
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        // Without a hand-over the order's sender gets no answer.
        if let Some(handover) = &mut self.handover {
            handover.stage = stage;
        }
    }

    /// The connections that may go over, by index. The broker keeps the engine's own.
    fn travellers(&self) -> Vec<ConnectionKey> {
        let delivery = &self.slots.delivery;
        self.slots.unclosed().filter(|key| delivery.may_travel(key.index)).collect()
    }

    /// Whether the broker's time stands still: deadlines are met where the connections are then.
    pub(super) fn is_handing_over(&self) -> bool {
        let stage = self.handover.as_ref().map(|handover| &handover.stage);
        !matches!(stage, None | Some(Stage::HandedOver))
    }

    /// Whether publishers must try again: at the other process, or here where that does not serve.
    pub(super) fn refuses_publications(&self) -> bool {
        self.handover.as_ref().is_some_and(|handover| handover.is_at_end)
    }

    /// Something was handled, which may have to be answered elsewhere.
    pub(super) fn touch_handover(&mut self) {
        if let Some(handover) = &mut self.handover {
            handover.is_touched = true;
        }
    }

    /// Goes on with what takes several iterations. Returns whether some is left.
    pub(super) fn advance_handover(&mut self) -> bool {
        let Some(handover) = &mut self.handover else { return false };
        match handover.stage {
            Stage::Stopping(_) if handover.done < handover.travellers.len() => {
                for place in handover.next_some() {
                    let (key, to) = (handover.travellers[place], handover.places[place]);
                    self.slots.copy(key, &handover.rings[to.shard.index()], to.slot);
                    self.slots.stop_receiving(key);
                }
                true
            }
            Stage::Stopping(_) => {
                if self.slots.have_stopped()
                    && let Stage::Stopping(reply) =
                        std::mem::replace(&mut handover.stage, Stage::Stopped)
                {
                    let _ = reply.send(self.slots.copy_fault().map_or(Ok(()), Err));
                }
                false
            }
            Stage::Holding
            | Stage::Stopped
            | Stage::Resting(_)
            | Stage::Exporting(..)
            | Stage::HandedOver => false,
        }
    }

    /// Answers what is answered at the end of an iteration, of which `more` is left to do.
    pub(super) fn finish_handover_turn(&mut self, more: bool) {
        let Some(handover) = &mut self.handover else { return };
        match std::mem::replace(&mut handover.stage, Stage::Stopped) {
            Stage::Resting(reply) => {
                let was_touched = std::mem::take(&mut handover.is_touched);
                let upstream = self.parts.upstream.as_ref();
                let has_input = self.pending_publish.is_some()
                    || !self.parts.peers.is_empty()
                    || upstream.is_some_and(|upstream| !upstream.is_idle(&self.hub));
                let is_idle = !(more || was_touched || has_input);
                let _ = reply.send(match is_idle && self.hub.may_be_exported() {
                    true => Rest::Idle,
                    false if self.hub.awaits_upstream() => Rest::AwaitsOrder,
                    false => Rest::Busy,
                });
            }
            Stage::Exporting(sent, reply, verdict) => self.export(&sent, reply, verdict),
            stage => handover.stage = stage,
        }
    }

    /// Writes the state down, and waits for the verdict: nothing else happens on this thread.
    fn export(
        &mut self,
        sent: &Sent,
        reply: oneshot::Sender<Exported>,
        verdict: oneshot::Receiver<Verdict>,
    ) {
        let Some(mut handover) = self.handover.take() else { return };
        let exported = self.export_rest(&mut handover, sent);
        let handover = self.handover.insert(handover);
        let _ = reply.send(exported);
        // Without a verdict the control plane has given up.
        match verdict.recv().unwrap_or(Verdict::Resume) {
            Verdict::Resume => self.resume(),
            Verdict::HandedOver => {
                handover.stage = Stage::HandedOver;
                // All at once: what arrives for one that went over is the other process's, and
                // what is published here must not reach it.
                for key in std::mem::take(&mut handover.travellers) {
                    self.hub.abandon(key);
                    // What is armed on it ends first (invariant 12).
                    if self.slots.close(key) {
                        self.hub.handle_receive_ended(key);
                    }
                }
                // Handshakes under way: they are told to come again, and find the other process.
                self.handshakes.refuse(Instant::now());
                self.hub.refuse_newcomers();
                self.go_on();
                self.loop_waker.wake();
            }
        }
    }

    fn resume(&mut self) {
        self.handover = None;
        self.go_on();
        self.handshakes.hold(false);
        self.loop_waker.wake();
    }

    fn go_on(&mut self) {
        self.hub.freeze(false);
        self.parts.upstream.iter_mut().for_each(UpstreamLink::go_on);
        self.slots.go_on();
    }
}

impl Handover {
    fn new(travellers: Vec<ConnectionKey>) -> Handover {
        Handover {
            travellers,
            places: Vec::new(),
            rings: Arc::new([]),
            early: Vec::new(),
            done: 0,
            stage: Stage::Holding,
            is_touched: true,
            is_at_end: false,
        }
    }

    /// The next ones of the travellers, as many as an iteration may take.
    fn next_some(&mut self) -> std::ops::Range<usize> {
        let start = self.done;
        self.done = self.travellers.len().min(start + HANDOVER_PER_TURN);
        start..self.done
    }

    /// Where a connection goes, if it does and that is known.
    fn place_of(&self, key: ConnectionKey) -> Option<Place> {
        let found = self.travellers.binary_search_by_key(&key.index, |traveller| traveller.index);
        let place = found.ok().filter(|place| self.travellers[*place] == key)?;
        self.places.get(place).copied()
    }
}

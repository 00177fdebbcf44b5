//! What a node hands over to the process that goes on in its place.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uringcast_engine::handover::{Blob, SecretBytes};
use uringcast_engine::{Epoch, ExternalOrder as _};

use super::cluster_config::ClusterConfig;
use super::node::epoch_of;
use super::shared_stream::SharedStream;
use super::stream_order::StreamOrder;
use super::stream_positions::{SharedPosition, StreamPosition};
use crate::limits::{HANDOVER_POSITION, HANDOVER_STREAMS, PRESENCE_PATIENCE};

/// Names what a node is, which is told first.
const MEMBERSHIP: &str = "server.cluster";
/// Names how far it is in its streams.
pub(crate) const STREAMS: &str = "server.streams";
/// The largest position: those of clients are 256 times that, and must be exact in JavaScript.
const LAST: u64 = 1 << 45;

/// Which streams a node reads, and by what it is known in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Membership {
    prefix: String,
    partitions: usize,
    /// Of the messages that all nodes read: what it has stored there it has carried out.
    node: String,
}

/// How far a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Positions {
    streams: Vec<StreamPosition>,
    control: SharedPosition,
}

/// The way to go on where another node stood, once.
pub(super) type GoOn = oneshot::Sender<Option<SharedPosition>>;

/// A node that may be handed over, or goes on in the place of another one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct NodeHandover {
    pub(super) order: Arc<StreamOrder>,
    pub(super) control: Arc<SharedStream>,
    pub(super) membership: Membership,
    /// Of the engine.
    pub(super) shards: usize,
    pub(super) go_on: Arc<Mutex<Option<GoOn>>>,
}

impl Membership {
    pub(super) fn new(config: &ClusterConfig, node: &str) -> Membership {
        let (prefix, partitions) = (config.prefix.clone(), config.partitions);
        Membership { prefix, partitions, node: node.to_owned() }
    }

    /// What the node before is, by what it has sent first; `None` where it is none.
    ///
    /// # Errors
    /// In words, where that is not understood.
    pub(crate) fn read(blobs: &[Blob]) -> Result<Option<Membership>, String> {
        let Some(blob) = blobs.iter().find(|blob| blob.name == MEMBERSHIP) else { return Ok(None) };
        let membership: Membership = parse(blob)?;
        let is_own = |byte: u8| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase();
        let is_known = membership.node.len() == 16 && membership.node.bytes().all(is_own);
        is_known.then_some(Some(membership)).ok_or_else(|| not_understood(MEMBERSHIP))
    }

    /// By what it is known in the streams that all nodes read.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Why a server with these settings cannot go on in the place of one that was this.
    pub(crate) fn refusal(
        before: Option<&Membership>,
        config: Option<&ClusterConfig>,
    ) -> Option<String> {
        let (before, config) = match (before, config) {
            (None, None) => return None,
            (Some(before), Some(config)) => (before, config),
            (Some(_), None) => {
                return Some("the old server has a cluster (--cluster), the new one none".into());
            }
            (None, Some(_)) => {
                return Some("the new server has a cluster (--cluster), the old one none".into());
            }
        };
        let (is, was) = ((&config.prefix, config.partitions), (&before.prefix, before.partitions));
        (is != was).then(|| {
            format!(
                "the new server has cluster_prefix {:?} and cluster_partitions {}, the old one \
                 {:?} and {}: both must have the same streams",
                is.0, is.1, was.0, was.1
            )
        })
    }
}

impl Positions {
    /// How far the node before is in so many streams; their channels are in this epoch.
    ///
    /// # Errors
    /// In words, where that is not understood, or cannot be.
    fn read(blobs: &[Blob], (partitions, epoch): (usize, Epoch)) -> Result<Positions, String> {
        let blob = blobs.iter().find(|blob| blob.name == STREAMS);
        let blob = blob.ok_or_else(|| format!("the state lacks {STREAMS:?}"))?;
        // Before anything is made of it.
        if blob.bytes.expose().len() > HANDOVER_POSITION * (partitions + 1) {
            return Err(not_understood(STREAMS));
        }
        let positions: Positions = parse(blob)?;
        let Positions { streams, control } = &positions;
        let is_possible = |one: &StreamPosition| {
            one.floor <= LAST && one.seen <= one.floor && one.verified <= one.floor
        };
        let are_possible = streams.iter().all(is_possible) && control.read <= LAST;
        if streams.len() != partitions || !are_possible {
            return Err(not_understood(STREAMS));
        }
        // Of another life, or of another stream, they say nothing about this one.
        if epoch_of(streams.iter().map(|stream| stream.life)) != epoch {
            return Err("the order of channels has begun anew meanwhile: try again".to_owned());
        }
        Ok(positions)
    }
}

impl NodeHandover {
    /// What is told first.
    pub(crate) fn membership(&self) -> Blob {
        blob(MEMBERSHIP, &self.membership)
    }

    /// How far the node is: everything that it has been told so far is on its way to the engine.
    /// `None` if the cluster's thread does not answer.
    pub(crate) async fn positions(&self) -> Option<Blob> {
        let streams = self.order.positions().await?;
        let control = *self.control.carried.lock();
        Some(blob(STREAMS, &Positions { streams, control }))
    }

    /// Waits until the streams acknowledge what is published without delay, so that a hand-over
    /// does not begin in the middle of an election. Blocks this thread.
    ///
    /// # Errors
    /// In words, where they take too long.
    pub(crate) fn await_acknowledgements(&self) -> Result<(), String> {
        let is_fluent = self.order.await_acknowledgements(HANDOVER_STREAMS);
        is_fluent.then_some(()).ok_or_else(|| {
            format!(
                "the streams have not acknowledged what was published for {HANDOVER_STREAMS:?}, \
                 as in an election: try again"
            )
        })
    }

    /// Waits until all nodes know this one, where presence is kept: the process before serves
    /// meanwhile, and is not to wait for that when it hands over.
    pub(crate) fn join_nodes(&self) {
        self.order.await_presence(PRESENCE_PATIENCE);
    }

    /// Goes on where the node before stood. To be called before the engine serves.
    ///
    /// # Errors
    /// In words, where it is not understood, or is about other streams.
    pub(crate) fn go_on(&self, blobs: &[Blob]) -> Result<(), String> {
        let of = (self.membership.partitions, self.order.epoch());
        let Positions { streams, control } = Positions::read(blobs, of)?;
        self.order.go_on(streams, self.shards);
        if let Some(go_on) = self.go_on.lock().take() {
            // Fails once the cluster's thread has ended.
            let _ = go_on.send(Some(control));
        }
        Ok(())
    }
}

fn blob(name: &str, content: &impl Serialize) -> Blob {
    let bytes = serde_json::to_vec(content).expect("numbers and texts");
    let bytes = SecretBytes::new(bytes);
    Blob { name: name.to_owned(), version: 1, is_required: true, bytes }
}

fn parse<T: for<'a> Deserialize<'a>>(blob: &Blob) -> Result<T, String> {
    let content = serde_json::from_slice(blob.bytes.expose()).ok();
    content.filter(|_| blob.version == 1).ok_or_else(|| not_understood(&blob.name))
}

fn not_understood(name: &str) -> String {
    format!("the part {name:?} of the state is not understood")
}

#[cfg(test)]
mod tests;

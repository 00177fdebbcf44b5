//! The documents of all nodes, as this node's engine has them.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep;
use uringcast_engine::limits::BUSY_PAUSE;
use uringcast_engine::{ChannelName, JsonObject, PublishError, StateDocument, StateError};

use super::control::Control;
use super::document_bodies;
use super::other_nodes::OtherNodes;
use super::shared_documents::Kind;
use crate::cluster::{Address, Carried, Shared, SharedEvent};
use crate::limits::{DOCUMENT_TRIES, SHARED_BODY};

/// A document of a channel; without one it is taken back.
enum Document {
    State(ChannelName, Option<StateDocument>),
    Status(ChannelName, Option<JsonObject>),
}

/// What a message says; `None` where no node would say so.
fn parse((others, control): (&OtherNodes, &Control), tail: &str, body: &Bytes) -> Option<Document> {
    let Address { kind, service, name } = Address::parse(tail)?;
    let id = others.service(&service)?;
    let channel = ChannelName::parse(&name).ok()?.at(id);
    let depth = control.services()[id.index()].max_json_depth;
    let is_there = !body.is_empty();
    let kind = [Kind::State, Kind::Status].into_iter().find(|known| known.name() == kind)?;
    Some(match kind {
        _ if body.len() > SHARED_BODY => return None,
        Kind::State => {
            let state = is_there.then(|| document_bodies::state(body, depth)).transpose();
            Document::State(channel, state.ok()?)
        }
        Kind::Status => {
            let document = is_there.then(|| document_bodies::status(body, depth)).transpose();
            Document::Status(channel, document.ok()?)
        }
    })
}

/// Gives the engine a document, as soon as it has room for it.
async fn keep(
    (others, control): (&OtherNodes, &Control),
    document: Document,
    tries: u32,
) -> Carried {
    for more in (0..tries).rev() {
        // Not held between two tries: a drain waits for the guard.
        let kept = match (control.engine().await, &document) {
            (Err(_), _) => return Carried::Out,
            (Ok(engine), Document::State(channel, state)) => {
                let kept = engine.set_state(channel.clone(), state.clone()).await;
                if let Err(StateError::Older { .. }) = kept {
                    // What was deleted meanwhile: what is stored counts.
                    let _ = engine.set_state(channel.clone(), None).await;
                }
                kept
            }
            (Ok(engine), Document::Status(channel, status)) => {
                let kept = engine.set_status(channel.clone(), status.clone()).await;
                kept.map_err(StateError::from)
            }
        };
        match (kept, &document) {
            (Ok(_), _) | (Err(StateError::Refused(PublishError::Closed)), _) => {
                return Carried::Out;
            }
            // Of a life of the streams that is over; what is put in this one comes again when
            // this node has begun it.
            (Err(StateError::Restart), Document::State(_, Some(state)))
                if state.epoch != others.documents.epoch() =>
            {
                return Carried::Out;
            }
            _ if more > 0 => sleep(BUSY_PAUSE).await,
            _ => {}
        }
    }
    Carried::Refused
}

/// What this node has of the documents.
#[derive(Debug, Default)]
struct Kept {
    /// The tails of the messages that gave the documents here.
    tails: HashSet<String>,
    /// Those that have not come again, while all come again.
    unseen: Option<HashSet<String>>,
    /// There was no room for the last one: others do not wait for it.
    is_full: bool,
}

/// Keeps the documents of all nodes here, until the cluster ends.
pub(crate) async fn keep_documents(control: Arc<Control>, mut events: mpsc::Receiver<Shared>) {
    let Some(others) = control.others.clone() else { return };
    let mut kept = Kept::default();
    while let Some(Shared { what, done }) = events.recv().await {
        let carried = match what {
            SharedEvent::Message { message, .. } => {
                kept.handle((&others, &control), &message.tail, &message.body).await
            }
            SharedEvent::Anew => {
                kept.unseen = Some(kept.tails.clone());
                Carried::Out
            }
            SharedEvent::Level => {
                // What is stored no more.
                for tail in kept.unseen.take().into_iter().flatten() {
                    kept.handle((&others, &control), &tail, &Bytes::new()).await;
                }
                Carried::Out
            }
        };
        // Fails when the cluster has ended.
        let _ = done.send(carried);
    }
}

impl Kept {
    async fn handle(
        &mut self,
        (others, control): (&OtherNodes, &Control),
        tail: &str,
        body: &Bytes,
    ) -> Carried {
        let Some(document) = parse((others, control), tail, body) else { return Carried::Bad };
        self.unseen.iter_mut().for_each(|unseen| _ = unseen.remove(tail));
        if body.is_empty() {
            self.tails.remove(tail);
        } else {
            self.tails.insert(tail.to_owned());
        }
        let tries = if self.is_full { 1 } else { DOCUMENT_TRIES };
        let carried = keep((others, control), document, tries).await;
        self.is_full = carried == Carried::Refused;
        carried
    }
}

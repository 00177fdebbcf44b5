//! Status documents and states of a cluster's channels: stored for all nodes, each of which has
//! them all.

use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::time::sleep;
use uringcast_engine::limits::BUSY_PAUSE;
use uringcast_engine::{ChannelName, Epoch, ExternalOrder, StateDocument, StateError};

use super::document_bodies;
use super::error::ApiError;
use crate::cluster::{Address, Change, NotShared, SharedMessage, SharedStream};
use crate::limits::{DELETED_AGE, DOCUMENT_TRIES, ORDER_PAUSE};

/// What a document says of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    State,
    Status,
}

impl Kind {
    /// What it is called between nodes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::State => "state",
            Kind::Status => "status",
        }
    }
}

impl From<NotShared> for ApiError {
    fn from(error: NotShared) -> ApiError {
        match error {
            NotShared::Lost => {
                let text = "The cluster is not available, and nobody can say whether it was \
                            stored: send it again.";
                let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unknown_outcome", text);
                error.retry_after(ORDER_PAUSE)
            }
            NotShared::Full => ApiError::saturated("The cluster keeps no more documents."),
            NotShared::Contended => ApiError::saturated("Others replace it all the time."),
        }
    }
}

/// The documents of all nodes. A deleted one is a message without a body, for a time.
#[derive(Debug)]
pub(super) struct SharedDocuments {
    stream: Arc<SharedStream>,
    order: Arc<dyn ExternalOrder>,
}

impl SharedDocuments {
    pub(super) fn new(stream: Arc<SharedStream>, order: Arc<dyn ExternalOrder>) -> SharedDocuments {
        SharedDocuments { stream, order }
    }

    /// The present life of the channels' order.
    pub(super) fn epoch(&self) -> Epoch {
        self.order.epoch()
    }

    /// Stores a state, as it was written, unless the channel has a later one.
    ///
    /// # Errors
    /// As without a cluster, and 503.
    pub(super) async fn put_state(
        &self,
        of: (&str, &ChannelName),
        (body, state): (Bytes, &StateDocument),
    ) -> Result<(), ApiError> {
        if state.epoch != self.epoch() {
            return Err(document_bodies::refused(StateError::Restart));
        }
        let tail = tail(Kind::State, of);
        let seq = self.stream.replace(&tail, |newest| {
            let held =
                newest.and_then(|newest| document_bodies::state(&newest.body, usize::MAX).ok());
            match held.filter(|held| held.epoch == state.epoch && held.seq > state.seq) {
                Some(held) => Err(document_bodies::refused(StateError::Older { held: held.seq })),
                None => Ok(Change::Store(body.clone(), None)),
            }
        });
        self.stream.carried_out(seq.await?).await;
        Ok(())
    }

    /// Stores a status document.
    ///
    /// # Errors
    /// 503.
    pub(super) async fn put_status(
        &self,
        of: (&str, &ChannelName),
        body: Bytes,
    ) -> Result<(), ApiError> {
        let store = |_: Option<&SharedMessage>| Ok(Change::Store(body.clone(), None));
        let seq = self.stream.replace::<ApiError>(&tail(Kind::Status, of), store).await?;
        self.stream.carried_out(seq).await;
        Ok(())
    }

    /// Takes a document back. Without one the answer is `none`.
    ///
    /// # Errors
    /// 404 and 503.
    pub(super) async fn delete(
        &self,
        kind: Kind,
        of: (&str, &ChannelName),
        none: fn() -> ApiError,
    ) -> Result<(), ApiError> {
        let tail = tail(kind, of);
        let seq = self.stream.replace(&tail, |newest| {
            let is_there = newest.is_some_and(|newest| !newest.body.is_empty());
            let change = Change::Store(Bytes::new(), Some(DELETED_AGE));
            is_there.then_some(change).ok_or_else(none)
        });
        self.stream.carried_out(seq.await?).await;
        Ok(())
    }
}

/// What messages about a service's channel are called.
fn tail(kind: Kind, (service, channel): (&str, &ChannelName)) -> String {
    Address::tail(kind.name(), service, channel.as_str())
}

/// Waits until a document that is stored for all nodes is at this one, as `is_here` says.
pub(super) async fn arrives<F: Future<Output = Result<bool, ApiError>>>(
    is_here: impl Fn() -> F,
) -> Result<StatusCode, ApiError> {
    for _ in 0..DOCUMENT_TRIES {
        if is_here().await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        sleep(BUSY_PAUSE).await;
    }
    let text = "It is stored for all nodes, and is not at this one: there is no room for it, or \
                another node has replaced it already.";
    Err(ApiError::saturated(text))
}

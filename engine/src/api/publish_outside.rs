//! Publications from outside the shards that an external order gives their positions.

use std::sync::Arc;

use super::handle::Handle;
use super::ticket::Answer;
use crate::config::{ExternalOrder, PublishRequest};
use crate::limits::UPSTREAM_PUBLICATIONS;
use crate::types::{Publication, PublishError, Reply};

/// Hands a publication, with its publisher's id of it, to the external order, without waiting. The
/// answer is a list of one.
///
/// # Errors
/// [`PublishError`]: it was not handed over.
pub(super) fn publish(
    handle: &Arc<Handle>,
    order: &dyn ExternalOrder,
    (publication, id): (Publication, Option<Box<str>>),
) -> Result<Answer, PublishError> {
    let (sender, answer) = oneshot::async_channel();
    if !handle.stage.is_serving() {
        // The sender is dropped, and so the ticket resolves.
        return Ok(answer);
    }
    if handle.order.is_degraded() {
        // The receiver is here.
        let _ = sender.send(vec![Err(PublishError::Unavailable)]);
        return Ok(answer);
    }
    if !handle.order.try_open(UPSTREAM_PUBLICATIONS) {
        return Err(PublishError::Saturated);
    }
    let open = Arc::clone(handle);
    let reply = Reply::new(move |seq: Option<_>| {
        open.order.close();
        // Fails if the publisher has stopped waiting.
        let _ = sender.send(vec![seq.unwrap_or(Err(PublishError::Unknown))]);
    });
    order.publish(PublishRequest { publication, id, reply });
    Ok(answer)
}

//! Publications that become one message of the stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{AttemptId, Outcome};
use crate::cluster::stored_publications;
use crate::limits::{PACKED_BYTES, PACKED_MESSAGES};

/// A publication that waits for those of its channel in front of it.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) data: Bytes,
    pub(super) id: Option<Arc<str>>,
    pub(super) since: Duration,
    pub(super) of: T,
}

/// A message that is sent until its outcome is known.
#[derive(Debug)]
pub(super) struct Pack<T> {
    pub(super) message_id: Arc<str>,
    pub(super) data: Bytes,
    /// Bytes of the publications.
    pub(super) bytes: usize,
    /// Of each publication, in order.
    pub(super) of: Vec<T>,
    /// Since when the first of them waits.
    pub(super) since: Duration,
    /// All that was tried for it.
    pub(super) attempts: Vec<AttemptId>,
    /// The attempt under way.
    pub(super) attempt: Option<AttemptId>,
    /// When that is given up, or the next one is due.
    pub(super) deadline: Duration,
    pub(super) tries: u32,
    /// When the first attempt was made, and how many were not answered in time.
    pub(super) sent: Option<Duration>,
    pub(super) silences: u32,
    /// An attempt has ended without an answer.
    pub(super) may_be_stored: bool,
}

impl<T> Pack<T> {
    /// The next message of what waits. One with an id of its publisher's goes alone: the stream
    /// knows whole messages again, and nothing within.
    pub(super) fn take(
        waiting: &mut VecDeque<Waiting<T>>,
        now: Duration,
        number: impl FnOnce() -> Arc<str>,
    ) -> Option<Pack<T>> {
        let first = waiting.pop_front()?;
        let since = first.since;
        let (mut of, mut all, mut bytes) = (vec![first.of], vec![first.data], 0);
        bytes += all[0].len();
        if first.id.is_none() {
            while let Some(next) = waiting.front()
                && next.id.is_none()
                && of.len() < PACKED_MESSAGES
                && bytes + next.data.len() <= PACKED_BYTES
                && let Some(next) = waiting.pop_front()
            {
                bytes += next.data.len();
                of.push(next.of);
                all.push(next.data);
            }
        }
        Some(Pack {
            message_id: first.id.unwrap_or_else(number),
            data: stored_publications::join(&all),
            bytes,
            of,
            since,
            attempts: Vec::new(),
            attempt: None,
            deadline: now,
            tries: 0,
            sent: None,
            silences: 0,
            may_be_stored: false,
        })
    }

    /// Whether what is said of an attempt says something of this message: it is the attempt under
    /// way, or it was stored by any.
    pub(super) fn is_of(&self, id: AttemptId, outcome: Outcome) -> bool {
        self.attempt == Some(id) || matches!(outcome, Outcome::Stored(_))
    }
}

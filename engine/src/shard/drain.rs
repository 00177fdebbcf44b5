//! The end of a shard: no new connections, all closed, then the report.

use std::time::Instant;

use super::handshake::HandshakeQueue;
use crate::broker::Hub;
use crate::types::DrainReport;

/// A drain, requested or not yet.
#[derive(Default)]
pub(super) struct Drain {
    request: Option<Request>,
}

struct Request {
    deadline: Instant,
    reply: oneshot::Sender<DrainReport>,
    /// Connections of clients when it was requested.
    clients: usize,
}

impl Drain {
    /// Begins. The handshake queue is closed, with which accepting ends, and the broker drains.
    pub(super) fn begin(
        &mut self,
        deadline: Instant,
        reply: oneshot::Sender<DrainReport>,
        hub: &Hub,
    ) {
        self.request = Some(Request { deadline, reply, clients: hub.clients() });
    }

    /// Whether all connections are closed, or the deadline is over.
    pub(super) fn is_over(&self, hub: &Hub, queue: &HandshakeQueue) -> bool {
        self.request.as_ref().is_some_and(|request| {
            let gone = hub.connections() == 0 && !queue.is_accepting();
            gone || Instant::now() >= request.deadline
        })
    }

    /// Reports the result.
    pub(super) fn report(&mut self, hub: &Hub) {
        if let Some(Request { reply, clients, .. }) = self.request.take() {
            let cut = hub.clients() as u64;
            let closed = (clients as u64).saturating_sub(cut);
            // Fails if the receiver has stopped waiting.
            let _ = reply.send(DrainReport { closed, cut });
        }
    }
}

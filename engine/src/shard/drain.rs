//! The end of a shard: no new connections, all closed, then the report.

use std::net::{Shutdown, TcpListener};
use std::time::Instant;

use socket2::SockRef;

use super::handshake::HandshakeQueue;
use crate::broker::Hub;
use crate::types::DrainReport;

/// A drain, requested or not yet.
pub(super) struct Drain {
    /// Shut down when the drain begins, so that accept tasks return.
    listeners: Vec<TcpListener>,
    request: Option<Request>,
}

struct Request {
    deadline: Instant,
    reply: oneshot::Sender<DrainReport>,
    /// Connections when it was requested.
    connections: usize,
}

impl Drain {
    /// Of a shard that accepts from `listeners`.
    pub(super) fn new(listeners: Vec<TcpListener>) -> Drain {
        Drain { listeners, request: None }
    }

    /// Ends accepting. The handshake queue is closed and the broker drains.
    pub(super) fn begin(
        &mut self,
        deadline: Instant,
        reply: oneshot::Sender<DrainReport>,
        hub: &Hub,
    ) {
        for listener in self.listeners.drain(..) {
            if let Err(error) = SockRef::from(&listener).shutdown(Shutdown::Both) {
                tracing::warn!(%error, "a listener could not be shut down");
            }
        }
        self.request = Some(Request { deadline, reply, connections: hub.connections() });
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
        if let Some(Request { reply, connections, .. }) = self.request.take() {
            let cut = hub.connections() as u64;
            let closed = (connections as u64).saturating_sub(cut);
            // Fails if the receiver has stopped waiting.
            let _ = reply.send(DrainReport { closed, cut });
        }
    }
}

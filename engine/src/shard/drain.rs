//! The end of a shard: nobody new, everybody closed, then the answer.

use std::net::{Shutdown, TcpListener};
use std::time::Instant;

use socket2::SockRef;

use super::handshake::queue::Desk;
use crate::broker::hub::Hub;
use crate::engine::DrainReport;

/// A drain, asked for or not yet.
pub(super) struct Drain {
    /// Shut down so that the accepts under way return.
    listeners: Vec<TcpListener>,
    asked: Option<Asked>,
}

struct Asked {
    deadline: Instant,
    reply: oneshot::Sender<DrainReport>,
    /// Connections when it was asked.
    connections: usize,
}

impl Drain {
    /// Of a shard that accepts from `listeners`.
    pub(super) fn new(listeners: Vec<TcpListener>) -> Drain {
        Drain { listeners, asked: None }
    }

    /// Ends accepting. The desk is closed and the broker has been told.
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
        self.asked = Some(Asked { deadline, reply, connections: hub.connections() });
    }

    /// Whether everybody is gone, or the deadline over.
    pub(super) fn is_over(&self, hub: &Hub, desk: &Desk) -> bool {
        self.asked.as_ref().is_some_and(|asked| {
            let gone = hub.connections() == 0 && !desk.is_accepting();
            gone || Instant::now() >= asked.deadline
        })
    }

    /// Tells how it went.
    pub(super) fn answer(&mut self, hub: &Hub) {
        if let Some(Asked { reply, connections, .. }) = self.asked.take() {
            let cut = hub.connections() as u64;
            let closed = (connections as u64).saturating_sub(cut);
            // Whoever asked may have stopped waiting.
            let _ = reply.send(DrainReport { closed, cut });
        }
    }
}

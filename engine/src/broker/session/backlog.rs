//! What clients sent while an earlier request of theirs was under way. It is handled once that is
//! over, so that requests take effect in the order in which they were sent.

use std::collections::{HashMap, VecDeque};

use crate::broker::connection::{Pause, ReceiveEnd};
use crate::broker::core::Core;
use crate::broker::shared_count::SharedCount;
use crate::limits::{REQUEST_BACKLOG, REQUEST_BACKLOG_PER_SHARD};
use crate::types::{ConnectionKey, ServiceId};
use crate::wire::OwnedMessage;

/// Something that waits.
#[derive(Debug)]
pub(in crate::broker) enum Waiting {
    Message(OwnedMessage),
    /// The peer's close frame, with its code.
    Close(u16),
    /// The end of the peer's side.
    End(ReceiveEnd),
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Waiting::Message(message) => message.borrow().payload().len(),
            Waiting::Close(_) | Waiting::End(_) => 0,
        }
    }
}

/// The backlogs of a shard's connections. A connection with one is not received from.
#[derive(Debug)]
pub(super) struct Backlogs {
    of: HashMap<ConnectionKey, Backlog>,
    /// Bytes of all.
    bytes: SharedCount,
    /// Connections with a backlog that may go on.
    ready: VecDeque<ConnectionKey>,
}

#[derive(Debug, Default)]
struct Backlog {
    service: ServiceId,
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Backlogs {
    /// None, of connections of so many services.
    pub(super) fn new(services: usize) -> Backlogs {
        let bytes = SharedCount::new(services);
        Backlogs { of: HashMap::new(), bytes, ready: VecDeque::new() }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn has(&self, key: ConnectionKey) -> bool {
        self.of.contains_key(&key)
    }

    /// Whether the end of what a connection sends waits.
    pub(super) fn has_end(&self, key: ConnectionKey) -> bool {
        let last = self.of.get(&key).and_then(|backlog| backlog.waiting.back());
        last.is_some_and(|last| !matches!(last, Waiting::Message(_)))
    }

    /// Adds what a connection has sent. Returns `false` if there is no room for it.
    pub(super) fn push(&mut self, core: &mut Core, key: ConnectionKey, next: Waiting) -> bool {
        let bytes = next.bytes();
        let own = self.of.get(&key).map_or(0, |backlog| backlog.bytes);
        let service = core.connections[key].service();
        let fits = own + bytes <= REQUEST_BACKLOG
            && self.bytes.fits(service, bytes, REQUEST_BACKLOG_PER_SHARD);
        if bytes > 0 && !fits {
            return false;
        }
        self.grow(core, key, bytes).push_back(next);
        true
    }

    /// Puts back what has to wait on.
    pub(super) fn push_front(&mut self, core: &mut Core, key: ConnectionKey, next: Waiting) {
        self.grow(core, key, next.bytes()).push_front(next);
    }

    /// What a connection has sent that waits.
    pub(super) fn of(&self, key: ConnectionKey) -> impl Iterator<Item = &Waiting> {
        self.of.get(&key).into_iter().flat_map(|backlog| &backlog.waiting)
    }

    /// Adds what another process has received of a connection.
    pub(super) fn take_over(&mut self, core: &mut Core, key: ConnectionKey, next: Waiting) {
        self.grow(core, key, next.bytes()).push_back(next);
    }

    /// The queue of a connection, which is to hold so many more bytes.
    fn grow(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        bytes: usize,
    ) -> &mut VecDeque<Waiting> {
        core.connections.pause(&mut core.cx, key, Pause::Order);
        let service = core.connections[key].service();
        self.bytes.add(service, bytes);
        let backlog =
            self.of.entry(key).or_insert_with(|| Backlog { service, ..Backlog::default() });
        backlog.bytes += bytes;
        &mut backlog.waiting
    }

    /// A request of a connection is over.
    pub(super) fn make_ready(&mut self, key: ConnectionKey) {
        if self.has(key) {
            self.ready.push_back(key);
        }
    }

    /// Whether a connection may go on.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn next_ready(&mut self) -> Option<ConnectionKey> {
        self.ready.pop_front()
    }

    /// Takes out what a connection sent first.
    pub(super) fn pop(&mut self, core: &mut Core, key: ConnectionKey) -> Option<Waiting> {
        let backlog = self.of.get_mut(&key)?;
        let next = backlog.waiting.pop_front()?;
        backlog.bytes -= next.bytes();
        self.bytes.remove(backlog.service, next.bytes());
        if backlog.waiting.is_empty() {
            self.of.remove(&key);
            // Behind the end of a peer's side there is nothing to receive.
            if !matches!(next, Waiting::End(_)) {
                core.connections.resume(&mut core.cx, key, Pause::Order);
            }
        }
        Some(next)
    }

    /// The connection is on its way out. Returns the end of the peer's side, if that waited.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) -> Option<Waiting> {
        let mut backlog = self.of.remove(&key)?;
        self.bytes.remove(backlog.service, backlog.bytes);
        let last = backlog.waiting.pop_back().filter(|last| !matches!(last, Waiting::Message(_)));
        if !matches!(last, Some(Waiting::End(_))) {
            core.connections.resume(&mut core.cx, key, Pause::Order);
        }
        last
    }
}

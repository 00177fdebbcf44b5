//! Going on with what clients sent behind requests that are over.

use super::Sessions;
use super::backlog::Waiting;
use crate::broker::core::Core;
use crate::broker::timers::Timer;
use crate::limits::LEAVE_PATIENCE;
use crate::types::ConnectionKey;
use crate::wire::OwnedMessage;

impl Sessions {
    /// Whether everything that a connection sends waits.
    pub(super) fn is_busy(&self, core: &Core, key: ConnectionKey) -> bool {
        self.operations.is_under_way(key)
            || self.outstanding.is_asking(key)
            || core.presence.is_asking(key)
            || self.history.is_asking(key)
    }

    /// Lets the peer's close frame, or the end of its side, wait for what it sent before. Returns
    /// `false` if there is nothing.
    pub(in crate::broker) fn defer(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        end: Waiting,
    ) -> bool {
        let deferred = self.backlogs.has(key) && self.backlogs.push(core, key, end);
        if deferred {
            core.cx.timers.set(core.cx.now.mono + LEAVE_PATIENCE, key, Timer::Backlog);
        }
        deferred
    }

    /// Whether the peer's close frame or the end of its side waits.
    pub(in crate::broker) fn has_deferred(&self, key: ConnectionKey) -> bool {
        self.backlogs.has_end(key)
    }

    /// Drops what a connection sent before its end. Returns the end.
    pub(in crate::broker) fn give_up(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
    ) -> Option<Waiting> {
        self.backlogs.forget(core, key)
    }

    /// The next message, close frame or end of a connection once its earlier requests are over.
    /// Messages are handled by [`Sessions::handle_waiting`].
    pub(in crate::broker) fn next_waiting(
        &mut self,
        core: &mut Core,
    ) -> Option<(ConnectionKey, Waiting)> {
        while let Some(key) = self.backlogs.next_ready() {
            if self.is_busy(core, key) || self.auth.is_verifying(key) {
                continue;
            }
            if let Some(next) = self.backlogs.pop(core, key) {
                self.backlogs.make_ready(key);
                return Some((key, next));
            }
        }
        None
    }

    pub(in crate::broker) fn handle_waiting(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: OwnedMessage,
    ) {
        if !self.handle(core, key, message.borrow()) {
            self.backlogs.push_front(core, key, Waiting::Message(message));
        }
    }

    /// Whether a connection may go on with what it sent, or has a request that has not begun.
    pub(in crate::broker) fn has_waiting(&self) -> bool {
        self.backlogs.has_ready() || self.operations.has_postponed()
    }
}

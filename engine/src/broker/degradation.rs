//! Notifies clients when nothing can be published for a while, and when it can be again: present
//! ones a part at a time, new ones with their welcome.

use super::core::Core;
use super::session::Sessions;
use super::timers::{ROUND, part};

/// How far clients have been notified of the last change.
#[derive(Debug, Default)]
pub(super) struct Degradation {
    /// Ticks in which some are still to be told.
    ticks: usize,
}

impl Degradation {
    /// Whether publications can be ordered has changed: all clients are notified within a round.
    pub(super) fn begin(&mut self) {
        self.ticks = ROUND;
    }

    /// Notifies the remaining clients.
    pub(super) fn finish(&mut self, core: &mut Core, sessions: &Sessions) {
        while self.ticks > 0 {
            self.go_on(core, sessions);
        }
    }

    /// A tick: tells the next part of the connections.
    pub(super) fn go_on(&mut self, core: &mut Core, sessions: &Sessions) {
        let Some(left) = self.ticks.checked_sub(1) else { return };
        self.ticks = left;
        for index in part(left, core.connections.slots()) {
            let key = core.connections.key(index);
            if core.connections.is_open(key) {
                sessions.tell_availability(core, key);
            }
        }
    }
}

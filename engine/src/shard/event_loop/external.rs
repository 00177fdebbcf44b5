//! What passes between the broker and the external order, where there is one.

use super::EventLoop;

impl EventLoop {
    /// Hands the broker the next notice. Returns whether it took one.
    pub(super) fn handle_upstream(&mut self) -> bool {
        let EventLoop { parts, hub, .. } = self;
        let is_taken = parts.upstream.as_mut().is_some_and(|upstream| upstream.hand_over(hub));
        if is_taken {
            self.touch_handover();
        }
        is_taken
    }

    /// Passes on what the broker asks.
    pub(super) fn ask_upstream(&mut self) {
        if let Some(upstream) = &self.parts.upstream {
            while let Some(request) = self.hub.poll_upstream() {
                upstream.request(request);
            }
        }
    }

    /// Whether a notice waits that the broker would take now.
    pub(super) fn has_notices(&self) -> bool {
        self.parts.upstream.as_ref().is_some_and(|upstream| !upstream.is_idle(&self.hub))
    }
}

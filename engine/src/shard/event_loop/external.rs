//! What passes between the broker and the external order, where there is one.

use super::EventLoop;

impl EventLoop {
    /// Hands the broker the next notice. Returns as how many messages it counts: 0 where the broker
    /// took none.
    pub(super) fn handle_upstream(&mut self) -> usize {
        let EventLoop { parts, hub, .. } = self;
        let cost = parts.upstream.as_mut().map_or(0, |upstream| upstream.hand_over(hub));
        if cost > 0 {
            self.touch_handover();
        }
        cost
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

//! Where the updates of a periodic channel have their publications from, if an external order has
//! those.

use super::upstream::Upstream;
use crate::types::{JoinToken, Seq, Time};

/// The tie of a periodic channel's home to an external order. Of what is published there only the
/// newest message counts. It is not logged: the log has updates, with the home's positions.
#[derive(Debug, Default)]
pub(super) struct UpdateSource {
    upstream: Upstream,
    /// The newest message of this epoch that has come.
    newest: Seq,
}

impl UpdateSource {
    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(super) fn upstream_mut(&mut self) -> &mut Upstream {
        &mut self.upstream
    }

    /// Whether messages are taken: they come, or may do so before the order has answered.
    pub(super) fn is_listening(&self) -> bool {
        self.upstream.is_followed() || self.upstream.is_asking()
    }

    /// The question to be asked now: an answer to an earlier one is stale.
    pub(super) fn ask(&mut self, now: Time) -> Option<JoinToken> {
        self.upstream.ask(now).map(|(token, _)| token)
    }

    /// The order has answered: everything comes that is published from now on.
    pub(super) fn answered(&mut self) {
        // No operation waits for it.
        self.upstream.answered(Seq(0), 0);
    }

    /// A message has come. Returns whether it is newer than all that have.
    pub(super) fn advance(&mut self, seq: Seq) -> bool {
        let is_newer = seq > self.newest;
        self.newest = seq.max(self.newest);
        is_newer
    }

    /// Positions that were given before are over, and nothing comes any more.
    pub(super) fn begin_epoch(&mut self) {
        self.upstream.unfollow();
        self.newest = Seq(0);
    }
}

#[cfg(test)]
mod tests;

//! Handing all over to the hubs of another process.

use super::Hub;
use crate::broker::tick::DrainState;
use crate::handover::{Connection, HandoverError, History, Part, Sent, ShardState, Socket};
use crate::types::{ConnectionKey, Epoch};

impl Hub {
    /// From now on nothing that was published waits for more. The shell hands in no further
    /// publications, receives and ticks, and iterates until [`Hub::may_be_exported`] on all shards
    /// and all lanes between them are empty; or calls this again with `false`, to go on. Of what an
    /// external order tells it hands in what waits now, and more while [`Hub::awaits_upstream`].
    pub fn freeze(&mut self, frozen: bool) {
        self.parts.core.cx.frozen = frozen;
        if frozen {
            // No tick comes any more.
            self.parts.tell_availability();
        } else {
            self.parts.core.cx.early.clear();
        }
    }

    /// Whether nothing is under way that another shard or the next iteration has to end. It is
    /// asked between two iterations. A hub that drains does not hand over.
    pub fn may_be_exported(&self) -> bool {
        let cx = &self.parts.core.cx;
        self.drain == DrainState::No && !cx.refusing && self.parts.may_be_exported()
    }

    /// Whether all that was published is delivered, or owed to subscribers that are behind.
    pub fn is_swept(&self) -> bool {
        self.parts.is_swept()
    }

    /// The epoch of the logs, which an external order may have begun anew.
    pub fn epoch(&self) -> Epoch {
        self.parts.core.cx.epoch
    }

    /// Whether clients were told that nothing can be published. That does not go over.
    pub fn is_degraded(&self) -> bool {
        self.parts.core.cx.degraded.is_some()
    }

    /// Whether a connection is one by which the engine probes itself: it never goes over.
    pub fn is_probe(&self, key: ConnectionKey) -> bool {
        self.parts.core.connections.get(key).is_some_and(|connection| connection.is_probe())
    }

    /// Whether something is under way that the external order has to answer before this hub, or
    /// another one, may be exported.
    pub fn awaits_upstream(&self) -> bool {
        self.parts.awaits_upstream()
    }

    /// The next messages of logs that have not gone over, of about so many bytes; `None` after the
    /// last channel. While the hub serves: what of the logs has gone over before needs no time in
    /// the pause.
    pub fn export_history(&self, sent: &mut Sent, bytes: usize) -> Option<History> {
        self.parts.core.channels.export_history(sent, bytes)
    }

    /// The next connections that can go over early: of so many slots, those for which `place` says
    /// where their sockets are, and of which nothing but their positions changes while they send
    /// nothing and the shell hands in no ticks. `None` behind the last slot. The first call is with
    /// slot 0; no connection may be admitted from then on.
    pub fn export_early(
        &mut self,
        slots: std::ops::Range<u32>,
        place: impl FnMut(ConnectionKey) -> Option<Socket>,
    ) -> Option<Vec<(ConnectionKey, Connection)>> {
        self.parts.export_early(slots, place)
    }

    /// What goes over to another process, but for what was `sent` before: channels homed here, and
    /// the connections for which `place` says where their sockets are. It is not asked about those
    /// that are closing, nor about the engine's own; nor about those that went over early and are
    /// as they were, for which `is_same` is asked whether that is true of what it knows of them.
    pub fn export(
        &self,
        sent: &Sent,
        is_same: impl FnMut(ConnectionKey) -> bool,
        place: impl FnMut(ConnectionKey) -> Option<Socket>,
    ) -> ShardState {
        self.parts.export(sent, is_same, place)
    }

    /// Takes over connections that went early, after [`Hub::begin_iteration`]: the hub is new. They
    /// have no channels before [`Hub::import`].
    ///
    /// # Errors
    /// As for that.
    pub fn import_early(&mut self, connections: Vec<Connection>) -> Result<(), HandoverError> {
        self.parts.import_early(connections)
    }

    /// Takes over the shard's part of what another process has exported, after
    /// [`Hub::begin_iteration`]. The hub has nothing but what [`Hub::import_early`] took, and the
    /// epoch and the homes of that state. The index of each connection is the slot of its socket.
    /// Effects may follow.
    ///
    /// # Errors
    /// [`HandoverError`] where the part says what cannot be, or there is no room for it. The hub is
    /// of no use then.
    pub fn import(&mut self, part: Part) -> Result<(), HandoverError> {
        self.parts.import(part)
    }

    /// The head of a channel as this shard knows it.
    #[cfg(test)]
    pub(crate) fn head_of(&self, channel: &crate::types::ChannelName) -> crate::types::Seq {
        let channels = &self.parts.core.channels;
        channels.log(channels.find(channel).expect("it is subscribed to")).head()
    }

    /// A connection was taken over by another process: forgets it without a word to its peer.
    /// [`Hub::handle_receive_ended`] is to follow, once nothing is armed on its slot.
    pub fn abandon(&mut self, key: ConnectionKey) {
        self.parts.abandon(key);
    }
}

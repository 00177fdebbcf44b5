//! Sessions that go over to another process, and those that come from one.

use super::Sessions;
use super::auth::handover::{received, sent};
use super::backlog::Waiting;
use crate::broker::connection::ReceiveEnd;
use crate::broker::core::Core;
use crate::config::Protocol;
use crate::handover::{self, EndKind, HandoverError, Session};
use crate::types::ConnectionKey;

impl Sessions {
    /// Whether no client waits for another shard, or for the next iteration.
    pub(in crate::broker) fn is_settled(&self) -> bool {
        self.operations.is_settled()
            && self.outstanding.is_quiet()
            && self.history.is_quiet()
            && !self.has_waiting()
    }

    /// Whether nothing of a connection is under way.
    pub(in crate::broker) fn is_calm(&self, key: ConnectionKey) -> bool {
        !(self.operations.is_under_way(key)
            || self.backlogs.has(key)
            || self.outstanding.is_publishing(key)
            || self.outstanding.is_asking(key)
            || self.history.is_asking(key))
    }

    /// The session of a connection.
    pub(in crate::broker) fn export(&self, core: &Core, key: ConnectionKey) -> Session {
        let mut session = Session {
            filter: self.custom.filter_of(key).map(Into::into),
            waiting: self.backlogs.of(key).map(Waiting::export).collect(),
            ..Session::default()
        };
        self.auth.export(core, key, &mut session);
        self.operations.export(core, key, &mut session);
        session
    }

    /// Takes over the session of a connection; its subscriptions are there.
    ///
    /// # Errors
    /// [`HandoverError`] where it cannot be.
    pub(in crate::broker) fn import(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        mut session: Session,
    ) -> Result<(), HandoverError> {
        self.auth.import(core, key, &mut session)?;
        self.operations.import(core, key, &mut session)?;
        if let Some(text) = session.filter
            && let Protocol::Custom(protocol) = core.settings(key).protocol.clone()
        {
            self.custom.take_over(core, key, &*protocol, &text);
        }
        for waiting in session.waiting {
            self.backlogs.take_over(core, key, Waiting::import(waiting));
        }
        self.backlogs.make_ready(key);
        Ok(())
    }
}

impl Waiting {
    fn export(&self) -> handover::Waiting {
        match self {
            Waiting::Message(message) => handover::Waiting::Message(sent(message)),
            Waiting::Close(code) => handover::Waiting::Close(*code),
            Waiting::End(ReceiveEnd::Eof) => handover::Waiting::End(EndKind::Eof),
            Waiting::End(ReceiveEnd::Reset) => handover::Waiting::End(EndKind::Reset),
            Waiting::End(ReceiveEnd::TlsFault) => handover::Waiting::End(EndKind::TlsFault),
        }
    }

    fn import(taken: handover::Waiting) -> Waiting {
        match taken {
            handover::Waiting::Message(message) => Waiting::Message(received(message)),
            handover::Waiting::Close(code) => Waiting::Close(code),
            handover::Waiting::End(EndKind::Eof) => Waiting::End(ReceiveEnd::Eof),
            handover::Waiting::End(EndKind::Reset) => Waiting::End(ReceiveEnd::Reset),
            handover::Waiting::End(EndKind::TlsFault) => Waiting::End(ReceiveEnd::TlsFault),
        }
    }
}

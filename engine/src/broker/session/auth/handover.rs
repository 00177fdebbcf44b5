//! Identities that go over to another process, and those that come from one.

use super::{Asked, Authentication, Known};
use crate::broker::connection::Pause;
use crate::broker::core::Core;
use crate::broker::effect::Effect;
use crate::handover::{Fault, HandoverError, SecretBytes, SentMessage, Session, Verification};
use crate::types::{ConnectionKey, TokenFault};
use crate::wire::{OwnedMessage, Secret};

impl Authentication {
    /// Adds what is known of a client's identity.
    pub(in crate::broker::session) fn export(
        &self,
        core: &Core,
        key: ConnectionKey,
        session: &mut Session,
    ) {
        let Some(auth) = self.get(key) else { return };
        session.is_authenticating = true;
        let permissions = self.permissions(core, key);
        session.identity = auth.known.as_ref().map(|known| known.export(permissions));
        session.verification = auth.asked.as_ref().map(|asked| Verification {
            token: SecretBytes::new(asked.token.expose().as_bytes()),
            request: asked.request.clone().map(|correlation| correlation.map(Into::into)),
            welcome: asked.welcome,
            backlog: asked.backlog.iter().map(sent).collect(),
        });
        session.fault = auth
            .fault
            .as_deref()
            .map(|TokenFault { why, user }| Fault { why: why.clone(), user: user.clone() });
    }

    /// Takes over what another process knows of a client. A token that is being verified there is
    /// verified anew.
    ///
    /// # Errors
    /// [`HandoverError`] where a token is no text.
    pub(in crate::broker::session) fn import(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        session: &mut Session,
    ) -> Result<(), HandoverError> {
        if !session.is_authenticating {
            return Ok(());
        }
        let permissions = self.permissions(core, key);
        let known = session.identity.take().map(|taken| Known::import(taken, permissions));
        self.expiries
            .extend(known.as_ref().and_then(|known| known.expires).map(|at| (at, key.index)));
        let auth = self.entry(key);
        auth.known = known;
        auth.fault =
            session.fault.take().map(|Fault { why, user }| TokenFault { why, user }.into());
        let Some(Verification { token, request, welcome, backlog }) = session.verification.take()
        else {
            return Ok(());
        };
        let token = std::str::from_utf8(token.expose());
        let token = Secret::new(token.map_err(|_| HandoverError::Malformed("a token is no text"))?);
        let request = request.map(|correlation| correlation.map(Into::into));
        let backlog: Vec<OwnedMessage> = backlog.into_iter().map(received).collect();
        let bytes = backlog.iter().map(|message| message.borrow().payload().len()).sum();
        auth.asked = Some(Asked { request, welcome, backlog, bytes, token: token.clone() });
        core.connections.pause(&mut core.cx, key, Pause::Verification);
        let service = core.connections[key].service();
        self.verifications.take_over(service, key);
        core.cx.push_effect(Effect::Authenticate { service, key, token });
        Ok(())
    }
}

/// A message of a client, for another process.
pub(in crate::broker::session) fn sent(message: &OwnedMessage) -> SentMessage {
    match message {
        OwnedMessage::Text(text) => SentMessage::Text(text.as_ref().into()),
        OwnedMessage::Binary(bytes) => SentMessage::Binary(bytes.clone()),
    }
}

/// The same, from another process.
pub(in crate::broker::session) fn received(message: SentMessage) -> OwnedMessage {
    match message {
        SentMessage::Text(text) => OwnedMessage::Text(text.into()),
        SentMessage::Binary(bytes) => OwnedMessage::Binary(bytes),
    }
}

//! Identities of clients: PROTOCOL section 2.3, without knowing what a token is.
//!
//! A token, from the upgrade or from an `auth` request, becomes [`Effect::Authenticate`] and is
//! answered by `Hub::handle_authenticated`. In between the client is not received from, and what
//! was received of it already waits, so that its requests take effect in its order. An `auth`
//! request of a known client renews its identity; that may extend it, never change or reduce it.

pub(super) mod handover;
mod permitted;
mod regrant;
mod verifications;

use std::collections::BTreeSet;

use super::answers::refuse;
use super::known::Known;
use super::order::Correlation;
use super::permissions::Permissions;
use crate::broker::connection::{CloseReason, Pause};
use crate::broker::core::Core;
use crate::broker::effect::{ClientReport, Effect};
use crate::broker::timers::Timer;
use crate::config::{AuthMode, Config};
use crate::limits::{AUTH_BACKLOG, AUTH_TIMEOUT, MAX_AUTH_MESSAGE, MAX_TOKEN};
use crate::telemetry::ConnectionError;
use crate::types::{
    AuthError, ConnectionKey, ErrorCode, Identity, RevokedTokens, Time, TokenFault,
};
use crate::wire::{Message, OwnedMessage, Secret};
use verifications::Verifications;

/// The identities of a shard's clients.
#[derive(Debug)]
pub(in crate::broker) struct Authentication {
    /// By service.
    permissions: Vec<Permissions>,
    /// By connection index.
    of: Vec<Option<Box<Auth>>>,
    verifications: Verifications,
    /// When which connection's token expires. At most one entry a connection.
    expiries: BTreeSet<(Time, u32)>,
}

/// What is known about a client that must or did show a token. A connection without one of these
/// is anonymous, and may be.
#[derive(Debug, Default)]
struct Auth {
    known: Option<Known>,
    asked: Option<Asked>,
    /// Why the last token was refused.
    fault: Option<Box<TokenFault>>,
}

/// A verification under way.
#[derive(Debug)]
pub(super) struct Asked {
    /// The `auth` request that is owed a reply; none if the upgrade carried the token.
    pub(super) request: Option<Correlation>,
    /// The welcome is still to be sent.
    pub(super) welcome: bool,
    /// Messages received meanwhile.
    pub(super) backlog: Vec<OwnedMessage>,
    bytes: usize,
    /// Kept for a process that takes the connection over meanwhile.
    token: Secret,
}

/// Whether a client's message may be handled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    /// It must show a token first.
    TokenMissing,
    /// The message waits for a verification, or was too much.
    Deferred,
}

impl Authentication {
    pub(super) fn new(config: &Config) -> Authentication {
        let permissions = config.services.iter().map(Permissions::new);
        Authentication {
            permissions: permissions.collect(),
            of: Vec::new(),
            verifications: Verifications::new(config.services.len()),
            expiries: BTreeSet::new(),
        }
    }

    fn get(&self, key: ConnectionKey) -> Option<&Auth> {
        self.of.get(key.index as usize)?.as_deref()
    }

    fn entry(&mut self, key: ConnectionKey) -> &mut Auth {
        let index = key.index as usize;
        if index >= self.of.len() {
            self.of.resize_with(index + 1, || None);
        }
        self.of[index].get_or_insert_default()
    }

    fn known(&self, key: ConnectionKey) -> Option<&Known> {
        self.get(key)?.known.as_ref()
    }

    /// The user that the client's token names, once that was verified.
    pub(in crate::broker) fn user(&self, key: ConnectionKey) -> Option<&str> {
        Some(&self.known(key)?.user)
    }

    /// Whether the client was authenticated by one of these tokens.
    pub(in crate::broker) fn is_by(&self, key: ConnectionKey, tokens: &RevokedTokens) -> bool {
        self.known(key).is_some_and(|known| known.is_of(tokens))
    }

    /// Why the client's last token was refused, if it was.
    pub(in crate::broker) fn fault(&self, key: ConnectionKey) -> Option<&TokenFault> {
        self.get(key)?.fault.as_deref()
    }

    /// Whether the client must show a token and has not.
    pub(in crate::broker) fn is_silent(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|auth| auth.known.is_none() && auth.asked.is_none())
    }

    /// Whether the client has no identity yet and must have one.
    pub(super) fn is_unknown(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|auth| auth.known.is_none())
    }

    /// Whether the client has its welcome.
    pub(super) fn is_welcomed(&self, key: ConnectionKey) -> bool {
        let awaits = |auth: &Auth| auth.asked.as_ref().is_none_or(|asked| asked.welcome);
        !self.get(key).is_some_and(|auth| auth.known.is_none() && awaits(auth))
    }

    /// Begins the session of a new client. Returns whether it is to be welcomed at once.
    pub(super) fn begin(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        token: Option<Secret>,
    ) -> bool {
        match (token, core.settings(key).access.mode) {
            (Some(token), AuthMode::Required | AuthMode::Optional) => {
                self.verify(core, key, token, None, true);
                false
            }
            (None, AuthMode::Required) => {
                *self.entry(key) = Auth::default();
                core.cx.timers.set(core.cx.now.mono + AUTH_TIMEOUT, key, Timer::FirstFrame);
                false
            }
            _ => true,
        }
    }

    /// Bytes that a message of this connection may have.
    pub(in crate::broker) fn message_limit(&self, core: &Core, key: ConnectionKey) -> usize {
        let most = core.settings(key).max_message;
        if self.is_unknown(key) { most.min(MAX_AUTH_MESSAGE) } else { most }
    }

    /// Whether a message may be handled now.
    pub(super) fn admit(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        message: Message<'_>,
    ) -> Access {
        let auth = self.of.get_mut(key.index as usize).and_then(Option::as_deref_mut);
        let Some(auth) = auth else { return Access::Granted };
        let Some(asked) = &mut auth.asked else {
            return if auth.known.is_some() { Access::Granted } else { Access::TokenMissing };
        };
        asked.bytes += message.payload().len();
        if asked.bytes > AUTH_BACKLOG {
            core.cx.close(key, CloseReason::AuthBacklog);
        } else {
            asked.backlog.push(message.into());
        }
        Access::Deferred
    }

    /// Bytes received behind a token that is being verified.
    pub(in crate::broker) fn backlog(&self, key: ConnectionKey) -> Option<u64> {
        Some(self.get(key)?.asked.as_ref()?.bytes as u64)
    }

    /// An `auth` request of an open connection.
    pub(super) fn show(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        token: Option<Secret>,
    ) {
        if core.settings(key).access.mode == AuthMode::Off {
            let text = "Unknown request event: auth";
            return refuse(core, key, correlation, ErrorCode::UnknownRequest, text);
        }
        match token {
            Some(token) => {
                // Anonymous clients have their welcome, as known ones do.
                let welcome = self.is_unknown(key);
                let request = Some(correlation.map(Into::into));
                self.verify(core, key, token, request, welcome);
            }
            None => {
                let text = "Missing or malformed auth token";
                let reason = CloseReason::AuthMissing;
                let fault = TokenFault { why: "no token in the request".into(), user: None };
                self.turn_away(core, key, correlation, reason, text, fault.into());
            }
        }
    }

    /// Has a token verified; the client is not received from until it is.
    pub(super) fn verify(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        token: Secret,
        request: Option<Correlation>,
        welcome: bool,
    ) {
        let asked = Asked { request, welcome, backlog: Vec::new(), bytes: 0, token: token.clone() };
        self.entry(key).asked = Some(asked);
        core.connections.pause(&mut core.cx, key, Pause::Verification);
        let refusal = if token.expose().len() > MAX_TOKEN {
            let why = format!("longer than {MAX_TOKEN} bytes");
            Some(AuthError::Invalid(TokenFault { why, user: None }.into()))
        } else {
            (!self.verifications.begin(core, key)).then_some(AuthError::Overload)
        };
        if let Some(error) = refusal {
            if let Some(asked) = self.take_asked(core, key) {
                self.reject(core, key, &asked, error);
            }
            return;
        }
        let service = core.connections[key].service();
        core.cx.push_effect(Effect::Authenticate { service, key, token });
    }

    /// Verifications under way.
    pub(in crate::broker) fn verifying(&self) -> usize {
        self.verifications.len()
    }

    /// A verification was answered.
    pub(super) fn answered(&mut self, key: ConnectionKey) {
        self.verifications.end(key);
    }

    /// Ends a client's verification: it is received from again.
    pub(super) fn take_asked(&mut self, core: &mut Core, key: ConnectionKey) -> Option<Asked> {
        let asked = self.of.get_mut(key.index as usize)?.as_deref_mut()?.asked.take()?;
        core.connections.resume(&mut core.cx, key, Pause::Verification);
        Some(asked)
    }

    /// A token was not verified.
    pub(super) fn reject(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        asked: &Asked,
        error: AuthError,
    ) {
        match error {
            AuthError::Invalid(fault) => {
                let text = "Invalid or expired token";
                let correlation = asked.request.as_ref().and_then(Option::as_deref);
                self.turn_away(core, key, correlation, CloseReason::AuthFailed, text, fault);
            }
            AuthError::Overload => core.cx.close(key, CloseReason::AuthOverload),
        }
    }

    /// Takes an identity over, or says why not.
    pub(super) fn recognise(
        &mut self,
        core: &Core,
        key: ConnectionKey,
        identity: &Identity,
    ) -> Result<(), &'static str> {
        let grants = self.permissions(core, key).grants(&identity.permissions);
        let known = Known::new(identity, grants, core.cx.now).ok_or("Invalid or expired token")?;
        if self.known(key).is_some_and(|old| !known.renews(old)) {
            return Err("Token does not renew this session");
        }
        let expires = known.expires;
        let old = self.entry(key).known.replace(known);
        if let Some(at) = old.and_then(|old| old.expires) {
            self.expiries.remove(&(at, key.index));
        }
        self.expiries.extend(expires.map(|at| (at, key.index)));
        Ok(())
    }

    /// Answers that a token is no good, with a text for the client and one for the log. A client
    /// that is known stays so until its own token expires.
    pub(super) fn turn_away(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        correlation: Option<&str>,
        reason: CloseReason,
        text: &str,
        fault: Box<TokenFault>,
    ) {
        self.entry(key).fault = Some(fault);
        refuse(core, key, correlation, ErrorCode::AuthFailed, text);
        match self.known(key) {
            None => core.cx.close(key, reason),
            Some(known) if known.expires.is_some_and(|at| at <= core.cx.time()) => {
                core.cx.close(key, CloseReason::TokenExpired);
            }
            Some(_) => {
                let service = core.connections[key].service();
                core.cx.recorder.connection_error(service, ConnectionError::AuthFailed);
                let cause = self.fault(key).map(|fault| fault.why.as_str().into());
                let report = ClientReport { cause, ..core.report(key, self.user(key)) };
                core.cx.push_effect(Effect::Log(report.into()));
            }
        }
    }

    /// The clients with expired tokens.
    pub(super) fn expire(&mut self, core: &Core) -> Vec<ConnectionKey> {
        let mut expired = Vec::new();
        while let Some(&(at, index)) = self.expiries.first()
            && at <= core.cx.time()
        {
            self.expiries.pop_first();
            let key = core.connections.key(index);
            // While a new token is verified the old one may have expired: `turn_away` looks.
            if self.get(key).is_none_or(|auth| auth.asked.is_none()) {
                expired.push(key);
            }
        }
        expired
    }

    /// Whether a token of the client is being verified.
    pub(super) fn is_verifying(&self, key: ConnectionKey) -> bool {
        self.get(key).is_some_and(|auth| auth.asked.is_some())
    }

    /// The connection is on its way out.
    pub(super) fn forget(&mut self, core: &mut Core, key: ConnectionKey) {
        let auth = self.of.get_mut(key.index as usize).and_then(Option::take);
        core.connections.resume(&mut core.cx, key, Pause::Verification);
        if let Some(at) = auth.and_then(|auth| auth.known).and_then(|known| known.expires) {
            self.expiries.remove(&(at, key.index));
        }
    }
}

#[cfg(test)]
mod auth_invariants;

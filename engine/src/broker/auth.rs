//! Who a client is: PROTOCOL section 2.3, without knowing what a token is.
//!
//! A token, from the upgrade or from an `auth` request, becomes [`Effect::Authenticate`] and is
//! answered by [`Hub::handle_authenticated`]. In between the client is not read, and what it had
//! already sent waits, so that its requests take effect in its order. An `auth` request of a known
//! client renews its identity; that may extend it, never change or reduce it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::clock::Due;
use super::close::{CloseReason, Phase};
use super::effect::Effect;
use super::hub::Hub;
use super::permits::{Grants, Permits};
use crate::config::{AuthMode, Protocol};
use crate::limits::{AUTH_BACKLOG, AUTH_TIMEOUT, MAX_AUTH_MESSAGE, MAX_TOKEN};
use crate::limits::{VERIFICATIONS_PER_SHARD, per_lane};
use crate::telemetry::{ConnectionError, MessageType};
use crate::types::{AuthError, ConnectionKey, Identity, Now, Time, Verdict};
use crate::wire::envelope::Inbound;
use crate::wire::reply::ErrorCode;
use crate::wire::request::Request;
use crate::wire::{Message, OwnedMessage, Secret};

/// What is known about a client that must or did show a token. A connection without one of these
/// is anonymous, and may be.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    known: Option<Known>,
    pub(super) asked: Option<Asked>,
}

impl Auth {
    /// The user its token names, once that was verified.
    pub(super) fn user(&self) -> Option<&str> {
        self.known.as_ref().map(|known| &*known.user)
    }

    /// Whether a token of its is being verified: it is not read meanwhile.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether it has shown nothing yet.
    pub(super) fn is_silent(&self) -> bool {
        self.known.is_none() && self.asked.is_none()
    }
}

/// Who it is.
#[derive(Debug)]
struct Known {
    user: Box<str>,
    grants: Grants,
    expires: Option<Time>,
}

/// A verification under way.
#[derive(Debug)]
pub(super) struct Asked {
    /// By an `auth` request, which is owed a reply with this correlation; not by the upgrade.
    request: Option<Option<Box<str>>>,
    /// The welcome is still to be sent.
    welcome: bool,
    /// Messages that came meanwhile.
    backlog: Vec<OwnedMessage>,
    pub(super) bytes: usize,
}

/// The hub's part.
#[derive(Debug, Default)]
pub(super) struct Gatekeeper {
    /// Verifications under way.
    pub(super) verifying: usize,
    /// When which connection's token expires. At most one entry a connection.
    expiries: BTreeSet<(Time, u32)>,
}

impl Hub {
    /// Starts the session of an upgraded connection: welcome, silence or verification.
    pub(super) fn begin_session(&mut self, now: Now, key: ConnectionKey, token: Option<Secret>) {
        if self.connections[key.index].flags.probe {
            self.welcome(now, key, false);
            return self.subscribe_probe(now, key);
        }
        let mode = self.access(key).mode;
        match token {
            Some(token) if mode != AuthMode::Off => self.authenticate(now, key, token, None, true),
            None if mode == AuthMode::Required => {
                self.connections[key.index].auth = Some(Box::default());
                self.due(now.mono + AUTH_TIMEOUT, key, Due::FirstFrame);
            }
            _ => self.welcome(now, key, false),
        }
    }

    /// Bytes that a message of this connection may have.
    pub(super) fn message_limit(&self, key: ConnectionKey) -> usize {
        let unknown = |auth: &Auth| auth.known.is_none();
        let most = self.service(key).max_message;
        match self.connections[key.index].auth.as_deref().is_some_and(unknown) {
            true => most.min(MAX_AUTH_MESSAGE),
            false => most,
        }
    }

    /// Whether a message may be handled now. If not, it was taken care of.
    pub(super) fn let_in(&mut self, now: Now, key: ConnectionKey, message: Message<'_>) -> bool {
        let Some(auth) = self.connections[key.index].auth.as_deref_mut() else { return true };
        let Some(asked) = &mut auth.asked else {
            let known = auth.known.is_some();
            if !known {
                self.first_frame(now, key, message);
            }
            return known;
        };
        asked.bytes += message.payload().len();
        if asked.bytes > AUTH_BACKLOG {
            self.close(now.mono, key, CloseReason::AuthBacklog);
            return false;
        }
        asked.backlog.push(message.into());
        false
    }

    /// The first message of a client that must show a token.
    fn first_frame(&mut self, now: Now, key: ConnectionKey, message: Message<'_>) {
        if self.service(key).protocol == Protocol::Metrics {
            return self.feed_first_frame(now, key, message);
        }
        let parsed = Inbound::parse_message(message);
        let kind = parsed.as_ref().map_or(MessageType::Invalid, |inbound| inbound.kind);
        self.handled.push((self.connections[key.index].service, kind));
        let Ok(inbound) = parsed else {
            return self.close(now.mono, key, CloseReason::AuthError);
        };
        let correlation = inbound.correlation(self.service(key).correlation);
        match Request::parse(&inbound) {
            Ok(Request::Auth { token }) => self.show_token(now, key, correlation, token),
            _ => self.require_token(now, key, correlation, CloseReason::AuthRequired),
        }
    }

    pub(super) fn require_token(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        reason: CloseReason,
    ) {
        let text = "Authentication required";
        self.refuse(now, key, correlation, ErrorCode::AuthRequired, text);
        self.close(now.mono, key, reason);
    }

    /// An `auth` request of an open connection.
    pub(super) fn show_token(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        token: Option<Secret>,
    ) {
        if self.access(key).mode == AuthMode::Off {
            let text = "Unknown request event: auth";
            return self.refuse(now, key, correlation, ErrorCode::UnknownRequest, text);
        }
        // Anonymous clients have their welcome, as known ones do.
        let auth = self.connections[key.index].auth.as_deref();
        let welcome = auth.is_some_and(|auth| auth.known.is_none());
        let correlation = correlation.map(Into::into);
        match token {
            Some(token) => self.authenticate(now, key, token, Some(correlation), welcome),
            None => {
                let text = "Missing or malformed auth token";
                self.turn_away(now, key, correlation.as_deref(), CloseReason::AuthMissing, text);
            }
        }
    }

    /// Has a token verified; the client is not read until it is.
    fn authenticate(
        &mut self,
        now: Now,
        key: ConnectionKey,
        token: Secret,
        request: Option<Option<Box<str>>>,
        welcome: bool,
    ) {
        let asked = Asked { request, welcome, backlog: Vec::new(), bytes: 0 };
        self.change_hold(key, |connection| {
            connection.auth.get_or_insert_default().asked = Some(asked);
        });
        if token.expose().len() > MAX_TOKEN {
            return self.conclude(now, key, Err(AuthError::Invalid));
        }
        if self.gatekeeper.verifying >= per_lane(VERIFICATIONS_PER_SHARD, self.shards) {
            return self.conclude(now, key, Err(AuthError::Overload));
        }
        self.gatekeeper.verifying += 1;
        let service = self.connections[key.index].service;
        self.effects.push_back(Effect::Authenticate { service, key, token });
    }

    /// The answer to [`Effect::Authenticate`], which each gets once.
    pub fn handle_authenticated(&mut self, now: Now, key: ConnectionKey, verdict: Verdict) {
        self.gatekeeper.verifying -= 1;
        if self.connections.get(key).is_some_and(|c| c.phase == Phase::Open) {
            self.conclude(now, key, verdict);
        }
    }

    fn conclude(&mut self, now: Now, key: ConnectionKey, verdict: Verdict) {
        let mut asked = None;
        self.change_hold(key, |connection| {
            asked = connection.auth.as_deref_mut().and_then(|auth| auth.asked.take());
        });
        let Some(asked) = asked else { return };
        let Asked { request, welcome, backlog, .. } = asked;
        let correlation = request.as_ref().and_then(|correlation| correlation.as_deref());
        match verdict {
            Ok(identity) => match self.recognise(now, key, &identity) {
                Ok(()) => {
                    if request.is_some() {
                        self.authenticated(now, key, correlation, &identity.user);
                    }
                    if welcome {
                        self.welcome(now, key, true);
                    }
                }
                Err(text) => {
                    self.turn_away(now, key, correlation, CloseReason::AuthFailed, text);
                }
            },
            Err(AuthError::Invalid) => {
                let text = "Invalid or expired token";
                self.turn_away(now, key, correlation, CloseReason::AuthFailed, text);
            }
            Err(AuthError::Overload) => self.close(now.mono, key, CloseReason::AuthOverload),
        }
        for message in backlog {
            // Whatever came in between: what it had sent earlier is over with it.
            if self.connections.get(key).is_none_or(|c| c.phase != Phase::Open) {
                return;
            }
            self.handle_message(now, key, message.borrow());
        }
    }

    /// Takes an identity over, or says why not.
    fn recognise(
        &mut self,
        now: Now,
        key: ConnectionKey,
        identity: &Identity,
    ) -> Result<(), &'static str> {
        let expires = match identity.expires.map(|at| remaining(now, at)) {
            None => None,
            Some(Some(left)) => Some(now.mono + left),
            Some(None) => return Err("Invalid or expired token"),
        };
        let grants = self.permits(key).grants(&identity.permissions);
        let auth = self.connections[key.index].auth.get_or_insert_default();
        if let Some(old) = &auth.known
            && !(*old.user == *identity.user && grants.cover(old.grants))
        {
            return Err("Token does not renew this session");
        }
        let old =
            auth.known.replace(Known { user: identity.user.as_str().into(), grants, expires });
        let expiries = &mut self.gatekeeper.expiries;
        if let Some(at) = old.and_then(|old| old.expires) {
            expiries.remove(&(at, key.index));
        }
        expiries.extend(expires.map(|at| (at, key.index)));
        Ok(())
    }

    /// Says that a token is no good. Who is known already stays so until its own token expires.
    fn turn_away(
        &mut self,
        now: Now,
        key: ConnectionKey,
        correlation: Option<&str>,
        reason: CloseReason,
        text: &str,
    ) {
        self.refuse(now, key, correlation, ErrorCode::AuthFailed, text);
        let auth = self.connections[key.index].auth.as_deref();
        match auth.and_then(|auth| auth.known.as_ref()) {
            None => self.close(now.mono, key, reason),
            Some(known) if known.expires.is_some_and(|at| at <= now.mono) => {
                self.close(now.mono, key, CloseReason::TokenExpired);
            }
            Some(_) => {
                let service = self.connections[key.index].service;
                self.recorder.connection_error(service, ConnectionError::AuthFailed);
            }
        }
    }

    /// Time is over for tokens.
    pub(super) fn expire_tokens(&mut self, now: Now) {
        while let Some(&(at, index)) = self.gatekeeper.expiries.first()
            && at <= now.mono
        {
            self.gatekeeper.expiries.pop_first();
            // While a new token is verified the old one may have expired: `turn_away` looks.
            if !self.connections[index].auth.as_deref().is_some_and(Auth::is_asked) {
                self.close(now.mono, self.connections.key(index), CloseReason::TokenExpired);
            }
        }
    }

    /// The connection is on its way out.
    pub(super) fn forget_identity(&mut self, key: ConnectionKey) {
        let mut auth = None;
        self.change_hold(key, |connection| auth = connection.auth.take());
        if let Some(at) = auth.and_then(|auth| auth.known).and_then(|known| known.expires) {
            self.gatekeeper.expiries.remove(&(at, key.index));
        }
    }

    fn permits(&self, key: ConnectionKey) -> &Permits {
        &self.permits[self.connections[key.index].service.index()]
    }

    fn grants(&self, key: ConnectionKey) -> Option<Grants> {
        let auth = self.connections[key.index].auth.as_deref()?;
        auth.known.as_ref().map(|known| known.grants)
    }

    /// Whether a client may have a channel.
    pub(super) fn may_subscribe(&self, key: ConnectionKey, channel: &str) -> bool {
        let probe = self.connections[key.index].flags.probe;
        probe
            || self.access(key).mode == AuthMode::Off
            || self.permits(key).may_subscribe(self.grants(key).unwrap_or_default(), channel)
    }

    /// Whether a client may publish to a channel.
    pub(super) fn may_publish(&self, key: ConnectionKey, channel: &str) -> bool {
        let known = self.grants(key);
        match known {
            Some(grants) => self.permits(key).may_publish(grants, channel),
            None => self.service(key).anonymous_publish,
        }
    }

    /// Verifications under way, connections with a deadline for their token.
    #[cfg(test)]
    pub(super) fn auth_counts(&self) -> (usize, usize) {
        (self.gatekeeper.verifying, self.gatekeeper.expiries.len())
    }
}

/// How long a token is still good, if it is. Its time counts in whole seconds; what is too far
/// away to be counted is for ever.
fn remaining(now: Now, expires: i64) -> Option<Duration> {
    let left = i128::from(expires) * 1_000_000 - i128::from(now.unix_us);
    (left > 0).then(|| Duration::from_micros(u64::try_from(left).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;

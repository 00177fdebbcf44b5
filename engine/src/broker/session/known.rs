//! The identity of a client, from its token.

use std::time::Duration;

use super::permissions::{Grants, Permissions};
use crate::handover;
use crate::types::{Identity, Now, RevokedTokens, Time};

/// The identity of a client.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) user: Box<str>,
    pub(super) grants: Grants,
    pub(super) expires: Option<Time>,
    token: Option<u64>,
    issued: Option<i64>,
}

impl Known {
    /// `None` if the token's time is over.
    pub(super) fn new(identity: &Identity, grants: Grants, now: Now) -> Option<Known> {
        let expires = match identity.expires.map(|at| remaining(now, at)) {
            None => None,
            Some(left) => Some(now.mono + left?),
        };
        let Identity { user, token, issued, .. } = identity;
        let (token, issued) = (*token, *issued);
        Some(Known { user: user.as_str().into(), grants, expires, token, issued })
    }

    /// As another process takes it over.
    pub(super) fn export(&self, permissions: &Permissions) -> handover::Identity {
        handover::Identity {
            user: self.user.as_ref().into(),
            permissions: permissions.held(self.grants).map(Into::into).collect(),
            expires: self.expires,
            token: self.token,
            issued: self.issued,
        }
    }

    pub(super) fn import(taken: handover::Identity, permissions: &Permissions) -> Known {
        let handover::Identity { user, permissions: names, expires, token, issued } = taken;
        let grants = permissions.grants(&names);
        Known { user: user.into(), grants, expires, token, issued }
    }

    /// Whether it may replace another one: it is the same user's, and grants no less.
    pub(super) fn renews(&self, old: &Known) -> bool {
        self.user == old.user && self.grants.cover(old.grants)
    }

    /// Whether it is from one of these tokens.
    pub(super) fn is_of(&self, tokens: &RevokedTokens) -> bool {
        tokens.mean(&self.user, self.token, self.issued)
    }
}

/// How long a token is still good, if it is. Its time counts in whole seconds; what is too far
/// away to be counted is for ever.
pub(super) fn remaining(now: Now, expires: i64) -> Option<Duration> {
    let left = i128::from(expires) * 1_000_000 - i128::from(now.unix_us);
    (left > 0).then(|| Duration::from_micros(u64::try_from(left).unwrap_or(u64::MAX)))
}

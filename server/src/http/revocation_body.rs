//! The body of a request that revokes tokens, as nodes pass it on.

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::present;
use crate::auth::revocations::{Revocation, Subject, leeway};
use crate::limits::{DEFAULT_REVOCATION, MAX_REVOCATION, MAX_REVOKED_NAME};

/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// Which tokens, and how long that is remembered.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct RevokeBody {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    issued_before: Option<f64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    expires_in: Option<f64>,
}

impl RevokeBody {
    /// What says of a revocation, at a second since 1970, all that is to be known.
    pub(super) fn of(revocation: &Revocation, now: i64) -> RevokeBody {
        let (jti, user) = match &revocation.subject {
            Subject::Jti(jti) => (Some(jti.clone()), None),
            Subject::User(user) => (None, Some(user.clone())),
            Subject::All => (None, None),
        };
        let issued_before = revocation.issued_before.map(|at| at as f64);
        let rest = (revocation.until - leeway() - now).max(1);
        RevokeBody { user, jti, issued_before, expires_in: Some(rest as f64) }
    }
}

/// A whole number in a range. Writers of JSON may give one as `7.0`.
fn whole(name: &str, value: f64, least: i64, most: i64) -> Result<i64, ApiError> {
    let number = value as i64;
    let bad = || ApiError::bad_request(format!("{name} is a whole number, {least} to {most}"));
    let fits = value.fract() == 0.0 && (least..=most).contains(&number);
    fits.then_some(number).ok_or_else(bad)
}

/// What a body means at a second since 1970.
///
/// # Errors
/// 400.
pub(super) fn parse(body: RevokeBody, now: i64) -> Result<Revocation, ApiError> {
    let bad = |text: &str| Err(ApiError::bad_request(text));
    let before = body.issued_before.map(|at| whole("issued_before", at, 0, LAST_SECOND));
    let (subject, issued_before) = match (body.jti, body.user, before.transpose()?) {
        (Some(jti), None, None) => (Subject::Jti(jti), None),
        (Some(_), _, _) => return bad("name a jti alone, or a user and issued_before"),
        // Tokens of this second too: which of them came before is not known.
        (None, Some(user), before) => (Subject::User(user), Some(before.unwrap_or(now + 1))),
        (None, None, Some(before)) => (Subject::All, Some(before)),
        (None, None, None) => return bad("name a user, a jti or issued_before"),
    };
    if let Subject::Jti(name) | Subject::User(name) = &subject
        && (name.is_empty() || name.chars().count() > MAX_REVOKED_NAME)
    {
        let text = format!("user and jti have 1 to {MAX_REVOKED_NAME} characters");
        return Err(ApiError::bad_request(text));
    }
    let most = MAX_REVOCATION.as_secs().cast_signed();
    let seconds = match body.expires_in {
        Some(seconds) => whole("expires_in", seconds, 1, most)?,
        None => DEFAULT_REVOCATION.as_secs().cast_signed(),
    };
    Ok(Revocation { subject, issued_before, until: now + seconds + leeway() })
}

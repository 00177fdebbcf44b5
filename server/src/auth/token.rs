//! One token: from its text to an identity, or not.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use uringcast_engine::{AuthError, Identity, Verdict};

use super::claims;
use super::keys::{Key, Keys};
use crate::settings::access::OptionalClaim;

/// The claims that tokens must have beside the user and the expiry.
#[derive(Clone, Debug, Default)]
pub struct ClaimRules {
    /// Its `iss`.
    pub issuer: Option<String>,
    /// Its `aud`, or one of them.
    pub audience: Option<String>,
    /// What of this and of `exp` it may lack.
    pub optional: Vec<OptionalClaim>,
    /// The claims that name permissions, all of which count; `None` for the usual ones.
    pub permissions: Option<Vec<String>>,
    /// How long after its `exp`, and before its `nbf`, it is still taken.
    pub leeway: Duration,
}

/// The claims that are read, under the names of the original family or of OAuth.
#[derive(Deserialize)]
struct Claims {
    user_id: Option<Name>,
    sub: Option<Name>,
    /// Seconds since 1970; may have a fraction.
    exp: Option<f64>,
    // These two are read for their types alone: the library compares those that it understands, and
    // takes another type for an absent claim.
    #[serde(rename = "iss")]
    _issuer: Option<Names>,
    #[serde(rename = "aud")]
    _audience: Option<Names>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "read for its type alone")]
enum Names {
    List(Vec<String>),
    Text(String),
}

/// Verifies a token with every key that may have signed it.
pub(super) fn verify(token: &str, keys: &Keys, rules: &ClaimRules) -> Verdict {
    let result = attempt(token, keys, rules);
    result.map_err(|why| {
        // The log gets no part of the token: another service may accept it.
        tracing::debug!(why, "a token is refused");
        AuthError::Invalid
    })
}

fn attempt(token: &str, keys: &Keys, rules: &ClaimRules) -> Result<Identity, &'static str> {
    let header = decode_header(token).map_err(|error| reason(error.kind()))?;
    // RFC 7515, 4.1.11: a token with a critical header that is not understood is refused.
    if header.crit.is_some() {
        return Err("critical header");
    }
    let mut why = "no key for it";
    for key in keys.candidates(header.kid.as_deref(), header.alg) {
        match decode::<Claims>(token, &key.key, &validation(key, rules)) {
            Ok(data) => return identity(data.claims, rules),
            Err(error) => why = reason(error.kind()),
        }
    }
    Err(why)
}

fn validation(key: &Key, rules: &ClaimRules) -> Validation {
    let mut validation = Validation::new(key.algorithms[0]);
    validation.algorithms.clone_from(&key.algorithms);
    (validation.leeway, validation.validate_nbf) = (rules.leeway.as_secs(), true);
    let mut required = vec![("exp", OptionalClaim::Expiry)];
    if let Some(issuer) = &rules.issuer {
        validation.set_issuer(&[issuer]);
        required.push(("iss", OptionalClaim::Issuer));
    }
    // A token for another audience is refused. Without a configured audience, so is every token
    // that names one.
    if let Some(audience) = &rules.audience {
        validation.set_audience(&[audience]);
        required.push(("aud", OptionalClaim::Audience));
    }
    required.retain(|(_, claim)| !rules.optional.contains(claim));
    let required: Vec<&str> = required.into_iter().map(|(name, _)| name).collect();
    validation.set_required_spec_claims(&required);
    validation
}

fn identity(claims: Claims, rules: &ClaimRules) -> Result<Identity, &'static str> {
    let user = match claims.user_id.or(claims.sub) {
        Some(Name::Text(text)) if !text.is_empty() => text,
        Some(Name::Number(number)) => number.to_string(),
        _ => return Err("no user_id and no sub"),
    };
    let permissions = match &rules.permissions {
        Some(named) => claims::all(&claims.others, named),
        None => claims::usual(&claims.others),
    };
    let permissions = permissions.ok_or("permissions that are neither a list nor a text")?;
    // A time beyond the range of i64 means that the token never expires.
    let end = |exp: f64| (exp.floor() as i64).saturating_add_unsigned(rules.leeway.as_secs());
    Ok(Identity { user, permissions, expires: claims.exp.map(end) })
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "wrong signature",
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not valid yet",
        ErrorKind::InvalidIssuer => "another issuer",
        ErrorKind::InvalidAudience => "another audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "another algorithm",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "malformed",
    }
}

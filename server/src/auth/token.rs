//! One token: from its text to an identity, or not.

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uringcast_engine::{Identity, TokenFault};

use super::claims;
use super::keys::{Key, Keys};
use crate::limits::LOGGED_CLAIM;
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
    iat: Option<f64>,
    jti: Option<Name>,
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

/// What a good token says of itself.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) identity: Identity,
    /// Its `jti`.
    pub(super) id: Option<String>,
}

/// Verifies a token with every key that may have signed it.
///
/// # Errors
/// Why it is refused, for the log. That gets no part of the token by which it could be used:
/// another service may accept it.
pub(super) fn verify(token: &str, keys: &Keys, rules: &ClaimRules) -> Result<Verified, TokenFault> {
    let unsigned = |why: &str| TokenFault { why: why.into(), user: None };
    let header = decode_header(token).map_err(|_| unsigned("malformed"))?;
    // RFC 7515, 4.1.11: a token with a critical header that is not understood is refused.
    if header.crit.is_some() {
        return Err(unsigned("critical header"));
    }
    let mut fault = no_key(&header);
    for key in keys.candidates(header.kid.as_deref(), header.alg) {
        match decode::<Claims>(token, &key.key, &validation(key, rules)) {
            Ok(data) => return verified(data.claims, rules),
            // The signature is checked before the claims: this is the key, and no other will do.
            Err(error) if is_about_claims(error.kind()) => {
                return Err(about_claims(token, error.kind(), rules));
            }
            Err(error) => fault = unsigned(reason(error.kind())),
        }
    }
    Err(fault)
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

fn verified(claims: Claims, rules: &ClaimRules) -> Result<Verified, TokenFault> {
    let name = |name| match name {
        Some(Name::Text(text)) if !text.is_empty() => Some(text),
        Some(Name::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let Some(user) = name(claims.user_id.or(claims.sub)) else {
        return Err(TokenFault { why: "no user_id and no sub".into(), user: None });
    };
    let permissions = match &rules.permissions {
        Some(named) => claims::all(&claims.others, named),
        None => claims::usual(&claims.others),
    };
    let Some(permissions) = permissions else {
        let why = "permissions that are neither a list nor a text".into();
        return Err(TokenFault { why, user: Some(user) });
    };
    // A time beyond the range of i64 means that the token never expires.
    let end = |exp: f64| (exp.floor() as i64).saturating_add_unsigned(rules.leeway.as_secs());
    let issued = claims.iat.map(|iat| iat.floor() as i64);
    let identity =
        Identity { user, permissions, expires: claims.exp.map(end), token: None, issued };
    Ok(Verified { identity, id: name(claims.jti) })
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "wrong signature",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "another algorithm",
        _ => "malformed",
    }
}

/// No key has the token's `kid` and algorithm.
fn no_key(header: &Header) -> TokenFault {
    let kid = header.kid.as_deref().map(|kid| format!(" and kid {}", shown(&json!(kid))));
    let why = format!("no key of algorithm {:?}{}", header.alg, kid.unwrap_or_default());
    TokenFault { why, user: None }
}

/// Whether the signature was found good.
fn is_about_claims(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ExpiredSignature
            | ErrorKind::ImmatureSignature
            | ErrorKind::InvalidIssuer
            | ErrorKind::InvalidAudience
            | ErrorKind::MissingRequiredClaim(_)
            | ErrorKind::InvalidClaimFormat(_)
    )
}

/// What is wrong with the claims of a token with a good signature.
fn about_claims(token: &str, kind: &ErrorKind, rules: &ClaimRules) -> TokenFault {
    let claims: Map<String, Value> = insecure_decode(token).map(|t| t.claims).unwrap_or_default();
    let claim = |name: &str| claims.get(name).map_or_else(|| "none".into(), shown);
    let time = |name: &str| {
        let second = claims.get(name).and_then(Value::as_f64).map(|second| second.floor() as i64);
        let time = second.and_then(|second| Timestamp::from_second(second).ok());
        time.map_or_else(|| claim(name), |time| time.to_string())
    };
    let wanted = |setting: &str, value: Option<&String>| match value {
        Some(value) => format!("{setting} is {value:?}"),
        None => format!("{setting} is not set"),
    };
    let why = match kind {
        ErrorKind::ExpiredSignature => format!("expired since {}", time("exp")),
        ErrorKind::ImmatureSignature => format!("not valid before {}", time("nbf")),
        ErrorKind::InvalidIssuer => {
            format!("its iss is {}, {}", claim("iss"), wanted("jwt_issuer", rules.issuer.as_ref()))
        }
        ErrorKind::InvalidAudience => {
            let wanted = wanted("jwt_audience", rules.audience.as_ref());
            format!("its aud is {}, {wanted}", claim("aud"))
        }
        ErrorKind::MissingRequiredClaim(name) => format!("it has no claim {name}"),
        ErrorKind::InvalidClaimFormat(name) => format!("its claim {name} is of another type"),
        kind => reason(kind).into(),
    };
    let user = ["user_id", "sub"].into_iter().find_map(|name| match claims.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    TokenFault { why, user }
}

/// A value as JSON, cut to what a line may have of it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LOGGED_CLAIM) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

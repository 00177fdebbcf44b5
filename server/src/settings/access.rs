//! Settings of authentication and permissions, as they are written.

use jsonwebtoken::Algorithm;
use uringcast_engine::{AuthMode, ChannelPattern, Rule};

use super::value::{Choice, Invalid, Value, invalid, is_plain, quoted};

impl Choice for AuthMode {
    const WORDS: &'static str = "true|false|optional";
    const ALL: &'static [Self] = &[AuthMode::Required, AuthMode::Off, AuthMode::Optional];

    fn alias(word: &str) -> Option<Self> {
        match bool::parse(word) {
            Ok(true) => Some(AuthMode::Required),
            Ok(false) => Some(AuthMode::Off),
            Err(_) => word.eq_ignore_ascii_case("required").then_some(AuthMode::Required),
        }
    }
}

impl Choice for Algorithm {
    const WORDS: &'static str = "HS256|HS384|HS512|RS256|PS256|ES256|EdDSA";
    const ALL: &'static [Self] = &[
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ];
}

/// A claim that a token must have, unless the settings make it optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionalClaim {
    /// When it expires.
    Expiry,
    /// Its issuer, where `jwt_issuer` is set.
    Issuer,
    /// Its audience, where `jwt_audience` is set.
    Audience,
}

impl Choice for OptionalClaim {
    const WORDS: &'static str = "exp|iss|aud";
    const ALL: &'static [Self] =
        &[OptionalClaim::Expiry, OptionalClaim::Issuer, OptionalClaim::Audience];
}

/// The channels before the first `=` of a rule, and what stands behind it. `form` is the remedy.
pub(super) fn split_pattern<'a>(
    text: &'a str,
    form: &str,
) -> Result<(ChannelPattern, &'a str), Invalid> {
    let (pattern, rest) = text.split_once('=').ok_or_else(|| invalid("has no =", form))?;
    let channels = ChannelPattern::parse(pattern.trim())
        .map_err(|error| invalid(format!("has a pattern that {error}"), form))?;
    Ok((channels, rest.trim()))
}

/// Channels and the permission they need: `workflow:*=workflow:read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission(pub Rule);

impl Value for Permission {
    const HINT: &'static str = "PATTERN=PERMISSION";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "Write such as workflow:*=workflow:read; * alone stands for all channels.";
        let (channels, permission) = split_pattern(text, form)?;
        let foreign = |c: char| c == '=' || c.is_control() || c.is_whitespace();
        if permission.is_empty() || permission.contains(foreign) {
            return Err(invalid("names no permission behind its first =", form));
        }
        Ok(Permission(Rule { channels, permission: permission.into() }))
    }

    fn show(&self) -> Option<String> {
        quoted(&format!("{}={}", self.0.channels, self.0.permission))
    }
}

/// An origin as browsers send it (RFC 6454, 6.2), or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub String);

impl Value for Origin {
    const HINT: &'static str = "ORIGIN";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let good = host.is_some_and(|host| is_plain(host, b"-._:[]"));
        let standard = text.starts_with("https://") && text.ends_with(":443")
            || text.starts_with("http://") && text.ends_with(":80");
        if text == "*" || good && !standard {
            return Ok(Origin(text));
        }
        let remedy = "Write it as browsers do, such as https://app.example.com or \
                      http://localhost:3000, without a path and without a standard port.";
        Err(invalid("is not an origin", remedy))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// A subprotocol that is agreed to: a token of HTTP (RFC 6455, 4.1; RFC 9110, 5.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subprotocol(pub String);

impl Value for Subprotocol {
    const HINT: &'static str = "NAME";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let remedy = "Write it as clients do, such as uringcast.v1.";
        if !is_plain(text, b"!#$%&'*+-.^_`|~") {
            return Err(invalid("is not the name of a subprotocol", remedy));
        }
        if text.starts_with("bearer.") {
            return Err(invalid("begins as the offer with a token does", remedy));
        }
        Ok(Subprotocol(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

#[cfg(test)]
mod tests;

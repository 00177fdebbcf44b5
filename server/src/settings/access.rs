//! Settings of who may connect and what they may do, as they are written.

use jsonwebtoken::Algorithm;
use uringcast_engine::{AuthMode, ChannelPattern, Rule};

use super::value::{Choice, Invalid, Value, invalid, quoted};

impl Choice for AuthMode {
    const WORDS: &'static str = "true|false|optional";
    const ALL: &'static [(&'static str, Self)] = &[
        ("true", AuthMode::Required),
        ("false", AuthMode::Off),
        ("optional", AuthMode::Optional),
        ("required", AuthMode::Required),
        ("1", AuthMode::Required),
        ("yes", AuthMode::Required),
        ("on", AuthMode::Required),
        ("0", AuthMode::Off),
        ("no", AuthMode::Off),
        ("off", AuthMode::Off),
    ];
}

impl Choice for Algorithm {
    const WORDS: &'static str = "HS256|HS384|HS512|RS256|PS256|ES256|EdDSA";
    const ALL: &'static [(&'static str, Self)] = &[
        ("HS256", Algorithm::HS256),
        ("HS384", Algorithm::HS384),
        ("HS512", Algorithm::HS512),
        ("RS256", Algorithm::RS256),
        ("PS256", Algorithm::PS256),
        ("ES256", Algorithm::ES256),
        ("EdDSA", Algorithm::EdDSA),
    ];
}

/// A claim that a token must have, unless the settings make it optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionalClaim {
    /// When it expires.
    Expiry,
    /// Who made it, where `jwt_issuer` says who must have.
    Issuer,
    /// Whom it is for, where `jwt_audience` says who that must be.
    Audience,
}

impl Choice for OptionalClaim {
    const WORDS: &'static str = "exp|iss|aud";
    const ALL: &'static [(&'static str, Self)] = &[
        ("exp", OptionalClaim::Expiry),
        ("iss", OptionalClaim::Issuer),
        ("aud", OptionalClaim::Audience),
    ];
}

/// Channels and the permission they need: `workflow:=workflow:read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission(pub Rule);

impl Value for Permission {
    const HINT: &'static str = "PATTERN=PERMISSION";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let form = "Write such as workflow:=workflow:read; * stands for all channels.";
        let Some((pattern, permission)) = text.split_once('=') else {
            return Err(invalid("has no =", form));
        };
        let channels = ChannelPattern::parse(pattern.trim())
            .map_err(|error| invalid(format!("has a pattern that {error}"), form))?;
        let permission = permission.trim();
        if permission.is_empty() || permission.chars().any(char::is_control) {
            return Err(invalid("names no permission", form));
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
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        let good = host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_write_them() {
        for (text, is) in [
            ("https://App.example.com/", Some("https://app.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://[::1]:80/x", None),
            ("*", Some("*")),
            ("*.example.com", None),
            ("https://*.example.com", None),
            ("https://example.com:443", None),
            ("example.com", None),
            ("null", None),
            ("https://", None),
        ] {
            let parsed = Origin::parse(text).ok().map(|origin| origin.0);
            assert_eq!(parsed.as_deref(), is, "{text}");
        }
    }

    #[test]
    fn a_permission_is_split_at_the_first_equals_sign() {
        let Permission(rule) = Permission::parse("workflow:=workflow:read").unwrap();
        assert_eq!((rule.channels.as_str(), &*rule.permission), ("workflow:", "workflow:read"));
        for text in ["workflow:", "=read", "a=", "a=\u{1}"] {
            assert!(Permission::parse(text).is_err(), "{text:?}");
        }
    }
}

//! The identity of a client, from its verified token.

/// The claims of a good token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The `user_id` of the reply.
    pub user: String,
    /// Permissions by name; those that no rule of the service names grant nothing.
    pub permissions: Vec<String>,
    /// When the token stops to be good: seconds since 1970-01-01 UTC.
    pub expires: Option<i64>,
    /// What distinguishes the token from others, such as a hash of its `jti`.
    pub token: Option<u64>,
    /// When the token was issued: seconds since 1970-01-01 UTC.
    pub issued: Option<i64>,
}

/// Tokens that count no more; a token that fits everything given here is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedTokens {
    /// Those of this user.
    pub user: Option<String>,
    /// The one with this [`Identity::token`].
    pub token: Option<u64>,
    /// Those issued before this second since 1970-01-01 UTC, and those that do not say.
    pub issued_before: Option<i64>,
}

impl RevokedTokens {
    /// Whether a token with these claims is one of them.
    pub fn mean(&self, user: &str, token: Option<u64>, issued: Option<i64>) -> bool {
        self.user.as_ref().is_none_or(|of| of == user)
            && self.token.is_none_or(|id| token == Some(id))
            && self.issued_before.is_none_or(|at| issued.is_none_or(|issued| issued < at))
    }
}

/// Why a token is refused, for the log. It must hold nothing by which the token could be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFault {
    /// In words; empty where the verifier does not say.
    pub why: String,
    /// The user of the token, where its signature is good.
    pub user: Option<String>,
}

/// Why there is no identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// A bad or expired token.
    Invalid(Box<TokenFault>),
    /// Too many tokens wait for verification, or the verifier has ended.
    Overload,
}

impl AuthError {
    /// A bad token, without a reason.
    pub fn invalid() -> AuthError {
        AuthError::Invalid(Box::default())
    }
}

/// The answer to a token.
pub type Verdict = Result<Identity, AuthError>;

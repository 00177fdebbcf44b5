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
}

/// Why there is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// A bad or expired token.
    Invalid,
    /// Too many tokens wait for verification, or the verifier has ended.
    Overload,
}

/// The answer to a token.
pub type Verdict = Result<Identity, AuthError>;

//! The token of each client.

use std::path::Path;
use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value};

use crate::credentials::Credentials;
use crate::error::OperatorError;

/// Life of a token that this tool signs, in seconds.
const LIFE: u64 = 3600;

type Signer = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;

/// Private keys, each with its algorithm, in the order they are tried.
const PRIVATE_KEYS: [(Algorithm, Signer); 3] = [
    (Algorithm::RS256, EncodingKey::from_rsa_pem),
    (Algorithm::ES256, EncodingKey::from_ec_pem),
    (Algorithm::EdDSA, EncodingKey::from_ed_pem),
];

/// Where tokens come from. Holds secrets: `Debug` shows none of them.
#[derive(Clone, Default)]
pub(crate) enum Tokens {
    #[default]
    None,
    /// Client k has the k-th, and so on from the first again. Never empty.
    Listed(Vec<String>),
    Signed {
        algorithm: Algorithm,
        key: EncodingKey,
        /// JSON with `{client}` in it.
        claims: String,
    },
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Listed(_) => "Listed",
            Self::Signed { .. } => "Signed",
        })
    }
}

impl Tokens {
    /// Reads the files that the flags name.
    ///
    /// # Errors
    /// Names the flag and the remedy, and never a token or a key.
    pub(crate) fn resolve(flags: &Credentials) -> Result<Self, OperatorError> {
        if let Some(token) = &flags.token {
            return listed("--token", std::iter::once(token.as_str()));
        }
        if let Some(path) = &flags.token_file {
            let text = read("--token-file", path)?;
            let text = String::from_utf8(text).map_err(|_| {
                let path = path.display();
                OperatorError(format!("--token-file {path}: is no text; write one token a line"))
            })?;
            return listed(&format!("--token-file {}", path.display()), text.lines());
        }
        let Some(path) = &flags.token_key else { return Ok(Self::None) };
        let (algorithm, key) = signer(&read("--token-key", path)?).ok_or_else(|| {
            let remedy = "give a shared secret, or a private key of RSA, P-256 or Ed25519 as PEM";
            OperatorError(format!("--token-key {}: is neither; {remedy}", path.display()))
        })?;
        let tokens = Self::Signed { algorithm, key, claims: flags.token_claims.clone() };
        // A mistake shows before the first client connects.
        tokens.sign(0)?;
        Ok(tokens)
    }

    /// Whether clients have one.
    pub(crate) fn are_given(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The token of a client.
    pub(crate) fn of(&self, client: u32) -> Option<String> {
        match self {
            Self::None => None,
            Self::Listed(tokens) => Some(tokens[client as usize % tokens.len()].clone()),
            // What one client could be given was tried; only the number is another.
            Self::Signed { .. } => self.sign(client).ok(),
        }
    }

    /// The header that shows a client's token, or nothing.
    pub(crate) fn header(&self, client: u32) -> String {
        let token = self.of(client);
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default()
    }

    fn sign(&self, client: u32) -> Result<String, OperatorError> {
        let bad = |what: String| OperatorError(format!("--token-claims: {what}"));
        let Self::Signed { algorithm, key, claims } = self else { return Ok(String::new()) };
        let text = claims.replace("{client}", &client.to_string());
        let mut claims: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| bad(format!("{error}; write a JSON object like {{\"sub\":\"x\"}}")))?;
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        claims.entry("iat").or_insert_with(|| now.into());
        claims.entry("exp").or_insert_with(|| (now + LIFE).into());
        encode(&Header::new(*algorithm), &claims, key)
            .map_err(|_| bad("cannot be signed; is the key whole?".into()))
    }
}

fn listed<'a>(from: &str, lines: impl Iterator<Item = &'a str>) -> Result<Tokens, OperatorError> {
    let tokens: Vec<String> =
        lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let fits = |token: &String| token.bytes().all(|byte| byte.is_ascii_graphic());
    match tokens.iter().all(fits) {
        true if tokens.is_empty() => {
            Err(OperatorError(format!("{from}: holds no token; write one a line")))
        }
        true => Ok(Tokens::Listed(tokens)),
        false => Err(OperatorError(format!(
            "{from}: a token has a character that no header can carry; is it the right file?"
        ))),
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, OperatorError> {
    std::fs::read(path).map_err(|error| {
        OperatorError(format!("{flag} {}: {error}; name a readable file", path.display()))
    })
}

fn signer(bytes: &[u8]) -> Option<(Algorithm, EncodingKey)> {
    if bytes.starts_with(b"-----BEGIN") {
        let private = |(algorithm, read): (Algorithm, Signer)| Some((algorithm, read(bytes).ok()?));
        return PRIVATE_KEYS.into_iter().find_map(private);
    }
    let secret = bytes.trim_ascii();
    (!secret.is_empty()).then(|| (Algorithm::HS256, EncodingKey::from_secret(secret)))
}

#[cfg(test)]
mod tests;

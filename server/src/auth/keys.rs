//! Keys that signatures are checked against. The key determines the algorithms that are accepted;
//! the header of a token never does.

use jsonwebtoken::AlgorithmFamily::{Ec, Hmac, Rsa};
use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::limits::{MAX_JWKS_KEYS, MAX_KEY_TRIES, MIN_JWT_SECRET};
use crate::settings::value::Choice;

/// Bytes of the modulus of a 2048-bit RSA key: what the cryptography takes at least.
const RSA_BYTES: usize = 256;
/// Bytes of an uncompressed point of P-256.
const P256_POINT: usize = 65;

/// Parts of secrets that occur in examples, documentation and development defaults.
const WELL_KNOWN: [&str; 9] = [
    "dev-secret",
    "dev_secret",
    "change-me",
    "changeme",
    "change-in-production",
    "change_this",
    "your-secret",
    "your-256-bit",
    "a-string-secret-at-least",
];

/// Why some bytes give no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM file with a public key in it.
    #[error("holds no public key in PEM form (RSA, EC P-256 or Ed25519)")]
    NotPem,
    /// An RSA key under 2048 bits.
    #[error("holds an RSA key of fewer than 2048 bits")]
    Weak,
    /// An elliptic curve other than P-256.
    #[error("holds a key of another curve than P-256")]
    Curve,
    /// A shared secret that is easy to guess, on a service that other machines reach.
    #[error("holds a secret that is well known, or shorter than {MIN_JWT_SECRET} bytes")]
    Guessable,
    /// The setting leaves no algorithm for it.
    #[error("holds a key for which jwt_algorithms leaves no algorithm")]
    Unused,
    /// No JWK Set.
    #[error("is no JWK Set: {0}")]
    NotJwks(String),
    /// A JWK Set without a usable key.
    #[error("has no key that can verify signatures")]
    NoKeys,
    /// More keys than an issuer uses.
    #[error("has more than {MAX_JWKS_KEYS} keys")]
    TooMany,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) key: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

/// A set of keys, and the algorithms that are allowed at all.
#[derive(Clone, Debug)]
pub struct Keys {
    keys: Vec<Key>,
    allowed: Vec<Algorithm>,
    /// Whether clients connect from other machines, so that a shared secret must be hard to guess.
    exposed: bool,
}

impl Keys {
    /// No keys yet. Only these algorithms will be used; `None` for all that are supported.
    /// Where clients on other machines may send tokens (`exposed`), a shared secret must be hard to
    /// guess.
    pub fn new(allowed: Option<Vec<Algorithm>>, exposed: bool) -> Keys {
        let allowed = allowed.unwrap_or_else(|| Algorithm::ALL.to_vec());
        Keys { keys: Vec::new(), allowed, exposed }
    }

    /// Adds a shared secret: HS256, HS384, HS512.
    ///
    /// # Errors
    /// [`KeyError::Unused`], [`KeyError::Guessable`].
    pub fn add_secret(&mut self, secret: &str) -> Result<(), KeyError> {
        self.add(None, DecodingKey::from_secret(secret.as_bytes()), None)
    }

    /// Adds a public key in PEM form.
    ///
    /// # Errors
    /// [`KeyError`] when there is none that can be used.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), KeyError> {
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem))
            .map_err(|_| KeyError::NotPem)?;
        self.add(None, key, None)
    }

    /// The keys of a JWK Set, under the rules that these are under. Keys for other purposes and of
    /// other kinds are passed over.
    ///
    /// # Errors
    /// [`KeyError`] when no key is left, or one is a secret that is easy to guess.
    pub fn jwks(&self, text: &[u8]) -> Result<Keys, KeyError> {
        // Its Display could quote the file, which may hold a secret.
        let place = |e: serde_json::Error| format!("line {} column {}", e.line(), e.column());
        let set: JwkSet =
            serde_json::from_slice(text).map_err(|error| KeyError::NotJwks(place(error)))?;
        if set.keys.len() > MAX_JWKS_KEYS {
            return Err(KeyError::TooMany);
        }
        let mut keys = Keys { keys: Vec::new(), ..self.clone() };
        for jwk in &set.keys {
            match keys.add_jwk(jwk) {
                Ok(()) => {}
                // A guessable secret gives no protection, though its operator relies on it.
                Err(KeyError::Guessable) => return Err(KeyError::Guessable),
                Err(error) => {
                    let kid = jwk.common.key_id.as_deref().unwrap_or("-");
                    tracing::warn!(kid, "a key of jwks_file is passed over: it {error}");
                }
            }
        }
        if keys.keys.is_empty() { Err(KeyError::NoKeys) } else { Ok(keys) }
    }

    fn add_jwk(&mut self, jwk: &Jwk) -> Result<(), KeyError> {
        let usage = jwk.common.public_key_use.as_ref();
        let for_signatures = usage.is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let curve = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(ec) => Some((&ec.curve, EllipticCurve::P256)),
            AlgorithmParameters::OctetKeyPair(ed) => Some((&ed.curve, EllipticCurve::Ed25519)),
            _ => None,
        };
        if curve.is_some_and(|(is, must)| *is != must) {
            return Err(KeyError::Curve);
        }
        let key = DecodingKey::from_jwk(jwk).map_err(|_| KeyError::NoKeys)?;
        // An unknown algorithm leaves none.
        let only = jwk.common.key_algorithm.map(|alg| Algorithm::try_from(alg).ok());
        if !for_signatures || only == Some(None) {
            return Err(KeyError::NoKeys);
        }
        self.add(jwk.common.key_id.clone(), key, only.flatten())
    }

    fn add(
        &mut self,
        id: Option<String>,
        key: DecodingKey,
        only: Option<Algorithm>,
    ) -> Result<(), KeyError> {
        let family = key.family();
        match (family, key.kind()) {
            (Rsa, SecretOrDer(n) | RsaModulusExponent { n, .. }) if n.len() < RSA_BYTES => {
                return Err(KeyError::Weak);
            }
            (Ec, SecretOrDer(point)) if point.len() != P256_POINT => return Err(KeyError::Curve),
            _ => {}
        }
        let fits = |algorithm: &Algorithm| {
            family.algorithms().contains(algorithm) && only.is_none_or(|only| only == *algorithm)
        };
        let algorithms: Vec<_> = self.allowed.iter().copied().filter(fits).collect();
        if algorithms.is_empty() {
            return Err(KeyError::Unused);
        }
        if let (Hmac, SecretOrDer(secret)) = (family, key.kind())
            && self.exposed
            && is_guessable(secret)
        {
            return Err(KeyError::Guessable);
        }
        self.keys.push(Key { id, key, algorithms });
        Ok(())
    }

    /// Takes in the keys of another set.
    pub(super) fn extend(&mut self, other: Keys) {
        self.keys.extend(other.keys);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token: those with its `kid`, else those without any; few,
    /// since each costs a verification. A token without `kid` may be of any.
    pub(super) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        let known = kid.is_some() && self.keys.iter().any(|key| key.id.as_deref() == kid);
        let fits = move |key: &&Key| match kid {
            Some(_) if known => key.id.as_deref() == kid,
            Some(_) => key.id.is_none(),
            None => true,
        };
        let usable = move |key: &&Key| key.algorithms.contains(&algorithm);
        self.keys.iter().filter(fits).filter(usable).take(MAX_KEY_TRIES)
    }
}

/// Whether a secret is easy to guess. RFC 7518, 3.2 requires as many bytes as the hash has.
fn is_guessable(secret: &[u8]) -> bool {
    let text = secret.to_ascii_lowercase();
    let mut letters = text.clone();
    letters.sort_unstable();
    letters.dedup();
    let holds = |known: &&str| text.windows(known.len()).any(|part| part == known.as_bytes());
    text.len() < MIN_JWT_SECRET || letters.len() < 8 || WELL_KNOWN.iter().any(holds)
}

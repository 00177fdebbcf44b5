//! Tokens of every kind that must be refused, and of every algorithm that must not.

mod reasons;

use std::io::Write;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::*;
use crate::settings::access::OptionalClaim;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An issuer's key pair, and what it signs with.
struct Issuer {
    public: String,
    /// The key itself.
    raw: Vec<u8>,
    key: EncodingKey,
    algorithms: &'static [Algorithm],
}

fn issuers() -> Vec<Issuer> {
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let pem = |pair: &KeyPair| pair.serialize_pem().into_bytes();
    let public = KeyPair::public_key_pem;
    vec![
        Issuer {
            public: public(&rsa),
            raw: rsa.public_key_raw().into(),
            key: EncodingKey::from_rsa_pem(&pem(&rsa)).unwrap(),
            algorithms: &[Algorithm::RS256, Algorithm::PS256],
        },
        Issuer {
            public: public(&ec),
            raw: ec.public_key_raw().into(),
            key: EncodingKey::from_ec_pem(&pem(&ec)).unwrap(),
            algorithms: &[Algorithm::ES256],
        },
        Issuer {
            public: public(&ed),
            raw: ed.public_key_raw().into(),
            key: EncodingKey::from_ed_pem(&pem(&ed)).unwrap(),
            algorithms: &[Algorithm::EdDSA],
        },
    ]
}

fn claims() -> Value {
    json!({"user_id": "u1", "permissions": ["a", "b"], "exp": get_current_timestamp() + 60})
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[key] = value.into();
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(Into::into), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

fn signed(claims: &Value) -> String {
    sign(Algorithm::HS256, None, claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}

fn with_secret() -> Verifier {
    demanding(None, None)
}

fn demanding(issuer: Option<&str>, audience: Option<&str>) -> Verifier {
    let mut keys = Keys::new(None, false);
    keys.add_secret(SECRET).unwrap();
    let (issuer, audience) = (issuer.map(Into::into), audience.map(Into::into));
    Verifier::new(keys, None, ClaimRules { issuer, audience, ..ClaimRules::default() }).unwrap()
}

fn with_pem(pem: &str) -> Verifier {
    let mut keys = Keys::new(None, false);
    keys.add_pem(pem.as_bytes()).unwrap();
    Verifier::new(keys, None, ClaimRules::default()).unwrap()
}

/// Base64url without padding.
fn b64(bytes: impl AsRef<[u8]>) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.as_ref().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    out
}

#[test]
fn bad_tokens_are_refused() {
    let (now, good) = (get_current_timestamp(), signed(&claims()));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let none = format!("{}.{}.", b64(r#"{"alg":"none","typ":"JWT"}"#), b64(claims().to_string()));
    let crit = r#"{"alg":"HS256","typ":"JWT","crit":["b64"],"b64":true}"#;
    let (head, rest) = good.split_once('.').unwrap();
    let other = EncodingKey::from_secret(b"another secret, as long as the first");
    let table = [
        ("expired", signed(&with("exp", now - 1))),
        ("expired an hour ago", signed(&with("exp", now - 3_600))),
        ("not valid yet", signed(&with("nbf", now + 30))),
        ("no expiry", signed(&without("exp"))),
        ("expiry is text", signed(&with("exp", "tomorrow"))),
        ("negative expiry", signed(&with("exp", -1))),
        ("nbf is text", signed(&with("nbf", "today"))),
        ("nobody's", signed(&without("user_id"))),
        ("user is a list", signed(&with("user_id", json!(["u"])))),
        ("user is empty", signed(&with("user_id", ""))),
        ("permissions are a number", signed(&with("permissions", 7))),
        ("for another audience", signed(&with("aud", "others"))),
        ("its audience is a number", signed(&with("aud", 5))),
        ("its audience is an object", signed(&with("aud", json!({})))),
        ("its audience is a list of numbers", signed(&with("aud", json!([1])))),
        ("its audience is an empty list", signed(&with("aud", json!([])))),
        ("claims are a list", signed(&json!([1]))),
        ("algorithm none", none.clone()),
        ("algorithm none with a signature", format!("{none}{}", &good[good.len() - 43..])),
        ("header is not base64", format!("!{head}.{rest}")),
        ("critical header", format!("{}.{rest}", b64(crit))),
        ("truncated", good[..good.len() - 1].into()),
        ("without signature", good[..good.rfind('.').unwrap() + 1].into()),
        ("two parts", good[..good.rfind('.').unwrap()].into()),
        ("four parts", format!("{good}.x")),
        ("empty", String::new()),
        ("dots", "..".into()),
        ("wrong key", sign(Algorithm::HS256, None, &claims(), &other)),
        ("spaces around it", format!(" {good} ")),
        ("claims of another", {
            let body = b64(with("user_id", "admin").to_string());
            format!("{head}.{body}.{}", good.rsplit('.').next().unwrap())
        }),
    ];
    let verifier = with_secret();
    for (what, token) in &table {
        assert!(verifier.verify(token).is_err(), "{what}: {token}");
    }
    assert!(verifier.verify(&good).is_ok());
    assert!(verifier.verify(&sign(Algorithm::HS512, Some("x"), &claims(), &key)).is_ok());
}

#[test]
fn every_algorithm_opens_with_its_own_key_and_no_other() {
    let issuers = issuers();
    for issuer in &issuers {
        let verifier = with_pem(&issuer.public);
        for signer in &issuers {
            for &algorithm in signer.algorithms {
                let token = sign(algorithm, None, &claims(), &signer.key);
                let good = std::ptr::eq(signer, issuer);
                assert_eq!(verifier.verify(&token).is_ok(), good, "{algorithm:?}");
            }
        }
        // Algorithm confusion: the public key, which is no secret, as a shared secret.
        for secret in [issuer.public.as_str(), issuer.public.trim_end()] {
            let key = EncodingKey::from_secret(secret.as_bytes());
            let forged = sign(Algorithm::HS256, None, &claims(), &key);
            assert!(verifier.verify(&forged).is_err());
        }
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        assert!(with_secret().verify(&sign(algorithm, None, &claims(), &key)).is_ok());
    }
}

#[test]
fn only_the_algorithms_that_are_allowed_are_used() {
    let rsa = &issuers()[0];
    let mut keys = Keys::new(Some(vec![Algorithm::PS256]), false);
    keys.add_pem(rsa.public.as_bytes()).unwrap();
    assert_eq!(keys.add_secret(SECRET), Err(KeyError::Unused));
    let verifier = Verifier::new(keys, None, ClaimRules::default()).unwrap();
    for (algorithm, good) in [(Algorithm::PS256, true), (Algorithm::RS256, false)] {
        let token = sign(algorithm, None, &claims(), &rsa.key);
        assert_eq!(verifier.verify(&token).is_ok(), good, "{algorithm:?}");
    }
}

#[test]
fn the_family_s_claims_and_oauth_s_are_understood() {
    for (claims, user, permissions) in [
        (json!({"user_id": "u", "permissions": ["a b", "c"]}), "u", vec!["a b", "c"]),
        (json!({"sub": "s", "scopes": ["a"]}), "s", vec!["a"]),
        (json!({"sub": "s", "user_id": "u", "scopes": "a  b"}), "u", vec!["a", "b"]),
        (json!({"user_id": 7, "permissions": null, "scopes": null}), "7", vec![]),
    ] {
        let mut claims = claims;
        claims["exp"] = (get_current_timestamp() + 60).into();
        let permissions: Vec<String> = permissions.into_iter().map(Into::into).collect();
        let found = with_secret().verify(&signed(&claims)).unwrap().identity;
        assert_eq!((found.user.as_str(), found.permissions), (user, permissions), "{claims}");
    }
}

#[test]
fn the_permissions_of_other_issuers_are_understood() {
    let permissions = |rules: ClaimRules, claims: &Value| {
        let mut keys = Keys::new(None, false);
        keys.add_secret(SECRET).unwrap();
        let verified = Verifier::new(keys, None, rules).unwrap().verify(&signed(claims)).ok();
        verified.map(|verified| verified.identity.permissions.join(" "))
    };
    let mut keycloak = json!({"sub": "s", "scope": "openid publish"});
    keycloak["realm_access"] = json!({"roles": ["editor"]});
    keycloak["exp"] = (get_current_timestamp() + 60).into();
    let usual = permissions(ClaimRules::default(), &keycloak);
    assert_eq!(usual.as_deref(), Some("openid publish"));
    let named = Some(vec!["realm_access.roles".into()]);
    let rules = ClaimRules { permissions: named, ..ClaimRules::default() };
    assert_eq!(permissions(rules.clone(), &keycloak).as_deref(), Some("editor"));
    keycloak["realm_access"] = json!({"roles": 7});
    assert_eq!(permissions(rules, &keycloak), None);
}

#[test]
fn a_leeway_moves_the_ends_of_a_token_s_life() {
    let verdict = |leeway, claims: &Value| {
        let mut keys = Keys::new(None, false);
        keys.add_secret(SECRET).unwrap();
        let rules =
            ClaimRules { leeway: std::time::Duration::from_secs(leeway), ..Default::default() };
        Verifier::new(keys, None, rules).unwrap().verify(&signed(claims))
    };
    let now = get_current_timestamp();
    let late = with("exp", now - 30);
    assert!(verdict(0, &late).is_err());
    // The engine closes the connection at this time: not at once.
    assert_eq!(verdict(300, &late).unwrap().identity.expires, Some(now as i64 + 270));
    assert!(verdict(0, &with("nbf", now + 30)).is_err());
    assert!(verdict(300, &with("nbf", now + 30)).is_ok());
}

#[test]
fn issuer_and_audience_are_demanded_where_they_are_set() {
    let verifier = demanding(Some("me"), Some("here"));
    let token = |issuer: Value, audience: Value| {
        let mut claims = claims();
        (claims["iss"], claims["aud"]) = (issuer, audience);
        signed(&claims)
    };
    for (issuer, audience, good) in [
        (json!("me"), json!("here"), true),
        (json!("me"), json!(["there", "here"]), true),
        (json!("me"), json!("there"), false),
        (json!("me"), Value::Null, false),
        (json!("you"), json!("here"), false),
        (Value::Null, json!("here"), false),
    ] {
        let token = token(issuer.clone(), audience.clone());
        assert_eq!(verifier.verify(&token).is_ok(), good, "{issuer} {audience}");
    }
}

#[test]
fn a_claim_that_may_be_absent_must_still_be_right() {
    let mut keys = Keys::new(None, false);
    keys.add_secret(SECRET).unwrap();
    let optional = vec![OptionalClaim::Expiry, OptionalClaim::Issuer, OptionalClaim::Audience];
    let (issuer, audience) = (Some("me".into()), Some("me".into()));
    let verifier = Verifier::new(
        keys,
        None,
        ClaimRules { issuer, audience, optional, ..ClaimRules::default() },
    )
    .unwrap();
    let past = get_current_timestamp() - 1;
    for (claims, good) in [
        (json!({"sub": "s", "iss": "me", "aud": "me", "scopes": ["read"]}), true),
        (claims(), true),
        (json!({"sub": "s", "iss": "me", "aud": "you"}), false),
        (json!({"sub": "s", "iss": "you"}), false),
        (json!({"sub": "s", "iss": 5}), false),
        (json!({"sub": "s", "aud": {"me": true}}), false),
        (json!({"sub": "s", "exp": past}), false),
        (json!({"sub": "s", "exp": "never"}), false),
    ] {
        assert_eq!(verifier.verify(&signed(&claims)).is_ok(), good, "{claims}");
    }
    let never = verifier.verify(&signed(&json!({"sub": "s"}))).unwrap();
    assert_eq!(never.identity.expires, None);
}

fn jwk(issuer: &Issuer, kid: &str) -> Jwk {
    let mut jwk = Jwk::from_encoding_key(&issuer.key, issuer.algorithms[0]).unwrap();
    jwk.common.key_id = Some(kid.into());
    jwk
}

#[test]
fn a_jwks_file_is_read_again_and_its_kid_decides() {
    let issuers = issuers();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(&issuers[2].raw)});
    let ed = serde_json::from_value(ed).unwrap();
    let set = JwkSet { keys: vec![jwk(&issuers[0], "old"), jwk(&issuers[1], "ec"), ed] };
    file.write_all(serde_json::to_string(&set).unwrap().as_bytes()).unwrap();
    let path = Some(file.path().into());
    let verifier = Verifier::new(Keys::new(None, false), path, ClaimRules::default()).unwrap();
    let token = |kid| sign(Algorithm::RS256, kid, &claims(), &issuers[0].key);
    assert!(verifier.verify(&token(Some("old"))).is_ok());
    assert!(verifier.verify(&token(None)).is_ok(), "of any key with its algorithm");
    assert!(verifier.verify(&token(Some("ed"))).is_err(), "of another key");
    assert!(verifier.verify(&token(Some("new"))).is_err(), "of no key");

    for (kid, issuer) in [("ec", &issuers[1]), ("ed", &issuers[2])] {
        let token = sign(issuer.algorithms[0], Some(kid), &claims(), &issuer.key);
        assert!(verifier.verify(&token).is_ok(), "{kid}");
    }

    // Replaced as a whole: tokens of the old key are no longer accepted.
    let set = JwkSet { keys: vec![jwk(&issuers[0], "new")] };
    let replace = |text: &str| {
        let mut next = tempfile::NamedTempFile::new_in(file.path().parent().unwrap()).unwrap();
        next.write_all(text.as_bytes()).unwrap();
        next.persist(file.path()).unwrap();
        verifier.reload(false);
    };
    replace(&serde_json::to_string(&set).unwrap());
    assert!(verifier.verify(&token(Some("new"))).is_ok());
    assert!(verifier.verify(&token(Some("old"))).is_err());
    for bad in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"EC"}]}"#] {
        replace(bad);
        assert!(verifier.verify(&token(Some("new"))).is_ok(), "{bad:?} must change nothing");
    }
}

#[test]
fn a_guessable_secret_in_a_jwks_file_read_again_changes_nothing() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let set = |secret: &str| {
        json!({"keys": [{"kty": "oct", "alg": "HS256", "k": b64(secret)}]}).to_string()
    };
    file.write_all(set(SECRET).as_bytes()).unwrap();
    let keys = Keys::new(None, true);
    let verifier = Verifier::new(keys, Some(file.path().into()), ClaimRules::default()).unwrap();
    std::fs::write(file.path(), set("dev-secret")).unwrap();
    verifier.reload(true);
    assert!(verifier.verify(&signed(&claims())).is_ok(), "the old key stays");
    let key = EncodingKey::from_secret(b"dev-secret");
    let guessed = sign(Algorithm::HS256, None, &claims(), &key);
    assert!(verifier.verify(&guessed).is_err(), "the new one is not taken");
}

#[test]
fn what_is_no_key_is_refused() {
    let mut keys = Keys::new(None, false);
    for text in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", SECRET] {
        assert!(keys.add_pem(text.as_bytes()).is_err(), "{text:?}");
    }
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(keys.add_pem(p384.public_key_pem().as_bytes()), Err(KeyError::Curve));
    assert!(keys.is_empty());
    let many: Vec<Value> = (0..=crate::limits::MAX_JWKS_KEYS)
        .map(|n| json!({"kty": "oct", "kid": n.to_string(), "k": b64(SECRET)}))
        .collect();
    let many = json!({ "keys": many }).to_string();
    assert_eq!(keys.jwks(many.as_bytes()).unwrap_err(), KeyError::TooMany);
    let other = json!({"keys": [{"kty": "oct", "use": "enc", "k": b64(SECRET)}]}).to_string();
    assert_eq!(keys.jwks(other.as_bytes()).unwrap_err(), KeyError::NoKeys);
}

use jsonwebtoken::{DecodingKey, Validation, decode};

use super::*;

fn flags(change: impl FnOnce(&mut Credentials)) -> Credentials {
    let mut flags = Credentials::default();
    change(&mut flags);
    flags
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn clients_take_the_lines_of_a_file_in_turn() {
    let file = file("first\r\n\n second \n");
    let tokens =
        Tokens::resolve(&flags(|flags| flags.token_file = Some(file.path().into()))).unwrap();
    let found: Vec<_> = (0..3).filter_map(|client| tokens.of(client)).collect();
    assert_eq!(found, ["first", "second", "first"]);
    assert_eq!(tokens.header(1), "Authorization: Bearer second\r\n");
    assert_eq!(Tokens::None.header(1), "");
}

#[test]
fn each_client_gets_claims_of_its_own() {
    let key = file("a secret of some length\n");
    let claims = r#"{"sub":"user-{client}","permissions":["subscribe:*"]}"#;
    let tokens = Tokens::resolve(&flags(|flags| {
        flags.token_key = Some(key.path().into());
        flags.token_claims = claims.into();
    }))
    .unwrap();
    let secret = DecodingKey::from_secret(b"a secret of some length");
    let read = |token: &str| decode::<Value>(token, &secret, &Validation::default()).unwrap();
    let found = read(&tokens.of(41).unwrap()).claims;
    assert_eq!(found["sub"], "user-41");
    assert_eq!(found["permissions"][0], "subscribe:*");
    assert_eq!(found["exp"].as_u64(), found["iat"].as_u64().map(|at| at + LIFE));
}

#[test]
fn private_keys_are_told_apart() {
    for (algorithm, name) in [
        (&rcgen::PKCS_ED25519, Algorithm::EdDSA),
        (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256),
    ] {
        let pem = rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_pem();
        assert_eq!(signer(pem.as_bytes()).unwrap().0, name);
    }
}

#[test]
fn a_mistake_is_named_without_the_secret() {
    let secret = file("5ecret value");
    let message = |change: &dyn Fn(&mut Credentials)| {
        Tokens::resolve(&flags(|flags| change(flags))).unwrap_err().0
    };
    let path = || Some(secret.path().to_owned());
    for (error, part) in [
        (message(&|flags| flags.token_file = Some("/none".into())), "--token-file /none"),
        (message(&|flags| flags.token_file = path()), "right file"),
        (message(&|flags| flags.token = Some(" ".into())), "--token: holds no token"),
        (message(&|flags| flags.token_key = Some("/none".into())), "--token-key /none"),
        (
            message(&|flags| {
                flags.token_key = path();
                flags.token_claims = "[]".into();
            }),
            "--token-claims",
        ),
    ] {
        assert!(error.contains(part), "{error}");
        assert!(!error.contains("5ecret"), "{error}");
    }
    let tokens = Tokens::resolve(&flags(|flags| flags.token = Some("5ecret".into()))).unwrap();
    assert!(!format!("{tokens:?}").contains("5ecret"));
}

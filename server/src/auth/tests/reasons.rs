//! What the log says of a token that is refused.

use super::*;

/// The reason, and the user of the token.
fn fault(verifier: &Verifier, token: &str) -> (String, Option<String>) {
    let fault = verifier.verify(token).unwrap_err();
    assert!(!fault.why.contains(token.get(20..60).unwrap_or("-")), "a part of the token");
    (fault.why, fault.user)
}

#[test]
fn a_refused_token_s_reason_names_the_claim_its_value_and_the_setting() {
    let long = "x".repeat(300);
    for (verifier, claims, reason) in [
        (with_secret(), with("exp", 1_000_000_000), "expired since 2001-09-09T01:46:40Z"),
        (with_secret(), with("nbf", 4_000_000_000_u64), "not valid before 2096-10-02T07:06:40Z"),
        (with_secret(), with("aud", "app"), r#"its aud is "app", jwt_audience is not set"#),
        (
            demanding(Some("me"), Some("here")),
            json!({"user_id": "u1", "iss": "me", "aud": ["a", "b"], "exp": 4_000_000_000_u64}),
            r#"its aud is ["a","b"], jwt_audience is "here""#,
        ),
        (
            demanding(Some("me"), None),
            with("iss", "you"),
            r#"its iss is "you", jwt_issuer is "me""#,
        ),
        (demanding(Some("me"), None), claims(), "it has no claim iss"),
        (with_secret(), without("exp"), "it has no claim exp"),
        (with_secret(), with("permissions", 7), "permissions that are neither a list nor a text"),
    ] {
        let whose = Some("u1".to_owned());
        assert_eq!(fault(&verifier, &signed(&claims)), (reason.into(), whose), "{claims}");
    }
    let (cut, _) = fault(&demanding(Some("me"), None), &signed(&with("iss", long)));
    assert!(cut.len() < 200 && cut.contains("xxx…"), "{cut}");
}

#[test]
fn what_a_token_says_of_its_user_counts_only_if_it_is_signed() {
    let other = EncodingKey::from_secret(b"another secret that is long enough too");
    let forged = sign(Algorithm::HS256, None, &with("exp", 1), &other);
    assert_eq!(fault(&with_secret(), &forged), ("wrong signature".into(), None));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let rsa = with_pem(&issuers()[0].public);
    let unknown = sign(Algorithm::HS256, Some("k1"), &claims(), &key);
    let why = r#"no key of algorithm HS256 and kid "k1""#;
    assert_eq!(fault(&rsa, &unknown), (why.into(), None));
    assert_eq!(fault(&with_secret(), "x.y.z"), ("malformed".into(), None));
    assert_eq!(fault(&with_secret(), &signed(&without("user_id"))).0, "no user_id and no sub");
}

//! A NATS operator of a test's own, with an account and a user by signed tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// What a node's user needs, as docs/CLUSTER.md has it; the prefix is uringcast.
const PUBLISH: [&str; 3] = ["uringcast.>", "$JS.API.>", "_INBOX.>"];
const SUBSCRIBE: [&str; 4] =
    ["uringcast.>", "$JS.API.>", "_INBOX.>", "$JS.EVENT.ADVISORY.STREAM.>"];

/// The operator, and one account with JetStream.
pub struct Operator {
    account: KeyPair,
    /// What a server's configuration has of it.
    pub config: String,
}

impl Operator {
    pub fn new() -> Operator {
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let system = KeyPair::new_account();
        let own = json!({ "type": "operator", "version": 2 });
        let own = token(&operator, &operator, &own);
        let limits = [
            "subs",
            "data",
            "payload",
            "imports",
            "exports",
            "conn",
            "leaf",
            "mem_storage",
            "disk_storage",
            "streams",
            "consumer",
        ];
        let limits: serde_json::Map<_, _> =
            limits.iter().map(|name| ((*name).to_owned(), (-1).into())).collect();
        let account_token = |of: &KeyPair, has_jetstream: bool| {
            let mut limits = limits.clone();
            limits.insert("wildcards".into(), true.into());
            limits.retain(|name, _| has_jetstream || !name.contains("storage"));
            token(&operator, of, &json!({ "type": "account", "version": 2, "limits": limits }))
        };
        let (a, s) = (account.public_key(), system.public_key());
        let config = format!(
            "operator: \"{own}\"\nsystem_account: {s}\nresolver: MEMORY\n\
             resolver_preload {{ {a}: \"{}\", {s}: \"{}\" }}\n",
            account_token(&account, true),
            account_token(&system, false),
        );
        Operator { account, config }
    }

    /// The file of a user that may do what a node needs.
    pub fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let all = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": { "allow": PUBLISH }, "sub": { "allow": SUBSCRIBE },
        });
        let token = token(&self.account, &user, &all);
        let seed = user.seed().expect("a seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// What one says of another, signed.
fn token(issuer: &KeyPair, subject: &KeyPair, says: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (issuer_key, subject) = (issuer.public_key(), subject.public_key());
    let claims = json!({
        "jti": subject, "iat": now, "iss": issuer_key, "name": "test", "sub": subject,
        "nats": says,
    });
    let encode = |value: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(value);
    let head = encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let signed = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    let signature = issuer.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", encode(&signature))
}

//! `token`: a token for tests, signed with the secret that the server is configured with.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{ArgGroup, Parser};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};

use super::{Environment, Failure, print, state};
use crate::args;
use crate::config::{Config, shared_secret};
use crate::limits::MAX_TEST_TOKEN;
use crate::settings::value::{Span, Value as _};
use crate::settings::{Problems, Settings};

/// The flags of `token`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server token", version, max_term_width = 100)]
#[command(about = "Makes a token for tests with the server's shared secret")]
#[command(group = ArgGroup::new("source").args(["config", "jwt_secret_file"]).required(true))]
#[command(after_help = "\
Issuer, audience, algorithm and the claim of permissions are those that the configuration wants.
In production the tokens' issuer makes them. Signed with HS256, HS384 or HS512; the private keys of
jwt_public_key and jwks_file are the issuer's, and this command does not read them.")]
pub struct TokenOptions {
    /// The server's configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File that holds the shared secret and nothing else
    #[arg(long, value_name = "FILE")]
    jwt_secret_file: Option<PathBuf>,
    /// The service it is for, where the file has several
    #[arg(long, value_name = "NAME", requires = "config")]
    service: Option<String>,
    /// Whose token it is
    #[arg(long, value_name = "NAME", default_value = "test")]
    user: String,
    /// A permission; may be given several times
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// How long it is valid
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expires_in: String,
    /// A further claim, or one in the place of another; may be given several times
    #[arg(long, value_name = "NAME=JSON")]
    claim: Vec<String>,
}

/// Prints a token.
pub(super) fn run(options: &TokenOptions, environment: Environment) -> Result<i32, Failure> {
    let state = state(&environment);
    let flags = [("config", &options.config), ("jwt_secret_file", &options.jwt_secret_file)];
    let settings =
        args::configured(&flags.map(|(name, path)| (name, path.as_deref())), environment)?;
    let place = options.place(&settings)?;
    let service = &settings.services()[place];
    let Some(secret) = shared_secret(service)? else {
        let reason = "has no shared secret: nothing here can sign a token";
        let remedy = "Give jwt_secret_file, or let the issuer of jwt_public_key or jwks_file make \
                      the token.";
        return Err(Problems(vec![service.problem("jwt_secret", reason, remedy)]).into());
    };
    let algorithm = algorithm(service)?;
    let claims = options.claims(service)?;
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    let token = encode(&Header::new(algorithm), &claims, &key);
    // Its error could name what it was given.
    let token =
        token.map_err(|_| Failure::new("the token cannot be signed", "Give other claims."))?;
    eprintln!("warning: for tests: the server takes its bearer for {}", json!(options.user));
    match Config::resolve(&settings, state.as_deref()) {
        Err(problems) => eprintln!("warning: the server would not start with this: {problems}"),
        Ok(config) => match config.verifiers.takes(place, &token) {
            Some(Ok(())) => {}
            Some(Err(fault)) => eprintln!("warning: the server would refuse it: {}", fault.why),
            None => eprintln!("warning: this server asks for no token: auth_enabled is off"),
        },
    }
    print(&format!("{token}\n"));
    Ok(0)
}

/// The first algorithm that the server accepts of those with a shared secret.
fn algorithm(service: &Settings) -> Result<Algorithm, Failure> {
    let known = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let allowed = |one: &Algorithm| {
        service.jwt_algorithms.as_ref().is_none_or(|allowed| allowed.contains(one))
    };
    known.into_iter().find(allowed).ok_or_else(|| {
        let reason = "allows no algorithm that has a shared secret";
        let remedy = "Allow one of HS256, HS384 and HS512, or let the issuer make the token.";
        service.problem("jwt_algorithms", reason, remedy).into()
    })
}

impl TokenOptions {
    /// The place of the service in the file.
    fn place(&self, settings: &Settings) -> Result<usize, Failure> {
        let services = settings.services();
        let name = |service: &Settings| service.server_name.0.clone();
        let names = || services.iter().map(name).collect::<Vec<_>>().join(", ");
        match &self.service {
            None if services.len() == 1 => Ok(0),
            None => Err(Failure::new(
                "the file has several services",
                &format!("Give --service, one of {}.", names()),
            )),
            Some(wanted) => services.iter().position(|one| name(one) == *wanted).ok_or_else(|| {
                let remedy = format!("The services are: {}.", names());
                Failure::new(format!("--service: there is no {wanted}"), &remedy)
            }),
        }
    }

    fn claims(&self, service: &Settings) -> Result<Value, Failure> {
        let life = Span::<1_000, MAX_TEST_TOKEN>::parse(&self.expires_in).map_err(|invalid| {
            Failure::new(format!("--expires-in: {}", invalid.reason), &invalid.remedy)
        })?;
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let mut claims = json!({"sub": self.user, "iat": now, "exp": now + life.0.as_secs()});
        for (claim, value) in [("iss", &service.jwt_issuer), ("aud", &service.jwt_audience)] {
            if let Some(value) = value {
                claims[claim] = json!(value.0);
            }
        }
        if !self.permission.is_empty() {
            let named = service.jwt_permissions_claim.iter().flatten().next();
            let path = named.map_or("permissions", |claim| &claim.0);
            put(&mut claims, path, json!(self.permission));
        }
        for claim in &self.claim {
            let form = "Write NAME=JSON; a text has quotation marks: --claim 'team=\"blue\"'.";
            let (name, value) =
                claim.split_once('=').ok_or_else(|| Failure::new("--claim: has no =", form))?;
            let value = serde_json::from_str(value)
                .map_err(|error| Failure::new(format!("--claim {name}: {error}"), form))?;
            claims[name] = value;
        }
        Ok(claims)
    }
}

/// Puts a value where dots lead into objects.
fn put(claims: &mut Value, path: &str, value: Value) {
    let mut place = claims;
    for part in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[part];
    }
    *place = value;
}

//! The settings of authentication, for clients and for publishers. PROTOCOL §2, §3.

use uringcast_engine::{Access, AuthMode, Origins};

use super::ProblemCollector;
use crate::auth::{ApiKeys, ClaimRules, KeyError, Keys, SECRET_REMEDY, Verifier};
use crate::read_files;
use crate::settings::value::{ApiKey, Secret, Value};
use crate::settings::{Problems, Settings, Source};

/// Authentication, permissions and caps of the service.
pub(super) fn access(s: &Settings) -> Access {
    let rules = |rules: &Option<Vec<crate::settings::access::Permission>>| {
        rules.iter().flatten().map(|permission| permission.0.clone()).collect()
    };
    Access {
        mode: mode(s),
        subscribe: rules(&s.subscribe_permission),
        publish: rules(&s.publish_permission),
        admin: s.admin_permission.iter().map(|name| name.0.clone()).collect(),
        origins: origins(s),
        max_per_address: s.max_connections_per_address.0,
        max_subscriptions: s.max_subscriptions.0,
        byte_rate: u32::try_from(s.byte_rate.0).unwrap_or(u32::MAX),
    }
}

/// The origins of pages that may connect. [`Config::admit_pages_of`](super::Config::admit_pages_of)
/// adds those of the control port.
fn origins(s: &Settings) -> Origins {
    match &s.allowed_origin {
        None => Origins::default(),
        Some(all) if all.iter().any(|origin| origin.0 == "*") => Origins::Any,
        Some(all) => Origins::Listed(all.iter().map(|origin| origin.0.clone()).collect()),
    }
}

/// A key without `auth_enabled` turns authentication on: a service must not stay open because one
/// setting is missing.
fn mode(s: &Settings) -> AuthMode {
    let keys = s.jwt_secret.is_some()
        || [&s.jwt_secret_file, &s.jwt_public_key, &s.jwks_file].iter().any(|file| file.is_some());
    let unsaid = if keys { AuthMode::Required } else { AuthMode::Off };
    s.auth_enabled.unwrap_or(unsaid)
}

/// Reports permissions that are given although nothing checks them. Those of a preset are for when
/// authentication is on.
fn refuse_idle_permissions(s: &Settings, faults: &mut ProblemCollector<'_>) {
    for name in ["subscribe_permission", "publish_permission"] {
        let given = !matches!(s.source(name), Source::Default | Source::Preset(_));
        if given && s.auth_enabled.is_none() {
            let remedy = "Give jwt_secret_file, jwt_public_key or jwks_file; or set auth_enabled \
                          to false, if these channels are to be open.";
            faults.add(name, "protects nothing: clients need no token", remedy);
        }
    }
}

/// What tokens are verified with; `None` when authentication is off.
pub(super) fn verifier(
    s: &Settings,
    exposed: bool,
    faults: &mut ProblemCollector<'_>,
) -> Option<Verifier> {
    if mode(s) == AuthMode::Off {
        refuse_idle_permissions(s, faults);
        return None;
    }
    let mut keys = Keys::new(s.jwt_algorithms.clone(), exposed);
    let file = s.jwt_secret_file.as_deref();
    if let Some(secret) = secret("jwt_secret", &s.jwt_secret, file, faults)
        && let Err(error) = keys.add_secret(secret.expose())
    {
        if error == KeyError::Guessable {
            let name = if file.is_some() { "jwt_secret_file" } else { "jwt_secret" };
            faults.add(name, error.to_string(), SECRET_REMEDY);
        } else {
            let remedy = "Allow one of HS256, HS384 and HS512, or take the secret away.";
            faults.add("jwt_algorithms", format!("leaves jwt_secret unused: it {error}"), remedy);
        }
    }
    if let Some(path) = &s.jwt_public_key
        && let Some(pem) = faults.keep(read_files::read("jwt_public_key", path))
        && let Err(error) = keys.add_pem(&pem)
    {
        let remedy = "Name a PEM file with one public key.";
        faults.add("jwt_public_key", error.to_string(), remedy);
    }
    if faults.problems.is_empty() && keys.is_empty() && s.jwks_file.is_none() {
        let remedy = "Give jwt_secret_file, jwt_public_key or jwks_file.";
        faults.add("auth_enabled", "has no key to verify tokens with", remedy);
        return None;
    }
    let text = |text: &Option<crate::settings::value::Text>| text.as_ref().map(|t| t.0.clone());
    let rules = ClaimRules {
        issuer: text(&s.jwt_issuer),
        audience: text(&s.jwt_audience),
        optional: s.jwt_optional_claims.clone().unwrap_or_default(),
        permissions: s
            .jwt_permissions_claim
            .as_ref()
            .map(|claims| claims.iter().map(|claim| claim.0.clone()).collect()),
        leeway: s.jwt_leeway.0,
    };
    faults.keep(Verifier::new(keys, s.jwks_file.clone(), rules))
}

/// The shared secret that tokens of a service are signed with; `None` where there is none.
///
/// # Errors
/// [`Problems`] with its file.
pub fn shared_secret(s: &Settings) -> Result<Option<Secret>, Problems> {
    let mut faults = ProblemCollector { settings: s, problems: Vec::new() };
    let secret = secret("jwt_secret", &s.jwt_secret, s.jwt_secret_file.as_deref(), &mut faults);
    if faults.problems.is_empty() { Ok(secret) } else { Err(Problems(faults.problems)) }
}

/// A secret that is given itself or in a file.
fn secret(
    name: &str,
    given: &Option<Secret>,
    file: Option<&std::path::Path>,
    faults: &mut ProblemCollector<'_>,
) -> Option<Secret> {
    let Some(path) = file else { return given.clone() };
    let setting = format!("{name}_file");
    if given.is_some() {
        faults.add(&setting, format!("contradicts {name}"), "Take one of the two away.");
        return None;
    }
    let bytes = faults.keep(read_files::read(&setting, path))?;
    match Secret::parse(String::from_utf8_lossy(&bytes).trim_end()) {
        Ok(secret) => Some(secret),
        Err(invalid) => {
            faults.add(&setting, format!("its key {}", invalid.reason), &invalid.remedy);
            None
        }
    }
}

/// The keys of publishers, from all settings that give some.
pub(super) fn api_keys(s: &Settings, faults: &mut ProblemCollector<'_>) -> ApiKeys {
    let sole = secret("api_key", &s.api_key, s.api_key_file.as_deref(), faults);
    let mut keys: Vec<ApiKey> = sole.iter().map(ApiKey::sole).collect();
    keys.extend(s.api_keys.iter().flatten().cloned());
    if let Some(path) = &s.api_keys_file
        && let Some(bytes) = faults.keep(read_files::read("api_keys_file", path))
    {
        match str::from_utf8(&bytes).map(|text| read_lines(text, &mut keys, faults)) {
            Ok(true) => {}
            // None at all would leave the control port open.
            Ok(false) => {
                let remedy = "Write NAME KEY on a line of it, or take the setting away.";
                faults.add("api_keys_file", "holds no key", remedy);
            }
            Err(_) => faults.add("api_keys_file", "is not UTF-8", "Save the file as UTF-8."),
        }
    }
    let name = if s.api_keys_file.is_some() { "api_keys_file" } else { "api_keys" };
    let keys = ApiKeys::new(keys).unwrap_or_else(|twice| {
        let reason = format!("has {twice}, counting those of api_keys and api_key");
        faults.add(name, reason, "Give each key one line and a name of its own.");
        ApiKeys::default()
    });
    let services: Vec<&str> = s.services().iter().map(|s| s.server_name.0.as_str()).collect();
    if let Some((key, service)) = keys.for_unknown_service(&services) {
        let reason = format!("has the key {key}, but there is no service {service}");
        faults.add(name, reason, &format!("The services are: {}.", services.join(", ")));
    }
    keys
}

/// One key a line; empty lines and those that begin with # are passed over. Whether there was any.
fn read_lines(text: &str, keys: &mut Vec<ApiKey>, faults: &mut ProblemCollector<'_>) -> bool {
    let mut any = false;
    let lines = text.lines().map(str::trim).enumerate();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        any = true;
        match ApiKey::parse(line) {
            Ok(key) => keys.push(key),
            Err(invalid) => {
                let reason = format!("line {} {}", number + 1, invalid.reason);
                faults.add("api_keys_file", reason, &invalid.remedy);
            }
        }
    }
    any
}

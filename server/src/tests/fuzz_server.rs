//! Bodies of the fuzz targets, one function each: `fuzz/fuzz_targets` calls them under cargo-fuzz,
//! the tests here over the committed corpora. Built for these two only.
//!
//! A body panics where the code under test is wrong.

use std::ffi::OsString;
use std::net::IpAddr;

use tempfile::NamedTempFile;

use crate::args;
use crate::config::Config;
pub use crate::http::fuzz_plain_request::plain_request;
pub use crate::http::fuzz_publish::publish_body;
use crate::print_config;
use crate::settings::{Settings, TABLE};

/// A secret at the top of every file. No message may contain it.
const SECRET: &str = "never-to-be-shown";

/// Flags, environment and file. What is read can be printed and read again; what is refused is
/// refused without showing a secret.
///
/// Input: lines, of which `--…` are flags, `NAME=…` variables, and all others the file.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (mut flags, mut environment, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.split('\n') {
        let name = line.split('=').next().unwrap_or_default();
        if name.starts_with("--config") || name == "URINGCAST_CONFIG" {
            continue; // No other file, above all none that is endless.
        } else if line.starts_with("--") {
            flags.push(line);
        } else if is_variable(name) && line.len() > name.len() {
            environment.push((name, &line[name.len() + 1..]));
        } else {
            lines.push(line);
        }
    }
    let content = format!("api_key = \"{SECRET}\"\n{}", lines.join("\n"));
    let settings = match read(&flags, &environment, &content) {
        Ok(settings) => settings,
        Err(text) => {
            assert!(!text.is_empty() && !text.contains(SECRET), "{text}");
            return;
        }
    };
    let rendered = print_config::render(&settings);
    assert!(!rendered.contains(SECRET), "{rendered}");
    let again = read(&[], &[], &rendered).unwrap_or_else(|text| panic!("{text}\n{rendered}"));
    assert_eq!(public(&settings), public(&again), "{rendered}");
    if settings.services().iter().chain([&settings]).all(stays_here) {
        let resolved = Config::resolve(&settings, None);
        assert!(resolved.err().is_none_or(|problems| !problems.to_string().contains(SECRET)));
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn read(flags: &[&str], environment: &[(&str, &str)], content: &str) -> Result<Settings, String> {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), content).expect("a writable file");
    let first = ["uringcast-server".into(), "--config".into(), file.path().into()];
    let arguments = first.into_iter().chain(flags.iter().map(OsString::from));
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
    args::read(arguments, environment)
        .map(|(_, settings)| settings)
        .map_err(|error| error.to_string())
}

/// Every value that is printed, but for secrets and the file's own name.
fn public(settings: &Settings) -> Vec<(&'static str, Option<String>)> {
    let is_fleet = !settings.fleet.is_empty();
    let of = |one: &Settings, is_service: bool| {
        let rows = TABLE.iter().zip(one.shown());
        let rows = rows.filter(|(row, _)| !is_fleet || row.of_a_service == is_service);
        let public = rows.filter(|(row, _)| !row.secret && row.name != "config");
        public.map(|(row, value)| (row.name, value)).collect::<Vec<_>>()
    };
    let mut values = of(settings, false);
    values.extend(settings.fleet.iter().flat_map(|service| of(service, true)));
    values
}

/// Whether settings can be resolved without looking up names or reading files.
fn stays_here(s: &Settings) -> bool {
    let mut hosts = s.host.iter().chain([&s.control_host, &s.metrics_host]);
    let files =
        [&s.api_key_file, &s.api_keys_file, &s.jwt_secret_file, &s.jwt_public_key, &s.jwks_file];
    hosts.all(|host| host.0.parse::<IpAddr>().is_ok()) && files.iter().all(|file| file.is_none())
}

#[cfg(test)]
mod tests;

//! What several test files need.
#![allow(dead_code, reason = "not every file needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub(crate) mod pki;

use std::ffi::OsString;
use std::path::Path;

use uringcast_server::args::{self, Action, ArgsError};
use uringcast_server::settings::Settings;

/// Reads settings from an invented command line and environment.
pub(crate) fn read(
    flags: &[&str],
    environment: &[(&str, &str)],
) -> Result<(Action, Settings), ArgsError> {
    let arguments = std::iter::once("uringcast-server").chain(flags.iter().copied());
    let environment = environment.iter().map(|(k, v)| (OsString::from(k), OsString::from(v)));
    args::read(arguments.map(OsString::from), environment)
}

/// Settings that must be good.
pub(crate) fn settings(flags: &[&str]) -> Settings {
    read(flags, &[]).expect("these settings are good").1
}

/// The message for settings that must be bad.
pub(crate) fn refusal(flags: &[&str], environment: &[(&str, &str)]) -> String {
    read(flags, environment).expect_err("these settings are bad").to_string()
}

/// Writes a file into a directory and gives its path as text.
pub(crate) fn file(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("the temporary directory can be written to");
    path.to_string_lossy().into_owned()
}

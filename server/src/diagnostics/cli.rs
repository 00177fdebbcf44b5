//! The two commands that look at a server or a machine and serve no client: `verify` and `doctor`.
//! They have flags of their own, so they are recognised before the settings are read.

use std::ffi::OsString;
use std::path::Path;

use clap::{Parser, ValueEnum};

use super::{doctor, verify};
use crate::args::CommandName;

/// Runs the command that `arguments` name, if it is one of the two. Returns what to print and the
/// exit code; clap ends the process itself for `--help` and for what it does not understand.
///
/// # Errors
/// When the system gives no runtime.
pub fn run(
    arguments: &[OsString],
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> std::io::Result<Option<(String, i32)>> {
    // clap takes the first for the program's name.
    let own = arguments.get(1..).unwrap_or_default();
    let command = own.first().and_then(|command| command.to_str());
    let command = command.and_then(|command| CommandName::from_str(command, false).ok());
    let (report, json) = match command {
        Some(CommandName::Doctor) => {
            let options = doctor::Options::parse_from(own);
            (doctor::examine(&options, Path::new("/")), options.json)
        }
        Some(CommandName::Verify) => {
            let options = verify::Options::parse_from(own);
            let json = options.json;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let report = runtime.block_on(verify::examine(options, environment.collect()));
            // A resolver that does not answer must not be waited for.
            runtime.shutdown_background();
            (report, json)
        }
        _ => return Ok(None),
    };
    let text = if json { report.json() } else { report.to_string() };
    Ok(Some((text, report.exit_code())))
}

//! The two commands that look at a server or a machine and serve no client: `verify` and `doctor`.
//! They have flags of their own, so they are recognised before the settings are read.

use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, Command, CommandFactory, Parser};

use super::{doctor, verify};
use crate::args::{DOCTOR, VERIFY};
use crate::diagnostics::check_report::{Kind, Report};

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
    let (report, json) = match own.first().and_then(|command| command.to_str()) {
        Some(DOCTOR) => {
            let options = doctor::Options::parse_from(own);
            (doctor::examine(&options, Path::new("/")), options.json)
        }
        Some(VERIFY) => {
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
    Ok(Some((text(&report, json), report.exit_code())))
}

fn text(report: &Report, json: bool) -> String {
    if json { report.json() } else { report.to_string() }
}

/// Flags and checks of both as Markdown: docs/CHECKS.md.
pub fn markdown() -> String {
    let mut page = String::from(include_str!("markdown_head.md"));
    add(&mut page, verify::Options::command(), verify::CHECKS);
    add(&mut page, doctor::Options::command(), doctor::CHECKS);
    page
}

fn add(page: &mut String, command: Command, kinds: &[Kind]) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    *page += &format!("\n## `{}`\n\n{about}.\n\n", command.get_name());
    *page += "| flag | default | meaning |\n|---|---|---|\n";
    for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
        let flag = argument.get_long().unwrap_or_default();
        let takes = matches!(argument.get_action(), ArgAction::Set);
        let names = argument.get_value_names().unwrap_or_default();
        let value = names.first().filter(|_| takes).map(|name| format!(" {name}"));
        let default = argument.get_default_values().first().filter(|_| takes);
        let default = default.map_or("–".into(), |default| format!("`{}`", default.display()));
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        *page += &format!("| `--{flag}{}` | {default} | {help}. |\n", value.unwrap_or_default());
    }
    *page += "\n| check | if it fails | what passes |\n|---|---|---|\n";
    for Kind { name, required, meaning } in kinds {
        let weight = if *required { "down" } else { "degraded" };
        *page += &format!("| `{name}` | {weight} | {meaning} |\n");
    }
}

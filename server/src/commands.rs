//! The commands that serve no client: those of publishers and subscribers, the checks, and what a
//! shell needs. `serve`, `check-config`, `classes` and `presets` are the program's own.

mod completions;
mod connection_flags;
mod endpoint;
mod failure;
mod pub_command;
mod stdin_lines;
mod sub_command;
mod token_command;
mod top_command;
mod top_view;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use crate::args;
use crate::config::{Config, state_dir};
use crate::diagnostics::check_report::Report;
use crate::diagnostics::{doctor, verify};
use crate::settings::{Problems, Settings};
pub use completions::{CompletionsOptions, ManOptions};
pub use failure::Failure;
pub use pub_command::PubOptions;
pub use sub_command::SubOptions;
pub use token_command::TokenOptions;
pub use top_command::TopOptions;

/// Names of environment variables and their values.
type Environment = Vec<(OsString, OsString)>;

/// Runs the command that was parsed, if it is one of these. Returns the exit code.
///
/// # Errors
/// [`Failure`] with what to mend.
pub fn run(matches: &ArgMatches, environment: Environment) -> Result<Option<i32>, Failure> {
    let Some((name, own)) = matches.subcommand() else { return Ok(None) };
    let code = match name {
        "sub" => wait(sub_command::run(SubOptions::from_arg_matches(own)?))?,
        "pub" => wait(pub_command::run(PubOptions::from_arg_matches(own)?))?,
        "top" => wait(top_command::run(TopOptions::from_arg_matches(own)?))?,
        "token" => token_command::run(&TokenOptions::from_arg_matches(own)?, environment)?,
        "completions" => completions::completions(&CompletionsOptions::from_arg_matches(own)?),
        "man" => completions::man(&ManOptions::from_arg_matches(own)?)?,
        "doctor" => examine_machine(own, environment)?,
        "verify" => examine_server(own, environment)?,
        _ => return Ok(None),
    };
    Ok(Some(code))
}

/// Runs a command on a runtime of its own.
fn wait<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(command);
    // Neither a resolver nor a terminal that does not answer must be waited for.
    runtime.shutdown_background();
    ended
}

/// Whether a flag stands on the command line.
fn given(matches: &ArgMatches) -> impl Fn(&str) -> bool + '_ {
    |name| matches.value_source(name) == Some(ValueSource::CommandLine)
}

/// Where the server keeps its state in this environment.
fn state(environment: &Environment) -> Option<PathBuf> {
    let variable = |name| {
        let found = environment.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value.clone())
    };
    state_dir(variable("XDG_STATE_HOME"), variable("HOME"))
}

/// The settings of a configuration file, read as the server reads them, and what they mean.
fn configuration(path: &Path, environment: Environment) -> Result<(Settings, Config), Problems> {
    let state = state(&environment);
    let settings = args::configured(&[("config", Some(path))], environment)?;
    let config = Config::resolve(&settings, state.as_deref())?;
    Ok((settings, config))
}

fn examine_machine(matches: &ArgMatches, environment: Environment) -> Result<i32, Failure> {
    let mut options = doctor::Options::from_arg_matches(matches)?;
    if let Some(path) = options.config.take() {
        let (settings, config) = configuration(&path, environment)?;
        options.configure(&given(matches), &settings, config);
    }
    let report = wait(async { Ok(doctor::examine(&options, Path::new("/")).await) })?;
    Ok(print_report(&report, options.json))
}

fn examine_server(matches: &ArgMatches, environment: Environment) -> Result<i32, Failure> {
    let options = verify::Options::from_arg_matches(matches)?;
    let json = options.json;
    let all = match &options.config {
        None => vec![options],
        Some(path) => {
            let (settings, config) = configuration(path, environment.clone())?;
            options.of_each_service(&given(matches), &settings, &config)?
        }
    };
    let mut code = 0;
    for options in all {
        let report = wait(async { Ok(verify::examine(options, environment.clone()).await) })?;
        code = code.max(print_report(&report, json));
    }
    Ok(code)
}

fn print_report(report: &Report, json: bool) -> i32 {
    print(&if json { report.json() } else { report.to_string() });
    report.exit_code()
}

/// Writes to standard output. Whether its reader is still there.
pub fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

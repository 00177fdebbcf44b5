//! From the command line, the environment and the file to one set of settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::files;
use crate::settings::{
    ENV_PREFIX, FAMILY_PREFIX, Layers, Problem, Problems, Setting, Settings, Source, TABLE,
    defaults, nearest,
};

/// What the process was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve until told to stop.
    Serve,
    /// Check the configuration and print it.
    CheckConfig,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// Not understood, or `--help` or `--version`: clap prints it and knows the exit code.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// Understood, and wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// The setting that says what the original family's TLS variables begin with.
const PREFIX_SETTING: &str = "tls_env_prefix";
/// The settings that the original family's variables can give.
const FAMILY_SETTINGS: [&str; 6] =
    ["tls_enabled", "cert_file", "key_file", "ca_file", "verify_client", "auto_cert"];

const AFTER_HELP: &str = "\
Each setting is taken from the first of: flag, environment, configuration file, default.
TOML keys are the flags' names with underscores.
Sizes take KiB, MiB and GiB; times take ms, s, m and h.";

/// The command line, made from the table of settings.
pub fn command() -> Command {
    let action = Arg::new("action")
        .value_name("COMMAND")
        .value_parser(["serve", "check-config"])
        .default_value("serve")
        .help("What to do: serve, or check the configuration and print what is in force");
    let flags = TABLE.iter().zip(defaults()).map(|(setting, default)| flag(setting, default));
    Command::new("uringcast-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Broadcasts messages to WebSocket clients")
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .arg(action)
        .args(flags)
}

fn flag(setting: &Setting, default: Option<String>) -> Arg {
    let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.hint)
        .help_heading(setting.group)
        .help(format!("{}{default} [env: {}]", setting.help, setting.variable()))
        .action(if setting.many { ArgAction::Append } else { ArgAction::Set });
    if setting.switch {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg
    }
}

/// Reads all sources. `environment` is the process's, or a test's.
///
/// # Errors
/// [`ArgsError`] with everything that is wrong.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Action, Settings), ArgsError> {
    let matches = command().try_get_matches_from(arguments)?;
    let action = match matches.get_one::<String>("action").map(String::as_str) {
        Some("check-config") => Action::CheckConfig,
        _ => Action::Serve,
    };
    let mut layers = Layers::default();
    let mut problems = Vec::new();
    let environment: Vec<_> = environment.into_iter().collect();
    let variables = ours(&environment, &mut problems);
    add_flags(&matches, &mut layers);
    add_environment(&variables, &mut layers, &mut problems);
    let mut file = Layers::default();
    if let Some(path) = file_path(&matches, &variables)
        && let Err(found) = add_file(&path, &mut file)
    {
        problems.extend(found);
    }
    add_family(&environment, &mut layers, &file);
    layers.add_below(file);
    match (Settings::read(layers), problems.is_empty()) {
        (Ok(settings), true) => Ok((action, settings)),
        (Ok(_), false) => Err(Problems(problems).into()),
        (Err(Problems(more)), _) => {
            problems.extend(more);
            Err(Problems(problems).into())
        }
    }
}

fn add_flags(matches: &ArgMatches, layers: &mut Layers) {
    for setting in TABLE {
        if let Some(values) = matches.get_many::<String>(setting.name) {
            let source = Source::Flag(format!("--{}", setting.flag()));
            layers.add(setting.name, values.cloned().collect(), source);
        }
    }
}

/// The variables that may be meant for us and are not empty.
fn ours(
    environment: &[(OsString, OsString)],
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else {
            continue;
        };
        match value.to_str() {
            Some("") => {}
            Some(value) => found.push((name.to_owned(), value.to_owned())),
            None => problems.push(problem(
                name,
                Source::Default,
                "the value is not valid UTF-8",
                "Write it as UTF-8.",
            )),
        }
    }
    found
}

fn add_environment(
    variables: &[(String, String)],
    layers: &mut Layers,
    problems: &mut Vec<Problem>,
) {
    for (variable, value) in variables {
        match TABLE.iter().find(|setting| setting.variable() == *variable) {
            Some(setting) => {
                let source = Source::Environment(variable.clone());
                layers.add(setting.name, vec![value.clone()], source);
            }
            None => {
                let known: Vec<String> = TABLE.iter().map(Setting::variable).collect();
                let remedy = remedy(nearest(variable, known.iter().map(String::as_str)));
                let reason = "there is no such environment variable";
                problems.push(problem(variable, Source::Default, reason, &remedy));
            }
        }
    }
}

/// The original family's variables, whose prefix is itself a setting.
fn add_family(environment: &[(OsString, OsString)], layers: &mut Layers, file: &Layers) {
    let given = layers.text(PREFIX_SETTING).or_else(|| file.text(PREFIX_SETTING));
    let prefix = given.unwrap_or(FAMILY_PREFIX).to_owned();
    for name in FAMILY_SETTINGS {
        let wanted = format!("{prefix}_{}", name.to_ascii_uppercase());
        let found = environment.iter().find(|(variable, _)| *variable == *wanted);
        let value = found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty());
        if let Some(value) = value {
            layers.add(name, vec![value.to_owned()], Source::Environment(wanted));
        }
    }
}

fn file_path(matches: &ArgMatches, variables: &[(String, String)]) -> Option<PathBuf> {
    let from_flag = matches.get_one::<String>("config");
    let variable = format!("{ENV_PREFIX}CONFIG");
    let from_environment =
        || variables.iter().find(|(name, _)| *name == variable).map(|(_, value)| value);
    from_flag.or_else(from_environment).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn add_file(path: &Path, layers: &mut Layers) -> Result<(), Vec<Problem>> {
    let source = Source::File(path.to_owned());
    let text = files::read("config", path).map_err(|problem| vec![problem])?;
    let text = String::from_utf8_lossy(&text);
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        // Its Display quotes the line, and that line may hold the API key.
        let line = error.span().map_or(1, |at| 1 + text[..at.start].matches('\n').count());
        let reason = format!("line {line} is not TOML: {}", error.message());
        vec![problem("config", source.clone(), &reason, "Mend the file.")]
    })?;
    let mut problems = Vec::new();
    for (key, value) in table {
        let known = TABLE.iter().filter(|setting| setting.name != "config");
        let Some(setting) = known.clone().find(|setting| setting.name == key) else {
            let remedy = remedy(nearest(&key, known.map(|setting| setting.name)));
            problems.push(problem(&key, source.clone(), "there is no such setting", &remedy));
            continue;
        };
        match texts(value) {
            Some(texts) => layers.add(setting.name, texts, source.clone()),
            None => {
                let remedy = format!("Write it as {} = {}.", setting.name, setting.hint);
                let reason = "is neither a text, a number, true, false nor a list of these";
                problems.push(problem(&key, source.clone(), reason, &remedy));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn texts(value: toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text]),
        toml::Value::Integer(n) => Some(vec![n.to_string()]),
        // `tls_min_version = 1.3` is what one would write.
        toml::Value::Float(n) => Some(vec![n.to_string()]),
        toml::Value::Boolean(b) => Some(vec![b.to_string()]),
        toml::Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(texts(item)?);
            }
            Some(all)
        }
        _ => None,
    }
}

fn remedy(nearest: &str) -> String {
    format!("Did you mean {nearest}? --help lists all settings.")
}

fn problem(setting: &str, source_of: Source, reason: &str, remedy: &str) -> Problem {
    let (setting, reason, remedy) = (setting.into(), reason.into(), remedy.into());
    Problem { setting, value: None, source_of, reason, remedy }
}

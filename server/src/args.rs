//! From the command line, the environment, the file and presets to settings.

mod command_line;
mod config_file;
mod near_misses;

use std::ffi::OsString;
use std::iter::once;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::error::ErrorKind;

use crate::presets::{self, Preset};
use crate::settings::value::Value as _;
use crate::settings::{
    ENV_PREFIX, FAMILY_PREFIX, Problem, Problems, Setting, Settings, Source, Sources, TABLE,
    nearest,
};
pub use command_line::command;
use config_file::File;
use near_misses::KnownVariables;

/// What the command line requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve until a signal.
    Serve {
        /// Take over from the server that listens at this Unix socket.
        take_over: Option<PathBuf>,
    },
    /// Check the configuration and print it.
    CheckConfig {
        /// Only what differs from the defaults.
        changed: bool,
        /// As JSON.
        json: bool,
    },
    /// Print which classes channels have.
    Classes {
        /// The channels; without any all classes.
        names: Vec<String>,
        /// As JSON.
        json: bool,
    },
    /// Print the presets, or one of them.
    Presets {
        /// Which; without it all.
        name: Option<&'static str>,
        /// As JSON.
        json: bool,
    },
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// Not understood, or `--help` or `--version`: clap prints it and sets the exit code.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// Understood, and wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// The setting with the prefix of the original family's TLS variables.
const PREFIX_SETTING: &str = "tls_env_prefix";
/// The settings that the original family's variables can give.
const FAMILY_SETTINGS: [&str; 6] =
    ["tls_enabled", "cert_file", "key_file", "ca_file", "verify_client", "auto_cert"];

/// Names of environment variables and their values.
type Environment = Vec<(OsString, OsString)>;

/// The commands that take the server's settings as flags.
const WITH_SETTINGS: [&str; 3] = [SERVE, "check-config", "classes"];
/// The command without which the program serves too.
const SERVE: &str = "serve";
/// Its flag that is no setting: it is about one start.
const TAKE_OVER: &str = "take_over";

/// Parses the command line.
///
/// # Errors
/// What clap does not understand, `--help`, and the server's flags before a command that has flags
/// of its own.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let name = matches.subcommand_name().filter(|name| !WITH_SETTINGS.contains(name));
    let given = TABLE.iter().any(|setting| matches.contains_id(setting.name));
    match name {
        Some(name) if given => Err(conflict(format!(
            "{name} comes first and has flags of its own, none of the server's: \
             uringcast-server {name} --help\n"
        ))),
        _ => Ok(matches),
    }
}

fn conflict(text: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, text)
}

/// Reads all sources. `environment` is the process's, or a test's.
///
/// # Errors
/// [`ArgsError`] with everything that is wrong.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Action, Settings), ArgsError> {
    read_matches(&parse(arguments)?, environment)
}

/// Reads all sources, where the command line has been parsed.
///
/// # Errors
/// [`ArgsError`] with everything that is wrong, and for a command that takes no settings as flags.
pub fn read_matches(
    matches: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Action, Settings), ArgsError> {
    let command = matches.subcommand();
    let behind = command.filter(|(name, _)| WITH_SETTINGS.contains(name));
    let places: Vec<&ArgMatches> = once(matches).chain(behind.map(|(_, own)| own)).collect();
    let action = match command {
        Some(("presets", own)) => {
            let name = own.get_one::<String>("name").map(|name| preset_name(name)).transpose()?;
            let action = Action::Presets { name, json: own.get_flag("json") };
            return Ok((action, Settings::read(Sources::default())?));
        }
        Some(("check-config", own)) => {
            let (changed, json) = (own.get_flag("changed"), own.get_flag("json"));
            Action::CheckConfig { changed, json }
        }
        Some(("classes", own)) => {
            let names = own.get_many::<String>("name").into_iter().flatten().cloned();
            Action::Classes { names: names.collect(), json: own.get_flag("json") }
        }
        None | Some((SERVE, _)) => Action::Serve { take_over: take_over(&places)? },
        Some((name, _)) => return Err(conflict(format!("{name} takes no settings\n")).into()),
    };
    let given = flags(&places)?;
    Ok((action, from_sources(given, environment.into_iter().collect())?))
}

/// The settings as a server would read them that is given these flags, each a setting that takes
/// the path of a file.
///
/// # Errors
/// [`Problems`] with everything that is wrong.
pub fn configured(
    flags: &[(&'static str, Option<&Path>)],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, Problems> {
    let mut given = Sources::default();
    for (name, path) in flags {
        if let Some(path) = path {
            let source = Source::Flag(format!("--{}", name.replace('_', "-")));
            given.add(name, vec![path.to_string_lossy().into_owned()], source);
        }
    }
    from_sources(given, environment.into_iter().collect())
}

/// Adds the weaker sources to the flags.
fn from_sources(mut given: Sources, environment: Environment) -> Result<Settings, Problems> {
    let mut problems = Vec::new();
    add_environment(&environment, &mut given, &mut problems);
    let path = given.text("config").filter(|path| !path.is_empty());
    let file = path.map_or(Ok(File::default()), |path| config_file::read(path.as_ref()));
    let file = file.unwrap_or_else(|found| {
        problems.extend(found);
        File::default()
    });
    if !file.services.is_empty() && given.text("preset").or(file.top.text("preset")).is_some() {
        let remedy = "Give it in the service entries that it is for.";
        let reason = "is for one service, and the file has several";
        problems.push(Problem::new("preset", Source::Default, reason, remedy));
    }
    let mut known = KnownVariables::default();
    let mut service_settings = |entry: Option<&Sources>, problems: &mut Vec<Problem>| {
        let (mut given, mut top) = (given.clone(), file.top.clone());
        if entry.is_some() {
            // The name of the process is not the name of a service.
            given.remove("server_name");
            top.remove("server_name");
        }
        let mut weaker = entry.cloned().unwrap_or_default();
        weaker.add_weaker(top);
        let preset = given.text("preset").or(weaker.text("preset")).and_then(presets::find);
        add_family(&environment, preset, &mut given, &weaker, &mut known);
        given.add_weaker(weaker);
        given.add_weaker(preset.map(preset_sources).unwrap_or_default());
        Settings::read(given)
            .map_err(|Problems(mut more)| {
                // A problem of all services is reported once.
                more.retain(|problem| !problems.contains(problem));
                problems.extend(more);
            })
            .ok()
    };
    let base = service_settings(None, &mut problems);
    let fleet: Vec<_> =
        file.services.iter().filter_map(|e| service_settings(Some(e), &mut problems)).collect();
    known.check(&environment, &mut problems);
    match base {
        Some(mut settings) if problems.is_empty() => {
            settings.fleet = fleet;
            Ok(settings)
        }
        _ => Err(Problems(problems)),
    }
}

/// The settings of a preset: the weakest source but the defaults.
pub fn preset_sources(preset: &Preset) -> Sources {
    let mut sources = Sources::default();
    let mut add = |name: &str, texts: Vec<String>| {
        // A preset may have settings that this version lacks.
        if let Some(setting) = Setting::find(name)
            && !texts.is_empty()
        {
            sources.add(setting.name, texts, Source::Preset(preset.name.clone()));
        }
    };
    for (name, value) in &preset.settings {
        add(name, config_file::texts(value.clone()).unwrap_or_default());
    }
    add("server_name", vec![preset.name.clone()]);
    add("subscribe_permission", preset.permissions());
    add("admin_permission", preset.admin.clone());
    sources
}

/// The name of a preset that there is.
fn preset_name(name: &str) -> Result<&'static str, clap::Error> {
    let preset = <&Preset>::parse(name).map_err(|invalid| {
        let text = format!("presets {name}: {}. {}\n", invalid.reason, invalid.remedy);
        clap::Error::raw(ErrorKind::InvalidValue, text)
    })?;
    Ok(&preset.name)
}

/// Where the server is from which to take over, if that is given: before the command, or behind it.
fn take_over(places: &[&ArgMatches]) -> Result<Option<PathBuf>, clap::Error> {
    let mut given = places.iter().filter_map(|place| place.get_one::<PathBuf>(TAKE_OVER).cloned());
    match (given.next(), given.next()) {
        (path, None) => Ok(path),
        _ => Err(conflict("--take-over is given twice\n".to_owned())),
    }
}

/// The settings that are given as flags: before the command, and behind it.
fn flags(places: &[&ArgMatches]) -> Result<Sources, clap::Error> {
    let mut sources = Sources::default();
    for setting in TABLE {
        let given = places.iter().filter_map(|place| place.get_many::<String>(setting.name));
        let given: Vec<Vec<String>> = given.map(|values| values.cloned().collect()).collect();
        let flag = format!("--{}", setting.flag());
        if given.len() > 1 && !setting.many {
            let text = format!("{flag} is given twice: before the command and behind it\n");
            return Err(conflict(text));
        }
        if !given.is_empty() {
            sources.add(setting.name, given.concat(), Source::Flag(flag));
        }
    }
    Ok(sources)
}

/// Adds the variables that begin with [`ENV_PREFIX`] and are not empty.
fn add_environment(
    environment: &[(OsString, OsString)],
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) {
    for (variable, value) in environment {
        let Some(variable) = variable.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else {
            continue;
        };
        let mut problem = |reason: &str, remedy: String| {
            problems.push(Problem::new(variable, Source::Default, reason, remedy));
        };
        match (value.to_str(), TABLE.iter().find(|setting| setting.variable() == variable)) {
            (Some(""), _) => {}
            (None, _) => problem("the value is not valid UTF-8", "Write it as UTF-8.".into()),
            (Some(value), Some(setting)) => {
                let source = Source::Environment(variable.to_owned());
                sources.add(setting.name, vec![value.to_owned()], source);
            }
            (Some(_), None) => {
                let known: Vec<String> = TABLE.iter().map(Setting::variable).collect();
                let nearest = nearest(variable, known.iter().map(String::as_str));
                problem("there is no such environment variable", remedy(nearest));
            }
        }
    }
}

/// The original family's variables: the preset's own before those that all services share, whose
/// prefix is itself a setting.
fn add_family(
    environment: &[(OsString, OsString)],
    preset: Option<&Preset>,
    sources: &mut Sources,
    file: &Sources,
    known: &mut KnownVariables,
) {
    let given = sources.text(PREFIX_SETTING).or_else(|| file.text(PREFIX_SETTING));
    let prefix = given.unwrap_or(FAMILY_PREFIX).to_owned();
    let mut add = |wanted: String, name: &'static str| {
        known.add(&wanted);
        let found = environment.iter().find(|(variable, _)| *variable == *wanted);
        let value = found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty());
        if let Some(value) = value {
            sources.add(name, vec![value.to_owned()], Source::Environment(wanted));
        }
    };
    for (name, variables) in preset.iter().flat_map(|preset| &preset.variables) {
        if let Some(setting) = Setting::find(name) {
            variables.iter().for_each(|variable| add(variable.clone(), setting.name));
        }
    }
    let own = preset.map(|preset| preset.environment.as_str());
    for prefix in own.into_iter().chain([&*prefix]) {
        for name in FAMILY_SETTINGS {
            add(format!("{prefix}_{}", name.to_ascii_uppercase()), name);
        }
    }
    own.into_iter().for_each(|prefix| known.add_prefix(prefix));
}

fn remedy(nearest: &str) -> String {
    format!("Did you mean {nearest}? serve --help lists all settings.")
}

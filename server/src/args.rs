//! From the command line, the environment, the file and presets to settings.

mod config_file;
mod near_misses;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{
    Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, ValueEnum,
};

use crate::presets::{self, Preset};
use crate::settings::value::Value as _;
use crate::settings::{
    ENV_PREFIX, FAMILY_PREFIX, Problem, Problems, Setting, Settings, Source, Sources, TABLE,
    defaults, nearest,
};
use config_file::File;
use near_misses::KnownVariables;

/// What the command line requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve until a signal.
    Serve,
    /// Check the configuration and print it.
    CheckConfig,
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

const AFTER_HELP: &str = "\
Each setting is taken from the first of: flag, environment, configuration file, preset, default.
TOML keys are the flags' names with underscores.
Sizes take KiB, MiB and GiB; times take ms, s, m and h.

verify and doctor come first and have flags of their own: uringcast-server verify --help.";

/// Broadcasts messages to WebSocket clients
#[derive(Parser)]
#[command(name = "uringcast-server", version, after_help = AFTER_HELP, max_term_width = 100)]
struct CommandLine {
    /// What to do: serve, or check the configuration and print what is in force, or print the
    /// presets or one of them, or check a running server from outside, or check whether this
    /// machine can carry one
    #[arg(value_name = "COMMAND", value_enum, default_value_t)]
    action: CommandName,
    /// With presets: the file of this one
    name: Option<String>,
    /// With presets: everything in them, or in the one, as JSON
    #[arg(long)]
    json: bool,
}

/// The commands there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CommandName {
    #[default]
    Serve,
    CheckConfig,
    Presets,
    // Those of `crate::diagnostics::cli`.
    Verify,
    Doctor,
}

/// The command line, whose flags are made from the table of settings.
pub fn command() -> Command {
    let flags = TABLE.iter().zip(defaults()).map(|(setting, default)| flag(setting, default));
    CommandLine::command().args(flags)
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = parse_arguments(&arguments)?;
    let CommandLine { action, name, json } = CommandLine::from_arg_matches(&matches)?;
    let action = match action {
        CommandName::Presets => {
            let name = name.as_deref().map(preset_name).transpose()?;
            return Ok((Action::Presets { name, json }, Settings::read(Sources::default())?));
        }
        _ if name.is_some() || json => {
            let text = "NAME and --json go with the command presets only\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text).into());
        }
        CommandName::CheckConfig => Action::CheckConfig,
        _ => Action::Serve,
    };
    let mut given = Sources::default();
    let mut problems = Vec::new();
    let environment: Vec<_> = environment.into_iter().collect();
    add_flags(&matches, &mut given);
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
            Ok((action, settings))
        }
        _ => Err(Problems(problems).into()),
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

/// Parses the command line. Refuses verify and doctor after other words; as first word they are
/// handled before.
fn parse_arguments(arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let strict = command().try_get_matches_from(arguments);
    if strict.as_ref().is_err_and(|help| help.exit_code() == 0) {
        return strict;
    }
    // The flags that are not understood may belong to them.
    let lenient = command().ignore_errors(true).try_get_matches_from(arguments).ok();
    let action = lenient.as_ref().and_then(|matches| matches.get_one("action"));
    let name = match action {
        Some(CommandName::Verify) => "verify",
        Some(CommandName::Doctor) => "doctor",
        _ => return strict,
    };
    let text = format!(
        "{name} comes first and has flags of its own, none of the server's: \
         uringcast-server {name} --help\n"
    );
    Err(clap::Error::raw(ErrorKind::ArgumentConflict, text))
}

/// The name of a preset that there is.
fn preset_name(name: &str) -> Result<&'static str, clap::Error> {
    let preset = <&Preset>::parse(name).map_err(|invalid| {
        let text = format!("presets {name}: {}. {}\n", invalid.reason, invalid.remedy);
        clap::Error::raw(ErrorKind::InvalidValue, text)
    })?;
    Ok(&preset.name)
}

fn add_flags(matches: &ArgMatches, sources: &mut Sources) {
    for setting in TABLE {
        if let Some(values) = matches.get_many::<String>(setting.name) {
            let source = Source::Flag(format!("--{}", setting.flag()));
            sources.add(setting.name, values.cloned().collect(), source);
        }
    }
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
    format!("Did you mean {nearest}? --help lists all settings.")
}

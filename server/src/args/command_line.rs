//! The command line as clap has it: parser, help, completions and manual come from one tree.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint, value_parser};

use super::{SERVE, TAKE_OVER};
use crate::commands::{
    CompletionsOptions, ManOptions, PubOptions, SubOptions, TokenOptions, TopOptions,
};
use crate::diagnostics::{doctor, verify};
use crate::settings::{Setting, TABLE, defaults};

const ABOUT_SETTINGS: &str = "\
Each setting is taken from the first of: flag, environment, configuration file, preset, default.
TOML keys are the flags' names with underscores.
Sizes take KiB, MiB and GiB; times take ms, s, m and h.";

const EXAMPLES: &str = "\
Examples:
  uringcast-server                           ws on 127.0.0.1:8765, HTTP on :8766
  uringcast-server --config uringcast.toml   flags are settings, with or without serve
  uringcast-server sub ws://localhost:8765 orders:7
  uringcast-server pub http://localhost:8766 orders:7 order.paid '{\"amount\":12}'
  uringcast-server top http://localhost:8766

All settings: uringcast-server serve --help. Of a command: uringcast-server help COMMAND.";

/// The commands as the overview groups them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Serve", &[SERVE, "check-config", "classes", "presets"]),
    ("Send and receive", &["sub", "pub", "token"]),
    ("Look after it", &["top", "verify", "doctor"]),
    ("Set up", &["completions", "man"]),
];

/// The command line. The flags of the server are made from the table of settings.
pub fn command() -> Command {
    let switch = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let with_settings = |name, about| {
        let command = Command::new(name).about(about).after_help(ABOUT_SETTINGS);
        command.max_term_width(100).args(settings_flags())
    };
    let commands = [
        with_settings(SERVE, "Serves until a signal: what the program does without a command")
            .arg(take_over()),
        with_settings("check-config", "Checks the configuration and prints what is in force")
            .arg(switch("changed", "Print only what differs from the defaults"))
            .arg(switch("json", "Print JSON: each value with its source")),
        with_settings("classes", "Prints what is promised for which channels, and why")
            .arg(Arg::new("name").value_name("NAME").num_args(..).help(
                "Channels, each with its class, every value and where it comes from; without any \
                 the table of classes",
            ))
            .arg(switch("json", "Print JSON")),
        Command::new("presets")
            .about("Prints the presets, or one of them as a file")
            .arg(Arg::new("name").value_name("NAME").help("The preset; without it all"))
            .arg(switch("json", "Print everything in them, or in the one, as JSON")),
        SubOptions::command().name("sub"),
        PubOptions::command().name("pub"),
        TokenOptions::command().name("token"),
        TopOptions::command().name("top"),
        verify::Options::command().name("verify"),
        doctor::Options::command().name("doctor"),
        CompletionsOptions::command().name("completions"),
        ManOptions::command().name("man"),
    ];
    let overview = overview(&commands);
    Command::new("uringcast-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Broadcasts messages to WebSocket clients")
        .after_help(ABOUT_SETTINGS)
        .override_help(overview)
        .args(settings_flags())
        .arg(take_over())
        .subcommands(commands)
}

/// The flag of a start that takes over from a running server.
fn take_over() -> Arg {
    Arg::new(TAKE_OVER)
        .long("take-over")
        .value_name("PATH")
        .help_heading("Running")
        .help(
            "Take all connections over from the server whose handover_socket this is, without \
             closing any; it then ends",
        )
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
}

/// What `--help` prints: the commands and how to begin, on one screen.
fn overview(commands: &[Command]) -> String {
    let mut text = String::from(
        "Broadcasts messages to WebSocket clients\n\nUsage: uringcast-server [COMMAND] [FLAGS]\n",
    );
    for (group, names) in GROUPS {
        text += &format!("\n{group}:\n");
        for command in commands.iter().filter(|command| names.contains(&command.get_name())) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            text += &format!("  {:13}{about}\n", command.get_name());
        }
    }
    text + "\n" + EXAMPLES
}

fn settings_flags() -> impl Iterator<Item = Arg> {
    TABLE.iter().zip(defaults()).map(|(setting, default)| flag(setting, default))
}

fn flag(setting: &Setting, default: Option<String>) -> Arg {
    let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.hint)
        .help_heading(setting.group)
        .help(format!("{}{default} [env: {}]", setting.help, setting.variable()))
        .value_hint(if setting.hint == "PATH" { ValueHint::FilePath } else { ValueHint::Unknown })
        .action(if setting.many { ArgAction::Append } else { ArgAction::Set });
    if setting.switch {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg
    }
}

//! The pages of the documentation that are made from the code: each below its first heading.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;

use clap::{ArgAction, Command, CommandFactory};
use uringcast_server::diagnostics::check_report::Kind;
use uringcast_server::diagnostics::{doctor, verify};
use uringcast_server::presets;
use uringcast_server::settings::{TABLE, defaults};

/// Compares a page with what the code makes of it, or writes it anew. The text above its first
/// section is the page's own. Returns the page.
fn compare(name: &str, sections: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let written = std::fs::read_to_string(&path).unwrap();
    let head = written.split("\n## ").next().unwrap();
    let wanted = format!("{head}{sections}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            written == wanted,
            "run UPDATE_DOCS=1 cargo test -p uringcast-server --test wire pages::"
        );
    }
    wanted
}

#[test]
fn every_setting_is_documented() {
    let mut text = String::new();
    let mut group = "";
    for (setting, default) in TABLE.iter().zip(defaults()) {
        if setting.group != group {
            group = setting.group;
            text += &format!("\n## {group}\n\n| key | value | default | reload | meaning |\n");
            text += "|---|---|---|---|---|\n";
        }
        let default = default.map_or("–".into(), |default| format!("`{default}`"));
        let hint = setting.hint.replace('|', "\\|");
        let reload = if setting.is_live { "yes" } else { "restart" };
        let (name, help) = (setting.name, setting.help);
        text += &format!("| `{name}` | {hint} | {default} | {reload} | {help} |\n");
    }
    compare("SETTINGS.md", &text);
}

#[test]
fn every_flag_and_check_of_verify_and_doctor_is_documented() {
    let mut text = String::new();
    add(&mut text, verify::Options::command(), verify::CHECKS);
    add(&mut text, doctor::Options::command(), doctor::CHECKS);
    let page = compare("CHECKS.md", &text);
    for word in ["--control-port PORT", "`--tls`", "`certificate`", "--connections N", "`memlock`"]
    {
        assert!(page.contains(word), "{word} is not in:\n{page}");
    }
    for command in [verify::Options::command(), doctor::Options::command()] {
        command.debug_assert();
    }
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

#[test]
fn the_catalogue_of_events_is_the_presets() {
    let mut text = String::new();
    for preset in presets::all() {
        writeln!(text, "\n## {}\n\n{}.", preset.name, preset.about).unwrap();
        for channel in &preset.channels {
            writeln!(text, "\n### `{}`\n", channel.name).unwrap();
            let needed = channel.permissions.join("` or `");
            if !needed.is_empty() {
                writeln!(text, "To subscribe: permission `{needed}`.\n").unwrap();
            }
            if let Some(request) = &channel.request {
                let data = request.key.as_ref().map_or("{}".into(), |key| format!("{{{key}}}"));
                let event = &request.event;
                writeln!(text, "Status: request `{event}` with data `{data}`.\n").unwrap();
            }
            text += "| event | data, for example |\n|---|---|\n";
            for event in &channel.events {
                writeln!(text, "| `{}` | `{}` |", event.name, event.data).unwrap();
            }
        }
    }
    let page = compare("EVENTS.md", &text);
    assert!(page.contains("dhruva has no permissions"));
}

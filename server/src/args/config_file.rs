//! The configuration file: settings, and with `[[service]]` entries those of several services.

use std::path::Path;

use uringcast_engine::limits::MAX_SERVICES;

use super::remedy;
use crate::read_files;
use crate::settings::{Problem, Setting, Source, Sources, TABLE, nearest};

/// The key of the entries.
const SERVICE: &str = "service";

/// The contents of a file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// For the process and all services.
    pub(super) top: Sources,
    /// For each service of a fleet.
    pub(super) services: Vec<Sources>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<File, Vec<Problem>> {
    let source = Source::File(path.to_owned());
    let text = read_files::read("config", path).map_err(|problem| vec![problem])?;
    // Put in place of other bytes, U+FFFD would make a name that is nobody's.
    let text = String::from_utf8(text).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let reason = format!("line {line} is not UTF-8");
        vec![Problem::new("config", source.clone(), reason, "Save the file as UTF-8.")]
    })?;
    let mut table: toml::Table = toml::from_str(&text).map_err(|error| {
        // Its Display quotes the line, and that line may hold the API key.
        let line = error.span().map_or(1, |at| 1 + text[..at.start].matches('\n').count());
        let reason = format!("line {line} is not TOML: {}", error.message());
        vec![Problem::new("config", source.clone(), reason, "Mend the file.")]
    })?;
    let mut problems = Vec::new();
    let mut file = File::default();
    let entries = table.remove(SERVICE);
    let known: Vec<&Setting> = TABLE.iter().filter(|setting| setting.name != "config").collect();
    add(table, &known, &source, &mut file.top, &mut problems);
    match entries.map(|entries| entries.try_into::<Vec<toml::Table>>()) {
        None => {}
        Some(Ok(entries)) if (1..=MAX_SERVICES).contains(&entries.len()) => {
            let own = known.into_iter().filter(|setting| setting.of_a_service);
            let known: Vec<&Setting> = own.collect();
            for (place, entry) in entries.into_iter().enumerate() {
                let name = name_of(&entry, place);
                let source = Source::Entry(format!("{}, service {name}", path.display()));
                let mut sources = Sources::default();
                add(entry, &known, &source, &mut sources, &mut problems);
                file.services.push(sources);
            }
        }
        Some(_) => {
            let reason = format!("is no list of 1 to {MAX_SERVICES} tables");
            let remedy = "Write each service under a line [[service]].";
            problems.push(Problem::new(SERVICE, source, reason, remedy));
        }
    }
    if problems.is_empty() { Ok(file) } else { Err(problems) }
}

/// The name of an entry in messages.
fn name_of(entry: &toml::Table, place: usize) -> String {
    let text = |key| entry.get(key).and_then(toml::Value::as_str);
    let name = text("server_name").or_else(|| text("preset"));
    name.map_or_else(|| format!("{}", place + 1), str::to_owned)
}

fn add(
    table: toml::Table,
    known: &[&Setting],
    source: &Source,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) {
    for (key, value) in table {
        let Some(setting) = known.iter().find(|setting| setting.name == key) else {
            let is_entry = matches!(source, Source::Entry(..));
            let (reason, remedy) = if is_entry && Setting::find(&key).is_some() {
                let remedy = "Move it before the first [[service]].".into();
                ("is a setting of all services together", remedy)
            } else {
                let entries = matches!(source, Source::File(..)).then_some(SERVICE);
                let remedy = match nearest(&key, known.iter().map(|s| s.name).chain(entries)) {
                    SERVICE => "Did you mean [[service]]? Each begins with that line.".into(),
                    name => remedy(name),
                };
                ("there is no such setting", remedy)
            };
            problems.push(Problem::new(&key, source.clone(), reason, remedy));
            continue;
        };
        match texts(value) {
            Some(texts) => sources.add(setting.name, texts, source.clone()),
            None => {
                let remedy = format!("Write it as {} = {}.", setting.name, setting.hint);
                let reason = "is neither a text, a number, true, false nor a list of these";
                problems.push(Problem::new(&key, source.clone(), reason, remedy));
            }
        }
    }
}

/// A value as the texts that a flag would give.
pub(super) fn texts(value: toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text]),
        toml::Value::Integer(n) => Some(vec![n.to_string()]),
        // `tls_min_version = 1.3` is what one would write.
        toml::Value::Float(n) => Some(vec![n.to_string()]),
        toml::Value::Boolean(b) => Some(vec![b.to_string()]),
        toml::Value::Array(items) => {
            Some(items.into_iter().map(texts).collect::<Option<Vec<_>>>()?.concat())
        }
        _ => None,
    }
}

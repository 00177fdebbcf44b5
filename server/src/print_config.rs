//! `check-config`: the configuration in force, as a file that would give it, or as JSON.

use serde_json::{Map, Value, json};

use crate::settings::{Setting, Settings, Source, TABLE, defaults};

/// Every setting as TOML, with its source as a comment. Secrets are masked, and commented out so
/// that the mask cannot become the key. The services of a fleet follow the process's settings.
pub fn render(settings: &Settings) -> String {
    toml(settings, &every(settings))
}

/// The same, with only the settings that differ from the default. A file with these lines gives the
/// same configuration.
pub fn render_changed(settings: &Settings) -> String {
    toml(settings, &changed(settings))
}

/// The configuration as an object: `settings` by name, each with `value` and `source`, and
/// `services`, a list of the same, where there are several. Secrets are masked.
pub fn json(settings: &Settings, only_changed: bool) -> Value {
    let wanted = if only_changed { changed } else { every };
    let object = |of: &Settings, rows: Vec<Row>| -> Map<String, Value> {
        let entry = |row: Row| {
            // The texts are TOML that values of ours have made.
            let parsed = |text: &String| toml::from_str::<Value>(&format!("v = {text}")).ok();
            let value = row.value.as_ref().and_then(parsed).map(|mut table| table["v"].take());
            let source = of.source(row.setting.name).to_string();
            (row.setting.name.to_owned(), json!({"value": value, "source": source}))
        };
        rows.into_iter().map(entry).collect()
    };
    let Parts { process, services } = wanted(settings);
    let mut all = json!({"settings": object(settings, process)});
    if !settings.fleet.is_empty() {
        let both = settings.fleet.iter().zip(services);
        all["services"] = both.map(|(service, rows)| json!(object(service, rows))).collect();
    }
    all
}

/// A setting and its value.
#[derive(Clone)]
struct Row {
    setting: &'static Setting,
    value: Option<String>,
}

/// The rows of the process, which of a single service are all, and those of each of several.
struct Parts {
    process: Vec<Row>,
    services: Vec<Vec<Row>>,
}

fn every(settings: &Settings) -> Parts {
    let alone = settings.fleet.is_empty();
    let rows = |of: &Settings, wanted: &dyn Fn(&Setting) -> bool| -> Vec<Row> {
        let all = TABLE.iter().zip(of.shown()).map(|(setting, value)| Row { setting, value });
        all.filter(|row| wanted(row.setting)).collect()
    };
    let process = rows(settings, &|setting| alone || !setting.of_a_service);
    let fleet = settings.fleet.iter();
    Parts { process, services: fleet.map(|of| rows(of, &|setting| setting.of_a_service)).collect() }
}

fn changed(settings: &Settings) -> Parts {
    let defaults = defaults();
    let differs = |row: &Row| {
        let place = TABLE.iter().position(|setting| setting.name == row.setting.name);
        place.and_then(|place| defaults.get(place)) != Some(&row.value)
    };
    let mut parts = every(settings);
    parts.process.retain(differs);
    parts.services.iter_mut().for_each(|rows| rows.retain(differs));
    parts
}

fn toml(settings: &Settings, parts: &Parts) -> String {
    let mut text = list(settings, &parts.process);
    for (service, rows) in settings.fleet.iter().zip(&parts.services) {
        text += "\n[[service]]\n";
        text += &list(service, rows);
    }
    text
}

fn list(settings: &Settings, rows: &[Row]) -> String {
    let mut text = String::new();
    let mut group = "";
    for Row { setting, value } in rows {
        if setting.group != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            group = setting.group;
            text += &format!("{gap}# {group}\n");
        }
        let source = settings.source(setting.name);
        let name = setting.name;
        text += &match value {
            // A file cannot name a file.
            Some(value) if setting.secret || name == "config" => {
                format!("# {name} = {value}  # {source}\n")
            }
            Some(value) => format!("{name} = {value}  # {source}\n"),
            None if source == Source::Default => format!("# {name} is not set\n"),
            None => format!("# {name} is not set  # {source}\n"),
        };
    }
    text
}

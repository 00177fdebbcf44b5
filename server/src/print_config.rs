//! `check-config`: the configuration in force, as a file that would give it.

use crate::settings::{Setting, Settings, Source, TABLE};

/// Every setting as TOML, with its source as a comment. Secrets are masked, and commented out so
/// that the mask cannot become the key. The services of a fleet follow the process's settings.
pub fn render(settings: &Settings) -> String {
    if settings.fleet.is_empty() {
        return list(settings, |_| true);
    }
    let mut text = list(settings, |setting| !setting.of_a_service);
    for service in &settings.fleet {
        text += "\n[[service]]\n";
        text += &list(service, |setting| setting.of_a_service);
    }
    text
}

fn list(settings: &Settings, wanted: impl Fn(&Setting) -> bool) -> String {
    let mut text = String::new();
    let mut group = "";
    let rows = TABLE.iter().zip(settings.shown());
    for (setting, value) in rows.filter(|(setting, _)| wanted(setting)) {
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

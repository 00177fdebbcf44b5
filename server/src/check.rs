//! `check-config`: the configuration in force, as a file that would give it.

use crate::settings::{Settings, Source, TABLE};

/// Every setting as TOML, with its source as a comment. Secrets are masked, and commented out so
/// that the mask cannot become the key.
pub fn render(settings: &Settings) -> String {
    let mut text = String::new();
    let mut group = "";
    for (setting, value) in TABLE.iter().zip(settings.shown()) {
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

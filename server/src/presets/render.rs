//! The presets for readers: a table, JSON, and docs/EVENTS.md.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Channel, Preset, all};

/// All presets, one a line.
pub fn table() -> String {
    let mut text = format!(
        "{:14} {:>5} {:>7} {:>11} {:>6}  {}\n",
        "NAME", "PORT", "METRICS", "CONNECTIONS", "RATE", "WHAT"
    );
    for preset in all() {
        let number = |name| preset.setting(name).map_or("–".into(), ToString::to_string);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:14} {:>5} {:>7} {:>11} {:>6}  {}",
            preset.name,
            number("port"),
            number("metrics_port"),
            number("max_connections"),
            number("message_rate"),
            preset.about
        );
    }
    text
}

/// All presets with everything in them.
pub fn json() -> Value {
    all().iter().map(Preset::json).collect()
}

impl Preset {
    /// Everything in it.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "about": self.about,
            "environment": self.environment,
            "admin": self.admin,
            "settings": self.settings,
            "welcome": self.welcome,
            "variables": self.variables,
            "channels": self.channels.iter().map(|each| channel(self, each)).collect::<Value>(),
        })
    }
}

fn channel(preset: &Preset, channel: &Channel) -> Value {
    let event = |event: &super::Event| {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        json!({"name": event.name, "data": data})
    };
    let request = channel.request.as_ref();
    json!({
        "name": channel.name,
        "permissions": preset.permissions_for(channel),
        "request": request.map(|r| json!({"event": r.event, "key": r.key})),
        "events": channel.events.iter().map(event).collect::<Value>(),
    })
}

/// docs/EVENTS.md.
pub fn events() -> String {
    let mut text = String::from(include_str!("events_head.md"));
    for preset in all() {
        let _ = writeln!(text, "\n## {}\n\n{}.", preset.name, preset.about);
        for channel in &preset.channels {
            let _ = writeln!(text, "\n### `{}`\n", channel.name);
            let needed = preset.permissions_for(channel).join("` or `");
            if !needed.is_empty() {
                let _ = writeln!(text, "To subscribe: permission `{needed}`.\n");
            }
            if let Some(request) = &channel.request {
                let data = request.key.as_ref().map_or("{}".into(), |key| format!("{{{key}}}"));
                let _ = writeln!(text, "Status: request `{}` with data `{data}`.\n", request.event);
            }
            text += "| event | data, for example |\n|---|---|\n";
            for event in &channel.events {
                let _ = writeln!(text, "| `{}` | `{}` |", event.name, event.data);
            }
        }
    }
    text
}

//! What differs between the settings of a running server and those that its sources give now.

use super::sources::Sources;
use super::{Problems, Setting, Settings, TABLE};

/// What is different.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What a running server takes over, such as `log_level "info" -> "debug"`.
    pub live: Vec<String>,
    /// What only a restart takes over.
    pub needs_restart: Vec<String>,
}

impl Changes {
    /// Compares `new` with the settings in force: those that the server started with, and for those
    /// that it takes over while it runs `running`. All have the same services. Secrets are compared
    /// and not shown.
    pub fn between(started: &Settings, running: &Settings, new: &Settings) -> Changes {
        let mut changes = Changes::default();
        let is_fleet = !new.fleet.is_empty();
        let of_process = |setting: &Setting| !(is_fleet && setting.of_a_service);
        changes.add("", [started, running, new], of_process);
        let services = started.fleet.iter().zip(&running.fleet).zip(&new.fleet);
        for ((started, running), new) in services {
            let place = format!("{}.", new.server_name.0);
            changes.add(&place, [started, running, new], |setting| setting.of_a_service);
        }
        changes
    }

    fn add(
        &mut self,
        place: &str,
        [started, running, new]: [&Settings; 3],
        is_wanted: impl Fn(&Setting) -> bool,
    ) {
        let shown = [started.shown(), running.shown(), new.shown()];
        for (row, setting) in TABLE.iter().enumerate().filter(|(_, setting)| is_wanted(setting)) {
            let (old, before) = match setting.is_live {
                true => (running, &shown[1][row]),
                false => (started, &shown[0][row]),
            };
            let (after, name) = (&shown[2][row], setting.name);
            let change = if setting.secret {
                let is_same = old.sources.texts(name) == new.sources.texts(name);
                (!is_same).then(|| format!("{place}{name} is another"))
            } else {
                let text = |value: &Option<String>| value.clone().unwrap_or("nothing".into());
                (before != after)
                    .then(|| format!("{place}{name} {} -> {}", text(before), text(after)))
            };
            match setting.is_live {
                true => self.live.extend(change),
                false => self.needs_restart.extend(change),
            }
        }
    }
}

impl Settings {
    /// These settings with what a running server takes over of `new`, which has the same services.
    ///
    /// # Errors
    /// None, as both were read before.
    pub fn with_live(&self, new: &Settings) -> Result<Settings, Problems> {
        let fleet = self.fleet.iter().zip(&new.fleet);
        let fleet = fleet.map(|(old, new)| old.with_live(new)).collect::<Result<_, _>>()?;
        let mut sources = Sources::default();
        for setting in TABLE {
            let from = if setting.is_live { &new.sources } else { &self.sources };
            sources.copy(setting.name, from);
        }
        Ok(Settings { fleet, ..Settings::read(sources)? })
    }
}

#[cfg(test)]
mod tests;

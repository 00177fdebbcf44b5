//! A setting as the table has it.

use super::{ENV_PREFIX, TABLE};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The TOML key; flag and environment variable follow from it.
    pub name: &'static str,
    /// Its heading in help texts and documents.
    pub group: &'static str,
    /// What it means.
    pub help: &'static str,
    /// The placeholder of its value in help texts.
    pub hint: &'static str,
    /// Whether several values may be given.
    pub many: bool,
    /// Whether the flag alone means true.
    pub switch: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Whether each service of a fleet may have its own. Those marked `(process)` in the table
    /// are settings of the process.
    pub of_a_service: bool,
    /// Whether a running server takes a new value over. Those marked `[live]` in the table are.
    pub is_live: bool,
}

impl Setting {
    /// The setting of this name.
    pub fn find(name: &str) -> Option<&'static Setting> {
        TABLE.iter().find(|setting| setting.name == name)
    }

    /// The flag without its dashes: `max-connections`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable: `URINGCAST_MAX_CONNECTIONS`.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_ascii_uppercase())
    }
}

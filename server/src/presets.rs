//! The services of the original family as data: `server/presets/NAME.toml`, one each.

mod render;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use uringcast_engine::StatusRequest;

pub use render::{events, json, table};

/// One service: its settings, channels, permissions, requests and events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name, and the `server` of its welcome message and metrics.
    pub name: String,
    /// What it tells about, in a few words.
    pub about: String,
    /// What its TLS variables begin with: `{environment}_TLS_ENABLED`.
    pub environment: String,
    /// What its clients speak.
    #[serde(default)]
    pub protocol: PresetProtocol,
    /// Permissions that stand for all others.
    #[serde(default)]
    pub admin: Vec<String>,
    /// Values of settings.
    pub settings: BTreeMap<String, toml::Value>,
    /// Further keys of the welcome message, and the setting that each repeats.
    #[serde(default)]
    pub welcome: BTreeMap<String, String>,
    /// Further environment variables by the setting they give; the first that is set counts.
    #[serde(default)]
    pub variables: BTreeMap<String, Vec<String>>,
    /// What clients subscribe to.
    #[serde(rename = "channel")]
    pub channels: Vec<Channel>,
    #[serde(skip)]
    text: &'static str,
}

/// What a preset's clients speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetProtocol {
    /// The family's envelope.
    #[default]
    Envelope,
    /// session-buddy's own protocol.
    Metrics,
}

/// A channel, or as many as there are values for the `{…}` in its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Such as `pool:{pool_id}`.
    pub name: String,
    /// Of which a client needs one to subscribe, where authentication is on.
    #[serde(default)]
    permissions: Vec<String>,
    /// The request that is answered with the channel's last event.
    pub request: Option<Request>,
    /// What is published on it.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
}

/// A request for a channel's status.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its `event`.
    pub event: String,
    /// The key of its `data` that says which.
    pub key: Option<String>,
}

/// An event with an example.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The envelope's `event`.
    pub name: String,
    /// An example of its `data`.
    pub data: String,
}

impl Channel {
    /// The name up to the part that differs.
    pub fn prefix(&self) -> &str {
        self.name.split('{').next().unwrap_or(&self.name)
    }
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        const TEXTS: &[&str] = &[$(include_str!(concat!("../presets/", $name, ".toml"))),+];
    };
}

presets!(
    "mahavishnu",
    "crackerjack",
    "session-buddy",
    "akosha",
    "fastblocks",
    "excalidraw",
    "dhruva",
);

static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let read = |text: &'static str| {
        let preset: Preset = toml::from_str(text).expect("our own presets are well formed");
        Preset { text, ..preset }
    };
    TEXTS.iter().map(|text| read(text)).collect()
});

/// All of them.
pub fn all() -> &'static [Preset] {
    &ALL
}

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    all().iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The file it is.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The value it gives a setting, as TOML.
    pub fn setting(&self, name: &str) -> Option<&toml::Value> {
        self.settings.get(name)
    }

    /// Of which a client needs one to subscribe to a channel: as in the original servers, what is
    /// not said is for administrators.
    pub fn permissions_for<'a>(&'a self, channel: &'a Channel) -> &'a [String] {
        if channel.permissions.is_empty() { &self.admin } else { &channel.permissions }
    }

    /// `PREFIX=PERMISSION` of each channel, and of all channels that the preset does not name.
    pub fn permissions(&self) -> Vec<String> {
        let needs = |channel: &Channel| {
            let prefix = channel.prefix().to_owned();
            let needed = self.permissions_for(channel).to_vec();
            needed.into_iter().map(move |needed| format!("{prefix}={needed}"))
        };
        let others = self.admin.iter().map(|needed| format!("*={needed}"));
        self.channels.iter().flat_map(needs).chain(others).collect()
    }

    /// The requests that the engine answers from a channel's last event.
    pub fn requests(&self) -> Vec<StatusRequest> {
        let request = |channel: &Channel| {
            let Request { event, key } = channel.request.as_ref()?;
            let rest = channel.name.strip_prefix(channel.prefix()).filter(|rest| !rest.is_empty());
            let name = format!("{}{}", channel.prefix(), rest.map_or("", |_| "{}"));
            Some(StatusRequest { event: event.clone(), key: key.clone(), channel: name })
        };
        self.channels.iter().filter_map(request).collect()
    }
}

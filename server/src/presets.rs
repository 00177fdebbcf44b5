//! The services of the original family as data: `server/presets/NAME.toml`, one each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use uringcast_engine::StatusRequest;

/// One service: its settings, channels, permissions, requests and events.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name, and the `server` of its welcome message and metrics.
    pub name: String,
    /// What the service publishes, in a few words.
    pub about: String,
    /// What its TLS variables begin with: `{environment}_TLS_ENABLED`.
    pub environment: String,
    /// The protocol of its clients.
    #[serde(default, skip_serializing)]
    pub protocol: PresetProtocol,
    /// Permissions that include all others.
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
    #[serde(rename(deserialize = "channel"))]
    pub channels: Vec<Channel>,
    /// The file it is.
    #[serde(skip)]
    pub text: &'static str,
}

/// The protocol of a preset's clients.
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
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Such as `pool:{pool_id}`.
    pub name: String,
    /// Of which a client needs one to subscribe, where authentication is on. As in the original
    /// servers, a channel for which the file names none is for administrators.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The request that is answered with the channel's last event.
    pub request: Option<Request>,
    /// What is published on it.
    #[serde(default, rename(deserialize = "event"))]
    pub events: Vec<Event>,
}

/// A request for a channel's status.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its `event`.
    pub event: String,
    /// The key of its `data` that selects the channel.
    pub key: Option<String>,
}

/// An event with an example.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The envelope's `event`.
    pub name: String,
    /// An example of its `data`.
    #[serde(serialize_with = "as_json")]
    pub data: String,
}

/// Writes a text that holds JSON as that JSON.
fn as_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<Value>(text).unwrap_or_default().serialize(serializer)
}

impl Channel {
    /// The name up to the part that differs.
    pub fn prefix(&self) -> &str {
        self.name.split('{').next().unwrap_or(&self.name)
    }
}

const TEXTS: [&str; 7] = [
    include_str!("../presets/mahavishnu.toml"),
    include_str!("../presets/crackerjack.toml"),
    include_str!("../presets/session-buddy.toml"),
    include_str!("../presets/akosha.toml"),
    include_str!("../presets/fastblocks.toml"),
    include_str!("../presets/excalidraw.toml"),
    include_str!("../presets/dhruva.toml"),
];

/// All of them.
pub fn all() -> &'static [Preset] {
    static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| TEXTS.map(read).into());
    &ALL
}

fn read(text: &'static str) -> Preset {
    let preset: Preset = toml::from_str(text).expect("our own presets are well formed");
    let mut preset = Preset { text, ..preset };
    for channel in preset.channels.iter_mut().filter(|channel| channel.permissions.is_empty()) {
        channel.permissions.clone_from(&preset.admin);
    }
    preset
}

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    all().iter().find(|preset| preset.name == name)
}

/// A table of all presets, one a line.
pub fn table() -> String {
    let line = |name: &str, [port, metrics, connections, rate]: [String; 4], about: &str| {
        format!("{name:14} {port:>5} {metrics:>7} {connections:>11} {rate:>6}  {about}\n")
    };
    let heads = ["PORT", "METRICS", "CONNECTIONS", "RATE"].map(String::from);
    let settings = ["port", "metrics_port", "max_connections", "message_rate"];
    let rows = all().iter().map(|preset| {
        let cell = |name| preset.settings.get(name).map_or("–".into(), ToString::to_string);
        line(&preset.name, settings.map(cell), &preset.about)
    });
    std::iter::once(line("NAME", heads, "WHAT")).chain(rows).collect()
}

impl Preset {
    /// `PREFIX=PERMISSION` of each channel, and of all channels that the preset does not name.
    pub fn permissions(&self) -> Vec<String> {
        let own = self.channels.iter().flat_map(|channel| {
            let prefix = channel.prefix();
            channel.permissions.iter().map(move |needed| format!("{prefix}={needed}"))
        });
        own.chain(self.admin.iter().map(|needed| format!("*={needed}"))).collect()
    }

    /// The requests that the engine answers from a channel's last event.
    pub fn requests(&self) -> Vec<StatusRequest> {
        let request = |channel: &Channel| {
            let Request { event, key } = channel.request.as_ref()?;
            let varies = if channel.name.contains('{') { "{}" } else { "" };
            let name = format!("{}{varies}", channel.prefix());
            Some(StatusRequest { event: event.clone(), key: key.clone(), channel: name })
        };
        self.channels.iter().filter_map(request).collect()
    }
}

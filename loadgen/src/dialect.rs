//! How to talk to servers other than Uringcast: templates for what is sent, and texts by which
//! answers are known. A stamp is found wherever it stands, so deliveries need no template.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use memchr::memmem;
use serde::Deserialize;

use crate::schedule::Channel;

/// What this program brings along.
const READY: [(&str, &str); 8] = [
    ("centrifugo", include_str!("../dialects/centrifugo.toml")),
    ("mcp-common", include_str!("../dialects/mcp-common.toml")),
    ("nats", include_str!("../dialects/nats.toml")),
    ("nchan", include_str!("../dialects/nchan.toml")),
    ("phoenix", include_str!("../dialects/phoenix.toml")),
    ("pusher", include_str!("../dialects/pusher.toml")),
    ("socket.io", include_str!("../dialects/socket.io.toml")),
    ("topics", include_str!("../dialects/topics.toml")),
];

/// Bytes of a refusal that become its code.
const CODE: usize = 80;

/// One dialect, as its file writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Dialect {
    pub(crate) about: String,
    /// Path and query of subscribers, where the URL has none. `{channel}` is the first channel.
    pub(crate) path: String,
    /// The name of a channel, of its `{number}`.
    pub(crate) channel: String,
    /// Whole header lines of the upgrade.
    pub(crate) headers: Vec<String>,
    /// Messages are sent in binary frames.
    pub(crate) binary: bool,
    /// What stands between several messages of one frame.
    pub(crate) separator: String,
    /// Sent after the upgrade.
    pub(crate) hello: Vec<Step>,
    /// Sent for each channel.
    pub(crate) subscribe: Vec<Step>,
    /// What the server sends to see who is there.
    pub(crate) heartbeat: Vec<Heartbeat>,
    /// Texts of which a refusal has one.
    pub(crate) refused: Vec<String>,
    pub(crate) publish: Publication,
    /// Names that templates may use, with what they stand for unless `--dialect-option` says so.
    pub(crate) options: BTreeMap<String, String>,
}

/// Something to send, and what must come before the next step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// Nothing is sent if it is empty.
    pub(crate) send: String,
    /// Texts that the answer has, all of them, white space left out. None is awaited if empty.
    pub(crate) until: Vec<String>,
    /// What of the answer `{captured}` is: the text between these two.
    pub(crate) capture: Option<[String; 2]>,
}

/// A question of the server, which is a whole message, and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Heartbeat {
    pub(crate) receive: String,
    pub(crate) send: String,
}

/// How to publish: by `send` over a WebSocket, or by `http-body` to `http-path`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Publication {
    /// Of the publishers' upgrade, if it is another than that of subscribers.
    pub(crate) path: String,
    /// Publishers subscribe first.
    pub(crate) joins: bool,
    pub(crate) send: String,
    /// Texts that the answer to an accepted message has. Without any no answer is awaited.
    pub(crate) accepted: Vec<String>,
    pub(crate) http_path: String,
    pub(crate) http_headers: Vec<String>,
    pub(crate) http_body: String,
}

impl FromStr for Dialect {
    type Err = String;

    /// The name of a ready one, or of a TOML file.
    fn from_str(name: &str) -> Result<Self, String> {
        if let Some((_, text)) = READY.iter().find(|(known, _)| *known == name) {
            return parse(text);
        }
        if Path::new(name).extension().is_none_or(|ending| ending != "toml") {
            let known = READY.map(|(known, _)| known).join(", ");
            return Err(format!("give uringcast, {known}, or a .toml file with templates"));
        }
        let text = std::fs::read_to_string(name).map_err(|error| error.to_string())?;
        parse(&text)
    }
}

fn parse(text: &str) -> Result<Dialect, String> {
    let dialect: Dialect = toml::from_str(text).map_err(|error| error.to_string())?;
    match (dialect.publish.send.is_empty(), dialect.publish.http_path.is_empty()) {
        (true, true) => Err("publish has neither send nor http-path".into()),
        (false, false) => Err("publish has both send and http-path: give one".into()),
        _ if !dialect.channel.contains("{number}") => Err("channel has no {number}".into()),
        _ => Ok(dialect),
    }
}

impl Dialect {
    /// Takes a `NAME=VALUE` for a name that the dialect has.
    ///
    /// # Errors
    /// When it has no such name.
    pub(crate) fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let names = self.options.keys().cloned().collect::<Vec<_>>().join(", ");
        let Some(place) = self.options.get_mut(name) else {
            return Err(format!("the dialect has no option {name}; it has: {names}"));
        };
        value.clone_into(place);
        Ok(())
    }

    /// Whether messages are published by HTTP.
    pub(crate) fn publishes_by_http(&self) -> bool {
        !self.publish.http_path.is_empty()
    }

    /// The name of a channel.
    pub(crate) fn name(&self, channel: Channel) -> String {
        self.channel.replace("{number}", &channel.0.to_string())
    }

    /// A template with these names, and the options, filled in. The last name may hold anything.
    pub(crate) fn fill(&self, template: &str, names: &[(&str, &str)]) -> String {
        let mut text = template.to_owned();
        let options = self.options.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in options.chain(names.iter().copied()) {
            let place = format!("{{{name}}}");
            if text.contains(&place) {
                text = text.replace(&place, value);
            }
        }
        text
    }

    /// The path of an upgrade, if the dialect says so.
    pub(crate) fn path_for(&self, publishes: bool, channel: &str) -> Option<String> {
        let own = if publishes { &self.publish.path } else { &self.path };
        let path = if own.is_empty() { &self.path } else { own };
        (!path.is_empty()).then(|| self.fill(path, &[("channel", channel)]))
    }

    /// The text, or the body, that publishes a document.
    pub(crate) fn publication(&self, channel: &str, id: u64, data: &str) -> String {
        let Publication { send, http_body, .. } = &self.publish;
        let template = if send.is_empty() { http_body } else { send };
        let text = match template.contains("{text}") {
            true => serde_json::json!(data).to_string(),
            false => String::new(),
        };
        let (id, size) = (id.to_string(), data.len().to_string());
        let names =
            [("channel", channel), ("id", &id), ("size", &size), ("text", &text), ("data", data)];
        self.fill(template, &names)
    }

    /// The messages of a frame.
    pub(crate) fn messages<'a>(&self, frame: &'a [u8]) -> Vec<&'a [u8]> {
        if self.separator.is_empty() {
            return vec![frame];
        }
        let separator = self.separator.as_bytes();
        let (mut parts, mut start) = (Vec::new(), 0);
        for at in memmem::find_iter(frame, separator) {
            parts.push(&frame[start..at]);
            start = at + separator.len();
        }
        parts.push(&frame[start..]);
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// What a refusal says, if the message is one.
    pub(crate) fn refusal(&self, message: &[u8]) -> Option<String> {
        let squeezed = squeezed(message);
        let refused = self.refused.iter().any(|text| has(&squeezed, text));
        refused.then(|| {
            let head = &message[..message.len().min(CODE)];
            String::from_utf8_lossy(head).trim().to_owned()
        })
    }

    /// The answer to a heartbeat, if the message is one.
    pub(crate) fn pulse(&self, message: &[u8]) -> Option<&str> {
        let message = message.trim_ascii();
        let known = self.heartbeat.iter().find(|one| one.receive.as_bytes() == message)?;
        Some(&known.send)
    }

    /// Whether the message has all these texts. It has none if there are none.
    pub(crate) fn matches(message: &[u8], texts: &[String]) -> bool {
        let squeezed = squeezed(message);
        !texts.is_empty() && texts.iter().all(|text| has(&squeezed, text))
    }
}

/// Without white space: servers print JSON with or without.
fn squeezed(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

fn has(squeezed: &[u8], text: &str) -> bool {
    memmem::find(squeezed, text.as_bytes()).is_some()
}

#[cfg(test)]
mod tests;

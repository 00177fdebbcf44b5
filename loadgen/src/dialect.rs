//! How to talk to servers other than Uringcast: templates for what is sent, and texts by which
//! answers are known. A stamp is found wherever it stands, so deliveries need no template.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use memchr::memmem::{self, Finder};
use serde::Deserialize;

use crate::schedule::Channel;

/// The id of the first publication of a connection; smaller ones are those of subscriptions.
pub(crate) const FIRST_ID: u64 = 1_000_000_000;

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
pub struct Dialect {
    /// Which server, in words.
    pub about: String,
    /// Path and query of subscribers, where the URL has none. `{channel}` is the first channel,
    /// `{channels}` all with commas between them.
    pub path: String,
    /// The name of a channel, of its `{number}`.
    pub channel: String,
    /// Whole header lines of the upgrade.
    pub headers: Vec<String>,
    /// Messages are sent in binary frames.
    pub binary: bool,
    /// What stands between several messages of one frame.
    pub separator: String,
    /// Frames cut messages anywhere: one ends with its separator.
    pub stream: bool,
    /// Sent after the upgrade.
    pub hello: Vec<Step>,
    /// Sent for each channel.
    pub subscribe: Vec<Step>,
    /// What the server sends to see whether a client is there.
    pub heartbeat: Vec<Heartbeat>,
    /// Texts of which a refusal has one.
    pub refused: Vec<String>,
    /// How to publish.
    pub publish: Publication,
    /// Names that templates may use, with what they stand for unless `--dialect-option` says so.
    pub options: BTreeMap<String, String>,
}

/// Something to send, and what must come before the next step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Nothing is sent if it is empty.
    pub send: String,
    /// Texts that the answer has, all of them, white space left out. None is awaited if empty.
    pub until: Vec<String>,
    /// What of the answer `{captured}` is: the text between these two.
    pub capture: Option<[String; 2]>,
}

/// A question of the server, which is a whole message, and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The question.
    pub receive: String,
    /// The answer; none if it is empty.
    pub send: String,
}

/// How to publish: by `send` over a WebSocket, or by `http-body` to `http-path`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Publication {
    /// Of the publishers' upgrade, if it is another than that of subscribers.
    pub path: String,
    /// Publishers subscribe first.
    pub joins: bool,
    /// A publisher's text.
    pub send: String,
    /// What a subscriber sends to publish over its connection, if it is something else.
    pub client_send: String,
    /// A subscriber that publishes does not get its own message.
    pub no_echo: bool,
    /// Texts that the answer to an accepted message has. Without any no answer is awaited.
    pub accepted: Vec<String>,
    /// Of a request.
    pub http_path: String,
    /// Whole header lines of a request.
    pub http_headers: Vec<String>,
    /// Of a request.
    pub http_body: String,
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
    pub fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let names = self.options.keys().cloned().collect::<Vec<_>>().join(", ");
        let Some(place) = self.options.get_mut(name) else {
            return Err(format!("the dialect has no option {name}; it has: {names}"));
        };
        value.clone_into(place);
        Ok(())
    }

    /// Whether messages are published by HTTP.
    pub fn publishes_by_http(&self) -> bool {
        !self.publish.http_path.is_empty()
    }

    /// The name of a channel.
    pub(crate) fn name(&self, channel: Channel) -> String {
        self.channel.replace("{number}", &channel.0.to_string())
    }

    /// A template with these names, and the options, filled in. The last name may hold anything.
    pub fn fill(&self, template: &str, names: &[(&str, &str)]) -> String {
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
    pub fn path_for(&self, publishes: bool, channels: &[String]) -> Option<String> {
        let channel = channels.first().map_or("", String::as_str);
        let own = if publishes { &self.publish.path } else { &self.path };
        let path = if own.is_empty() { &self.path } else { own };
        (!path.is_empty()).then(|| {
            let names = [("channel", channel), ("channels", &*channels.join(","))];
            self.fill(path, &names)
        })
    }

    /// The template of a publisher's text or body.
    pub fn template(&self) -> &str {
        let Publication { send, http_body, .. } = &self.publish;
        if send.is_empty() { http_body } else { send }
    }

    /// That of a subscriber's text, if it can publish over its connection.
    pub fn client_template(&self) -> Option<&str> {
        let Publication { send, client_send, path, .. } = &self.publish;
        let send = if client_send.is_empty() && path.is_empty() { send } else { client_send };
        (!send.is_empty()).then_some(send)
    }

    /// The text, or the body, that publishes a document.
    pub fn publication(&self, template: &str, channel: &str, id: u64, data: &str) -> String {
        let text = match template.contains("{text}") {
            true => serde_json::json!(data).to_string(),
            false => String::new(),
        };
        let (id, size) = (id.to_string(), data.len().to_string());
        let names =
            [("channel", channel), ("id", &id), ("size", &size), ("text", &text), ("data", data)];
        self.fill(template, &names)
    }

    /// Bytes of whole messages at the beginning of these.
    pub fn whole(&self, bytes: &[u8]) -> usize {
        if !self.stream {
            return bytes.len();
        }
        let separator = self.separator.as_bytes();
        memmem::rfind(bytes, separator).map_or(0, |at| at + separator.len())
    }

    /// The messages of a frame.
    pub fn messages<'a>(&self, frame: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let finder =
            (!self.separator.is_empty()).then(|| Finder::new(&self.separator).into_owned());
        let mut rest = Some(frame);
        let messages = std::iter::from_fn(move || {
            let bytes = rest.take()?;
            let Some((finder, at)) = finder.as_ref().and_then(|of| Some((of, of.find(bytes)?)))
            else {
                return Some(bytes);
            };
            rest = Some(&bytes[at + finder.needle().len()..]);
            Some(&bytes[..at])
        });
        messages.filter(|message| !message.is_empty())
    }

    /// What a refusal says, if the message is one.
    pub fn refusal(&self, message: &[u8]) -> Option<String> {
        let squeezed = squeezed(message);
        let refused = self.refused.iter().any(|text| has(&squeezed, text));
        refused.then(|| {
            let head = &message[..message.len().min(CODE)];
            String::from_utf8_lossy(head).trim().to_owned()
        })
    }

    /// The answer to a heartbeat, if the message is one.
    pub fn pulse(&self, message: &[u8]) -> Option<&str> {
        let message = message.trim_ascii();
        let known = self.heartbeat.iter().find(|one| one.receive.as_bytes() == message)?;
        Some(&known.send)
    }

    /// Whether the message is the answer to an accepted publication.
    pub(crate) fn accepts(&self, message: &[u8]) -> bool {
        !self.publish.accepted.is_empty() && matches(&squeezed(message), &self.publish.accepted)
    }
}

/// Whether a text without white space has all of these. It has none if there are none.
pub(crate) fn matches(squeezed: &[u8], texts: &[String]) -> bool {
    !texts.is_empty() && texts.iter().all(|text| has(squeezed, text))
}

/// Without white space: servers print JSON with or without.
pub(crate) fn squeezed(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

fn has(squeezed: &[u8], text: &str) -> bool {
    memmem::find(squeezed, text.as_bytes()).is_some()
}

#[cfg(test)]
mod tests;

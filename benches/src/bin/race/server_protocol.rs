//! How to talk to each server: which path, which first request, how to publish.

use clap::ValueEnum;
use uringcast_benches::client::frame;
use uringcast_loadgen::frame::Opcode;

use crate::envelope::{data, envelope};

/// Channels one subscribe request of ours may name.
const CHANNELS_PER_REQUEST: usize = 100;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerProtocol {
    /// Uringcast's requests.
    Ours,
    /// The scripts beside this program: `S channel …` is answered with `ready`; a publisher on
    /// `/pub` sends the message itself, on `/many` the channel, a line feed and the message.
    Script,
    /// The original family's server: ours, but the publisher makes the envelope, and it comes
    /// out without seq.
    Mcp,
    /// Nothing at all: a connection is subscribed, to the channels in the URL if there are many.
    Floor,
    /// nginx with nchan: channels are in the URL.
    Nchan,
    /// NATS in a WebSocket.
    Nats,
}

/// A message to publish.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub number: u32,
    pub payload: usize,
    pub channel: &'a str,
    pub seq: u32,
}

impl ServerProtocol {
    /// Path of the subscribers' upgrade.
    pub(crate) fn subscriber_path(self, channels: &[String]) -> String {
        match self {
            ServerProtocol::Nchan | ServerProtocol::Floor => format!("/sub/{}", channels.join(",")),
            _ => "/sub".into(),
        }
    }

    /// Path of the publisher's upgrade, for so many channels; nchan needs one for each.
    pub(crate) fn publisher_path(self, channel: &str, channels: usize) -> String {
        match self {
            ServerProtocol::Nchan => format!("/pub/{channel}"),
            _ if channels > 1 => "/many".into(),
            _ => "/pub".into(),
        }
    }

    /// Whether a publisher can publish to one channel only.
    pub(crate) fn publisher_per_channel(self) -> bool {
        self == ServerProtocol::Nchan
    }

    /// What a subscriber sends after the upgrade, and how many replies confirm it.
    pub(crate) fn subscribe(self, channels: &[String]) -> (Vec<u8>, usize) {
        let mut out = Vec::new();
        match self {
            ServerProtocol::Ours | ServerProtocol::Mcp => {
                for some in channels.chunks(CHANNELS_PER_REQUEST) {
                    let list = serde_json::json!(some);
                    let text = format!(
                        r#"{{"type":"request","event":"subscribe","data":{{"channels":{list}}}}}"#
                    );
                    frame(Opcode::Text, text.as_bytes(), &mut out);
                }
                (out, channels.len().div_ceil(CHANNELS_PER_REQUEST))
            }
            ServerProtocol::Script => {
                let text = format!("S {}", channels.join(" "));
                frame(Opcode::Text, text.as_bytes(), &mut out);
                (out, 1)
            }
            ServerProtocol::Nats => {
                let mut text = CONNECT.to_owned();
                for (sid, channel) in channels.iter().enumerate() {
                    text.push_str(&format!("SUB {channel} {}\r\n", sid + 1));
                }
                text.push_str("PING\r\n");
                frame(Opcode::Binary, text.as_bytes(), &mut out);
                (out, 1)
            }
            ServerProtocol::Floor | ServerProtocol::Nchan => (out, 0),
        }
    }

    /// What a reply that confirms a subscription contains.
    pub(crate) fn subscribed(self) -> &'static str {
        match self {
            ServerProtocol::Ours | ServerProtocol::Mcp => r#""status":"subscribed""#,
            ServerProtocol::Nats => "PONG",
            _ => "ready",
        }
    }

    /// What a publisher sends after the upgrade.
    pub(crate) fn introduce(self) -> Vec<u8> {
        let mut out = Vec::new();
        if self == ServerProtocol::Nats {
            frame(Opcode::Binary, CONNECT.as_bytes(), &mut out);
        }
        out
    }

    /// Appends one publish; `many` when the publisher serves many channels.
    pub(crate) fn publish(self, message: Message, many: bool, out: &mut Vec<u8>) {
        let Message { number, payload, channel, seq } = message;
        let mut text = String::with_capacity(payload + 512);
        match self {
            ServerProtocol::Ours => {
                text.push_str(r#"{"type":"request","event":"publish","data":{"channel":""#);
                text.push_str(channel);
                text.push_str(r#"","event":"bench","data":"#);
                data(number, payload, &mut text);
                text.push_str("}}");
            }
            ServerProtocol::Nats => {
                let mut whole = String::with_capacity(payload + 512);
                envelope(number, payload, channel, seq, &mut whole);
                text.push_str(&format!("PUB {channel} {}\r\n{whole}\r\n", whole.len()));
                return frame(Opcode::Binary, text.as_bytes(), out);
            }
            ServerProtocol::Script | ServerProtocol::Floor if many => {
                text.push_str(channel);
                text.push('\n');
                envelope(number, payload, channel, seq, &mut text);
            }
            _ => envelope(number, payload, channel, seq, &mut text),
        }
        frame(Opcode::Text, text.as_bytes(), out);
    }

    /// The server's refusal of a publish, if these bytes hold one.
    pub(crate) fn refusal(self, bytes: &[u8]) -> Option<String> {
        let mark: &[u8] = match self {
            ServerProtocol::Ours | ServerProtocol::Mcp => br#""type":"error""#,
            ServerProtocol::Nats => b"-ERR",
            _ => return None,
        };
        memchr::memmem::find(bytes, mark)?;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(600)]);
        Some(text.into_owned())
    }
}

const CONNECT: &str =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":false,\"protocol\":1}\r\n";

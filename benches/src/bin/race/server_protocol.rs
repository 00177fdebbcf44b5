//! How to talk to each server: loadgen's dialects, and what the race publishes in them.

use std::sync::Arc;

use clap::ValueEnum;
use uringcast_loadgen::client::{Client, Intent, Subscription};
use uringcast_loadgen::dialect::{Dialect, Publication};
use uringcast_loadgen::dialect_session::DialectSession;
use uringcast_loadgen::transport::Endpoint;

use crate::envelope::{data, envelope};

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerProtocol {
    /// Uringcast's requests.
    Ours,
    /// The scripts beside this program: `S channel` is answered with `ready`; a publisher on
    /// `/pub` sends the message itself, on `/many` the channel, a line feed and the message.
    Script,
    /// The original family's server: the publisher makes the envelope, and it comes out without
    /// seq.
    Mcp,
    /// Nothing at all: a connection is subscribed, to the channels in the URL if there are many.
    Floor,
    /// nginx with nchan: channels are in the URL, also of its publishers.
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

/// A server's protocol for one channel or for many.
#[derive(Clone)]
pub(crate) struct Speech {
    pub protocol: ServerProtocol,
    /// `None` is Uringcast's own.
    dialect: Option<Arc<Dialect>>,
}

impl Speech {
    /// Publishers send whole envelopes, so that messages are as long as ours make them.
    pub(crate) fn new(protocol: ServerProtocol, many: bool) -> Speech {
        let ready = |name: &str| name.parse::<Dialect>().expect("loadgen has it");
        let publish = |path: &str, send: &str| {
            let (path, send) = (path.to_owned(), send.to_owned());
            Publication { path, send, ..Publication::default() }
        };
        let topics = match many {
            true => publish("/many", "{channel}\n{data}"),
            false => publish("/pub", "{data}"),
        };
        let dialect = match protocol {
            ServerProtocol::Ours => None,
            ServerProtocol::Nats => Some(ready("nats")),
            ServerProtocol::Script => Some(Dialect { publish: topics, ..ready("topics") }),
            ServerProtocol::Floor => Some(Dialect { publish: topics, ..ready("nchan") }),
            ServerProtocol::Mcp => {
                Some(Dialect { publish: publish("", "{data}"), ..ready("mcp-common") })
            }
            ServerProtocol::Nchan => {
                Some(Dialect { publish: publish("/pub/{channel}", "{data}"), ..ready("nchan") })
            }
        };
        Speech { protocol, dialect: dialect.map(Arc::new) }
    }

    /// Whether a publisher can publish to one channel only.
    pub(crate) fn publisher_per_channel(&self) -> bool {
        self.dialect.iter().any(|dialect| dialect.publish.path.contains("{channel}"))
    }

    /// Whether messages stand in a stream, between lines of the protocol.
    pub(crate) fn is_stream(&self) -> bool {
        self.dialect.iter().any(|dialect| dialect.stream)
    }

    /// Begins a subscriber's connection.
    pub(crate) fn subscriber(&self, host: &str, channels: &[String], out: &mut Vec<u8>) -> Client {
        let one = |channel: &String| Subscription { channel: channel.clone(), since: None };
        let intent = Intent::Subscribe(channels.iter().map(one).collect());
        self.start(intent, host, false, channels, out)
    }

    /// Begins a publisher's connection, to this channel or to all.
    pub(crate) fn publisher(&self, host: &str, channel: &str, out: &mut Vec<u8>) -> Client {
        self.start(Intent::Publish, host, true, &[channel.to_owned()], out)
    }

    /// Begins a connection that is only upgraded.
    pub(crate) fn bare(&self, host: &str, channel: &str, out: &mut Vec<u8>) -> Client {
        let path = self.path(false, &[channel.to_owned()]);
        Client::start(Intent::Publish, &endpoint(host, path), "", out)
    }

    fn start(
        &self,
        intent: Intent,
        host: &str,
        publishes: bool,
        channels: &[String],
        out: &mut Vec<u8>,
    ) -> Client {
        let path = self.path(publishes, channels);
        let session = self.dialect.as_ref().map(|dialect| {
            DialectSession::new(Arc::clone(dialect), if publishes { &[] } else { channels })
        });
        Client::start(intent, &endpoint(host, path), "", out).speaking(session)
    }

    fn path(&self, publishes: bool, channels: &[String]) -> String {
        let path = self.dialect.as_ref().and_then(|of| of.path_for(publishes, channels));
        path.unwrap_or_else(|| "/".into())
    }

    /// The text that publishes a message.
    pub(crate) fn publication(&self, message: Message<'_>) -> String {
        let Message { number, payload, channel, seq } = message;
        let mut text = String::with_capacity(payload + 512);
        let Some(dialect) = &self.dialect else {
            text.push_str(r#"{"type":"request","event":"publish","data":{"channel":""#);
            text.push_str(channel);
            text.push_str(r#"","event":"bench","data":"#);
            data(number, payload, &mut text);
            text.push_str("}}");
            return text;
        };
        envelope(number, payload, channel, seq, &mut text);
        dialect.publication(dialect.template(), channel, number.into(), &text)
    }

    /// The server's refusal of a publish, if this message is one.
    pub(crate) fn refusal(&self, message: &[u8]) -> Option<String> {
        if let Some(dialect) = &self.dialect {
            return dialect.refusal(message);
        }
        memchr::memmem::find(message, br#""type":"error""#)?;
        Some(String::from_utf8_lossy(&message[..message.len().min(600)]).into_owned())
    }
}

fn endpoint(host: &str, path: String) -> Endpoint {
    let (url, host) = (String::new(), host.to_owned());
    Endpoint { url, addresses: Vec::new(), host, path, tls: None }
}

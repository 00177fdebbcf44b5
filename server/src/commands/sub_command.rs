//! `sub`: what is published, a line a message.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use clap::{CommandFactory as _, Parser};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::connection_flags::{TokenFlags, TrustFlags};
use super::endpoint::{Endpoint, Way};
use super::{Failure, print};
use crate::diagnostics::client::refusal::Refusal;
use crate::diagnostics::client::session::{Received, Session};

/// Codes after which a person has to mend something: docs/PROTOCOL.md, section 2.
const FINAL_CODES: RangeInclusive<u16> = 4000..=4099;

/// The flags of `sub`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server sub", version, max_term_width = 100)]
#[command(about = "Subscribes to channels and prints each message as a line of JSON")]
#[command(after_help = "\
What is not a message goes to standard error. It does not reconnect: go on with --since.
Exit code: 0 after --count, --once, Ctrl-C or the end of the reader; 1 the connection ended; \
2 refused.")]
pub struct SubOptions {
    /// Where clients connect: ws://HOST:PORT, or wss://HOST:PORT
    #[arg(value_name = "URL")]
    url: String,
    /// What to subscribe to; with * at the end all whose names begin so, those to come included
    #[arg(value_name = "CHANNEL", required = true)]
    channels: Vec<String>,
    /// Print so many messages and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Begin behind this position, as sub printed it; goes with a single channel
    #[arg(long, value_name = "EPOCH:SEQ")]
    since: Option<String>,
    /// Begin with each channel's state document, if it has one, as a line with state and as_of
    #[arg(long)]
    state: bool,
    /// Begin with the last N messages of each channel, as far as its log has them
    #[arg(long, value_name = "N", conflicts_with = "since")]
    last: Option<u64>,
    /// Print what is there with --since, --last or --state, and end
    #[arg(long)]
    once: bool,
    /// Print the message's data only
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    trust: TrustFlags,
}

/// Subscribes and prints until it is enough.
pub(super) async fn run(options: SubOptions) -> Result<i32, Failure> {
    let since = options.since.as_deref().map(|since| position(since, &options.channels));
    let start = Start { since: since.transpose()?, last: options.last.unwrap_or(0) };
    let has_start = options.state || start.since.is_some() || options.last.is_some();
    if options.once && !has_start {
        return Err(usage("--once goes with --since, --last or --state: say where to begin"));
    }
    if has_start && options.channels.iter().any(|name| is_pattern(name)) {
        return Err(usage("a pattern begins live: --since, --last and --state go with channels"));
    }
    let endpoint = Endpoint::parse(&options.url, &[Way::WebSocket])?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut session = tokio::select! {
        session = options.token.session(&endpoint, &options.trust) => session?,
        _ = interrupt.recv() => return Ok(0),
        _ = terminate.recv() => return Ok(0),
    };
    let mut printer = Printer::new(&options);
    let ended = tokio::select! {
        ended = follow(&mut session, &options, &start, &mut printer) => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    session.close().await;
    ended.map(|()| 0)
}

/// Where the subscriptions begin.
struct Start {
    /// A position, as a request has it.
    since: Option<Value>,
    /// So many older messages, without one.
    last: u64,
}

impl Start {
    /// The position before the first message that comes, by what the server has confirmed.
    fn before(&self, data: &Value) -> u64 {
        let [seq, oldest] = ["seq", "oldest"].map(|name| data[name].as_u64().unwrap_or_default());
        let since = data.get("as_of").or(self.since.as_ref());
        let since = since.and_then(|since| since["seq"].as_u64());
        let first = oldest.saturating_sub(1);
        let before = match (since, data["recovered"] == true, data["partial"] == true) {
            (Some(since), true, _) => since,
            (Some(_), _, true) if data["reason"] == "restart" => first,
            (Some(since), _, true) => since,
            (Some(_), ..) => seq,
            (None, ..) => first.max(seq.saturating_sub(self.last)),
        };
        before.min(seq)
    }
}

/// Whether a name stands for all channels that begin like it.
fn is_pattern(name: &str) -> bool {
    name.ends_with('*')
}

fn usage(text: &str) -> Failure {
    SubOptions::command().error(clap::error::ErrorKind::ValueValidation, text).into()
}

/// `EPOCH:SEQ` as a request has it.
fn position(since: &str, channels: &[String]) -> Result<Value, Failure> {
    if channels.len() > 1 {
        return Err(usage("--since goes with a single channel: each has positions of its own"));
    }
    let parts = since.rsplit_once(':');
    let parts = parts.and_then(|(epoch, seq)| Some((epoch, seq.parse::<u64>().ok()?)));
    let form = "--since is not EPOCH:SEQ: give it as sub printed it on standard error";
    let (epoch, seq) = parts.ok_or_else(|| usage(form))?;
    Ok(json!({"epoch": epoch, "seq": seq}))
}

async fn follow(
    session: &mut Session,
    options: &SubOptions,
    start: &Start,
    printer: &mut Printer,
) -> Result<(), Failure> {
    for (number, channel) in options.channels.iter().enumerate() {
        let mut data = match is_pattern(channel) {
            true => json!({"pattern": channel}),
            false => json!({"channel": channel}),
        };
        if options.state {
            data["state"] = true.into();
        }
        if let Some(since) = &start.since {
            data["since"] = since.clone();
        }
        if start.last > 0 {
            data["last"] = start.last.into();
        }
        let id = format!("sub-{number}");
        let reply = session.ask(&id, "subscribe", &data, |message| printer.show(message)).await;
        let reply =
            reply.map_err(|refusal| refusal.finding(&format!("subscribing to {channel}")))?;
        printer.confirmed(channel, &reply["data"], start);
    }
    printer.all_confirmed();
    while !printer.is_over {
        match session.next().await {
            Ok(message) => printer.show(&message),
            Err(Refusal(reason)) => {
                let remedy = match is_final(&reason) {
                    true => "The code means that something is to be mended first: \
                             docs/PROTOCOL.md, section 2."
                        .to_owned(),
                    false => printer.how_to_go_on(),
                };
                let reason = format!("the subscription is over: {reason}");
                return Err(Failure::not_now(reason, &remedy));
            }
        }
    }
    Ok(())
}

/// Whether the connection was closed with a code after which a client is not to connect as before.
fn is_final(reason: &str) -> bool {
    let code = reason.strip_prefix("closed with ").and_then(|rest| rest.get(..4));
    code.and_then(|code| code.parse().ok()).is_some_and(|code| FINAL_CODES.contains(&code))
}

/// Prints messages, up to a number of them.
struct Printer {
    raw: bool,
    left: Option<u64>,
    /// The number is reached, what was there is printed, or the reader has gone.
    is_over: bool,
    /// Nothing is printed but what was there.
    once: bool,
    /// All channels are subscribed to.
    is_subscribed: bool,
    /// By channel, up to where what was there has still to come.
    awaited: HashMap<String, u64>,
    /// The epoch of the channel that was confirmed last.
    epoch: String,
    /// The position that was seen last.
    seq: u64,
    /// A pattern counts as several: it has no position.
    channels: usize,
}

/// The part of a message that is printed alone.
#[derive(Deserialize)]
struct DataOnly<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Printer {
    fn new(options: &SubOptions) -> Printer {
        Printer {
            raw: options.raw,
            left: options.count,
            is_over: false,
            once: options.once,
            is_subscribed: false,
            awaited: HashMap::new(),
            epoch: String::new(),
            seq: 0,
            channels: 0,
        }
    }

    fn confirmed(&mut self, channel: &str, data: &Value, start: &Start) {
        if is_pattern(channel) {
            self.channels += 2;
            eprintln!("subscribed to {channel}: {} of its channels before", data["channels"]);
            return;
        }
        let epoch = data["epoch"].as_str().unwrap_or_default();
        let seq = data["seq"].as_u64().unwrap_or_default();
        eprintln!("subscribed to {channel} at {epoch}:{seq}");
        if data["recovered"] == false {
            let reason = data["reason"].as_str().unwrap_or_default();
            let some = if data["partial"] == true { "some " } else { "" };
            eprintln!("warning: {some}messages since that position are missing: {reason}");
        }
        self.show_state(channel, data);
        self.channels += 1;
        self.epoch = epoch.to_owned();
        // What is there comes behind the confirmation.
        self.seq = start.before(data);
        if self.seq < seq {
            self.awaited.insert(channel.to_owned(), seq);
        }
    }

    /// All channels are subscribed to.
    fn all_confirmed(&mut self) {
        self.is_subscribed = true;
        self.end_once();
    }

    /// Ends it if what was there is printed, and nothing else is to be.
    fn end_once(&mut self) {
        self.is_over |= self.once && self.is_subscribed && self.awaited.is_empty();
    }

    /// A message of a channel, or a gap, has come up to this position. Returns whether it is one of
    /// those that were there.
    fn has_come(&mut self, channel: &str, seq: u64) -> bool {
        self.seq = seq;
        let Some(last) = self.awaited.get(channel) else { return false };
        if seq >= *last {
            self.awaited.remove(channel);
        }
        true
    }

    /// The state with which a subscription begins. It counts as no message.
    fn show_state(&mut self, channel: &str, data: &Value) {
        let Some(state) = data.get("state") else { return };
        if state.is_null() {
            eprintln!("{channel} has no state");
            return;
        }
        let line = match self.raw {
            true => state.to_string(),
            false => json!({"room": channel, "state": state, "as_of": data["as_of"]}).to_string(),
        };
        self.is_over |= !print(&format!("{line}\n"));
    }

    fn show(&mut self, message: &Received) {
        let json = &message.json;
        let channel = json["room"].as_str();
        if json["event"] == "unsubscribe" && json["correlation_id"].is_null() {
            eprintln!("warning: the service ended the subscription: {}", json["data"]);
        }
        if self.is_over || json["type"] != "event" || channel.is_none() {
            return;
        }
        let position = json["seq"].as_u64().or(json["data"]["to_seq"].as_u64());
        let was_there = self.has_come(channel.unwrap_or_default(), position.unwrap_or(self.seq));
        if self.once && !was_there {
            return;
        }
        self.print(message);
        self.end_once();
    }

    fn print(&mut self, message: &Received) {
        let json = &message.json;
        if self.raw && json["event"] == "gap" {
            eprintln!("warning: messages are missing: {}", json["data"]);
            return;
        }
        let text = match serde_json::from_str::<DataOnly>(&message.text) {
            Ok(message) if self.raw => message.data.get(),
            _ => message.text.as_str(),
        };
        let is_read = print(&format!("{text}\n"));
        self.left = self.left.map(|left| left - 1);
        self.is_over |= !is_read || self.left == Some(0);
    }

    fn how_to_go_on(&self) -> String {
        match self.channels {
            1 => format!("Subscribe again with --since {}:{}.", self.epoch, self.seq),
            _ => "Subscribe again; with a single channel --since takes up where it ended.".into(),
        }
    }
}

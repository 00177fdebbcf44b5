//! `sub`: what is published, a line a message.

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
Exit code: 0 after --count, Ctrl-C or the end of the reader; 1 the connection ended; 2 refused.")]
pub struct SubOptions {
    /// Where clients connect: ws://HOST:PORT, or wss://HOST:PORT
    #[arg(value_name = "URL")]
    url: String,
    /// What to subscribe to
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
    let since = since.transpose()?;
    let endpoint = Endpoint::parse(&options.url, &[Way::WebSocket])?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut session = tokio::select! {
        session = options.token.session(&endpoint, &options.trust) => session?,
        _ = interrupt.recv() => return Ok(0),
        _ = terminate.recv() => return Ok(0),
    };
    let mut printer = Printer::new(options.raw, options.count);
    let ended = tokio::select! {
        ended = follow(&mut session, &options, since.as_ref(), &mut printer) => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    session.close().await;
    ended.map(|()| 0)
}

/// `EPOCH:SEQ` as a request has it.
fn position(since: &str, channels: &[String]) -> Result<Value, Failure> {
    let usage = |text: &str| {
        let mut command = SubOptions::command();
        Failure::from(command.error(clap::error::ErrorKind::ValueValidation, text))
    };
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
    since: Option<&Value>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    for (number, channel) in options.channels.iter().enumerate() {
        let mut data = json!({"channel": channel});
        if options.state {
            data["state"] = true.into();
        }
        if let Some(since) = since {
            data["since"] = since.clone();
        }
        let id = format!("sub-{number}");
        let reply = session.ask(&id, "subscribe", &data, |message| printer.show(message)).await;
        let reply =
            reply.map_err(|refusal| refusal.finding(&format!("subscribing to {channel}")))?;
        printer.confirmed(channel, &reply["data"], since);
    }
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
    /// The number is reached, or the reader has gone.
    is_over: bool,
    /// The epoch of the channel that was confirmed last.
    epoch: String,
    /// The position that was seen last.
    seq: u64,
    channels: usize,
}

/// The part of a message that is printed alone.
#[derive(Deserialize)]
struct DataOnly<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Printer {
    fn new(raw: bool, left: Option<u64>) -> Printer {
        Printer { raw, left, is_over: false, epoch: String::new(), seq: 0, channels: 0 }
    }

    fn confirmed(&mut self, channel: &str, data: &Value, since: Option<&Value>) {
        let epoch = data["epoch"].as_str().unwrap_or_default();
        let seq = data["seq"].as_u64().unwrap_or_default();
        eprintln!("subscribed to {channel} at {epoch}:{seq}");
        if data["recovered"] == false {
            let reason = data["reason"].as_str().unwrap_or_default();
            eprintln!("warning: messages since that position are missing: {reason}");
        }
        self.show_state(channel, data);
        self.channels += 1;
        self.epoch = epoch.to_owned();
        // What is recovered comes behind the confirmation.
        let recovers = data.get("as_of").or(since).filter(|_| data["recovered"] == true);
        self.seq = recovers.and_then(|since| since["seq"].as_u64()).unwrap_or(seq);
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
        self.seq = json["seq"].as_u64().unwrap_or(self.seq);
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
        self.is_over = !is_read || self.left == Some(0);
    }

    fn how_to_go_on(&self) -> String {
        match self.channels {
            1 => format!("Subscribe again with --since {}:{}.", self.epoch, self.seq),
            _ => "Subscribe again; with a single channel --since takes up where it ended.".into(),
        }
    }
}

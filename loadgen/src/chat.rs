//! What the subscribers of one thread publish themselves, each to the channels it is in.

use std::iter::Peekable;

use uringcast_loadgen::transport::Transport;

use crate::client::{Client, Reply};
use crate::config::Config;
use crate::error::ConnectionError;
use crate::payload_stamp::{Stamp, filler};
use crate::publish_tally::Published;
use crate::schedule::MessageId;
use crate::schedule::Send;

/// One thread's share of the schedule, its subscribers by turns.
pub(crate) struct Chat<'a> {
    config: &'a Config,
    source: u32,
    sends: Peekable<Box<dyn Iterator<Item = Send>>>,
    filler: String,
    published: Published,
}

/// A message that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    send: Send,
    message: MessageId,
    /// The place of the subscriber that publishes it.
    pub(crate) place: usize,
}

impl<'a> Chat<'a> {
    /// For the `source`-th thread.
    pub(crate) fn new(config: &'a Config, source: u32) -> Self {
        let sends = config.plan.schedule.sends(source, config.threads);
        let sends: Box<dyn Iterator<Item = Send>> = Box::new(sends);
        let published = Published::new(source, config.plan.timeline());
        let filler = filler(config.plan.payload);
        Self { config, source, sends: sends.peekable(), filler, published }
    }

    /// The next message, if it is due `now` nanoseconds after the start.
    pub(crate) fn due(&mut self, now: u64) -> Option<Due> {
        let send = self.sends.next_if(|send| send.at <= now)?;
        let place = (send.sequence % self.config.share(self.source).len() as u64) as usize;
        Some(Due { send, message: self.config.message(self.source, send.sequence), place })
    }

    /// Nanoseconds from `now` to the next message.
    pub(crate) fn wait(&mut self, now: u64) -> Option<u64> {
        self.sends.peek().map(|send| send.at.saturating_sub(now))
    }

    /// Publishes over a subscriber's connection; `start` is the start of the load.
    pub(crate) fn send(
        &mut self,
        due: Due,
        start: u64,
        connection: (&Client, &mut Transport, &mut Vec<u8>),
    ) -> Result<(), ConnectionError> {
        let (client, transport, out) = connection;
        let (publisher, channel, index) = due.message;
        let stamp = Stamp { publisher, channel, index, intended: start + due.send.at };
        let data = stamp.document(&self.config.run, &self.filler);
        let id = due.send.sequence;
        let name = self.config.name(channel);
        let document = format_args!(r#"{{"channel":"{name}","event":"bench","data":{data}}}"#);
        let request =
            format!(r#"{{"type":"request","event":"publish","id":"{id}","data":{document}}}"#);
        client.send_text(&request, out);
        Ok(transport.write(out)?)
    }

    /// A message was handed to the connection at `now`.
    pub(crate) fn record(&mut self, due: Due, start: u64, now: u64) {
        self.published.record(due.send.at, start + due.send.at, 0, now);
    }

    /// A message could not be sent: its subscriber is not connected.
    pub(crate) fn skip(&mut self, due: Due, start: u64, now: u64) {
        self.record(due, start, now);
        self.published.refused.insert(due.message);
        *self.published.errors.entry("not connected".into()).or_default() += 1;
    }

    /// Takes the answer to a publish request. Returns whether the text was one.
    pub(crate) fn answer(&mut self, text: &[u8]) -> bool {
        let Some(reply) = Reply::parse(text) else { return false };
        let sequence: Option<u64> = reply.correlation_id.and_then(|id| id.parse().ok());
        match (reply.error(), sequence) {
            (Some(code), Some(sequence)) => {
                *self.published.errors.entry(code.to_owned()).or_default() += 1;
                self.published.refused.insert(self.config.message(self.source, sequence));
                true
            }
            (None, Some(_)) if reply.kind == "response" => {
                self.published.accepted += 1;
                true
            }
            _ => false,
        }
    }

    /// What was published in all.
    pub(crate) fn finish(self) -> Published {
        self.published
    }
}

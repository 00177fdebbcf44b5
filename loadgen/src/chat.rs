//! What the subscribers of one thread publish themselves, each to the channels it is in.

use std::iter::Peekable;

use crate::transport::Transport;

use crate::client::Client;
use crate::config::Config;
use crate::dialect::FIRST_ID;
use crate::envelope_reply::Reply;
use crate::error::ConnectionError;
use crate::payload_stamp::{Stamp, filler};
use crate::publish_tally::Published;
use crate::replies::{Outcome, foreign_answer};
use crate::schedule::MessageId;
use crate::schedule::Send;
use crate::tally::Counts;

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

impl Due {
    /// The message, as its receivers find it; `start` is the start of the load.
    pub(crate) fn stamp(&self, start: u64) -> Stamp {
        let (publisher, channel, index) = self.message;
        Stamp { publisher, channel, index, intended: start + self.send.at }
    }
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
        let stamp = due.stamp(start);
        let data = stamp.document(&self.config.run, &self.filler);
        let id = due.send.sequence;
        let name = self.config.name(stamp.channel);
        if let Some(dialect) = &self.config.dialect {
            let template = dialect.client_template().unwrap_or_default();
            client.send_text(&dialect.publication(template, &name, id + FIRST_ID, &data), out);
            // Where no answer comes, none is awaited.
            self.published.accepted += u64::from(dialect.publish.accepted.is_empty());
            return Ok(transport.write(out)?);
        }
        let document = format_args!(r#"{{"channel":"{name}","event":"bench","data":{data}}}"#);
        let request =
            format!(r#"{{"type":"request","event":"publish","id":"{id}","data":{document}}}"#);
        client.send_text(&request, out);
        Ok(transport.write(out)?)
    }

    /// A message was handed to the connection at `now`.
    pub(crate) fn record(&mut self, due: Due, start: u64, now: u64) {
        let timeline = self.config.plan.timeline();
        self.published.record(timeline, due.send.at, start + due.send.at, 0, now);
    }

    /// A message could not be sent: its subscriber is not connected.
    pub(crate) fn skip(&mut self, due: Due, start: u64, now: u64) {
        self.record(due, start, now);
        self.published.refuse("not connected".into(), Some(due.message));
    }

    /// Takes the answer to a publish request. Returns whether the text was one.
    pub(crate) fn answer(&mut self, text: &[u8]) -> bool {
        if let Some(dialect) = &self.config.dialect {
            let outcome = foreign_answer(dialect, text);
            match outcome {
                Some(Outcome::Accepted) => self.published.accepted += 1,
                Some(Outcome::Refused { code, .. }) => self.published.refuse(code, None),
                None => return false,
            }
            return true;
        }
        let Some(reply) = Reply::parse(text) else { return false };
        let sequence: Option<u64> = reply.correlation_id.and_then(|id| id.parse().ok());
        match (reply.error(), sequence) {
            (Some(code), Some(sequence)) => {
                let message = self.config.message(self.source, sequence);
                self.published.refuse(code.to_owned(), Some(message));
                true
            }
            (None, Some(_)) if reply.kind == "response" => {
                self.published.accepted += 1;
                true
            }
            _ => false,
        }
    }

    /// Codes of refusals that are new since the last call.
    pub(crate) fn take_news(&mut self) -> Counts {
        self.published.take_news()
    }

    /// What was published in all.
    pub(crate) fn finish(self) -> Published {
        self.published
    }
}

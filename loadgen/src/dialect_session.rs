//! One connection in a dialect, from the upgrade to the last subscription. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::dialect::{Dialect, Step};

/// What a message means to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// All subscriptions are confirmed.
    Ready,
    /// Nothing to the connection; it may be a delivery.
    Message,
    /// A step or a heartbeat, dealt with.
    Answered,
    /// The server refuses.
    Refused(String),
}

/// The steps that are left, and what is awaited.
#[derive(Debug)]
pub(crate) struct DialectSession {
    dialect: Arc<Dialect>,
    /// Each with the channel it is about, and a number.
    steps: VecDeque<(Step, String, usize)>,
    ready: bool,
    captured: String,
}

impl DialectSession {
    /// Of a connection that subscribes to these channels; a publisher's if there are none.
    pub(crate) fn new(dialect: Arc<Dialect>, channels: &[String]) -> Self {
        let first = channels.first().cloned().unwrap_or_default();
        let hello = dialect.hello.iter().map(|step| (step.clone(), first.clone()));
        let subscribe = channels.iter().flat_map(|channel| {
            dialect.subscribe.iter().map(|step| (step.clone(), channel.clone()))
        });
        let numbered = hello.chain(subscribe).enumerate();
        let steps = numbered.map(|(place, (mut step, channel))| {
            let number = (place + 1).to_string();
            for text in &mut step.until {
                *text = dialect.fill(text, &[("id", &number), ("channel", &channel)]);
            }
            (step, channel, place + 1)
        });
        let steps = steps.collect();
        Self { dialect, steps, ready: false, captured: String::new() }
    }

    /// The dialect.
    pub(crate) fn dialect(&self) -> &Arc<Dialect> {
        &self.dialect
    }

    /// After the upgrade: sends the first steps. Returns whether nothing is awaited.
    pub(crate) fn begin(&mut self, send: &mut impl FnMut(&str)) -> bool {
        if let Some((step, channel, number)) = self.steps.front().cloned() {
            self.say(&step, &channel, number, send);
        }
        self.proceed(send)
    }

    /// Passes steps that await nothing.
    fn proceed(&mut self, send: &mut impl FnMut(&str)) -> bool {
        while let Some((step, ..)) = self.steps.front()
            && step.until.is_empty()
        {
            self.next(send);
        }
        self.ready = self.steps.is_empty();
        self.ready
    }

    fn next(&mut self, send: &mut impl FnMut(&str)) {
        self.steps.pop_front();
        if let Some((step, channel, number)) = self.steps.front().cloned() {
            self.say(&step, &channel, number, send);
        }
    }

    fn say(&self, step: &Step, channel: &str, number: usize, send: &mut impl FnMut(&str)) {
        if step.send.is_empty() {
            return;
        }
        let (number, auth) = (number.to_string(), self.auth(channel));
        let names =
            [("id", &*number), ("captured", &self.captured), ("auth", &auth), ("channel", channel)];
        send(&self.dialect.fill(&step.send, &names));
    }

    /// A signature over what was captured and the channel, as Pusher wants it: with the options
    /// `key` and `secret`.
    fn auth(&self, channel: &str) -> String {
        let option = |name| self.dialect.options.get(name).map_or("", String::as_str);
        let key = hmac::Key::new(hmac::HMAC_SHA256, option("secret").as_bytes());
        let tag = hmac::sign(&key, format!("{}:{channel}", self.captured).as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{hex}", option("key"))
    }

    /// Takes a message; answers go to `send`.
    pub(crate) fn hear(&mut self, message: &[u8], send: &mut impl FnMut(&str)) -> Heard {
        if let Some(answer) = self.dialect.pulse(message) {
            if !answer.is_empty() {
                send(answer);
            }
            return Heard::Answered;
        }
        let Some((step, ..)) = self.steps.front() else { return Heard::Message };
        if Dialect::matches(message, &step.until) {
            if let Some([before, behind]) = &step.capture {
                let text = String::from_utf8_lossy(message);
                let found =
                    text.split_once(&**before).and_then(|(_, rest)| rest.split_once(&**behind));
                self.captured = found.map(|(found, _)| found.to_owned()).unwrap_or_default();
            }
            self.next(send);
            return if self.proceed(send) { Heard::Ready } else { Heard::Answered };
        }
        match self.dialect.refusal(message) {
            Some(what) => Heard::Refused(what),
            None => Heard::Message,
        }
    }
}

#[cfg(test)]
mod tests;

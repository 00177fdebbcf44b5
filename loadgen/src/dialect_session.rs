//! One connection in a dialect, from the upgrade to the last subscription. Pure.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::dialect::{Dialect, Step, matches, squeezed};

/// What a message means to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// All subscriptions are confirmed.
    Ready,
    /// Nothing to the connection; it may be a delivery.
    Message,
    /// A step or a heartbeat, dealt with.
    Answered,
    /// The server refuses.
    Refused(String),
}

/// A step with the channel it is about, and a number.
#[derive(Debug, Clone)]
struct Numbered {
    step: Step,
    channel: String,
    number: usize,
}

/// The steps that are left, and what is awaited.
#[derive(Debug)]
pub struct DialectSession {
    dialect: Arc<Dialect>,
    /// One after the other.
    hello: VecDeque<Numbered>,
    /// All at once, after it.
    subscribe: Vec<Numbered>,
    awaited: Vec<Numbered>,
    numbered: usize,
    captured: String,
    /// Of a message that the last frame has cut.
    cut: Vec<u8>,
}

impl DialectSession {
    /// Of a connection that subscribes to these channels; a publisher's if there are none.
    pub fn new(dialect: Arc<Dialect>, channels: &[String]) -> Self {
        let mut session = Self {
            hello: VecDeque::new(),
            subscribe: Vec::new(),
            awaited: Vec::new(),
            numbered: 0,
            captured: String::new(),
            cut: Vec::new(),
            dialect: Arc::clone(&dialect),
        };
        let first = channels.first().map_or("", String::as_str);
        session.hello = session.numbered(&dialect.hello, first).into();
        session.add(channels);
        session
    }

    /// Subscriptions to these channels as well.
    fn add(&mut self, channels: &[String]) {
        let dialect = Arc::clone(&self.dialect);
        for channel in channels {
            let steps = self.numbered(&dialect.subscribe, channel);
            self.subscribe.extend(steps);
        }
    }

    fn numbered(&mut self, steps: &[Step], channel: &str) -> Vec<Numbered> {
        let fill = |step: &Step| {
            self.numbered += 1;
            let (mut step, number) = (step.clone(), self.numbered);
            for text in &mut step.until {
                let names = [("id", &*number.to_string()), ("channel", channel)];
                *text = self.dialect.fill(text, &names);
            }
            Numbered { step, channel: channel.to_owned(), number }
        };
        steps.iter().map(fill).collect()
    }

    /// The dialect.
    pub fn dialect(&self) -> &Arc<Dialect> {
        &self.dialect
    }

    /// After the upgrade: sends the first steps. Returns whether nothing is awaited.
    pub fn begin(&mut self, send: &mut impl FnMut(&str)) -> bool {
        self.proceed(send)
    }

    /// Subscribes to further channels. Returns whether nothing is awaited.
    pub fn subscribe_further(&mut self, channels: &[String], send: &mut impl FnMut(&str)) -> bool {
        self.add(channels);
        self.proceed(send)
    }

    /// Sends the greeting up to an answer that is awaited, then all subscriptions.
    fn proceed(&mut self, send: &mut impl FnMut(&str)) -> bool {
        while let Some(next) = self.hello.pop_front() {
            self.say(next, send);
            if !self.awaited.is_empty() {
                return false;
            }
        }
        for next in std::mem::take(&mut self.subscribe) {
            self.say(next, send);
        }
        self.awaited.is_empty()
    }

    fn say(&mut self, next: Numbered, send: &mut impl FnMut(&str)) {
        let Numbered { step, channel, number } = &next;
        if !step.send.is_empty() {
            let (number, auth) = (number.to_string(), self.auth(channel));
            let names = [
                ("id", &*number),
                ("captured", &self.captured),
                ("auth", &auth),
                ("channel", channel),
            ];
            send(&self.dialect.fill(&step.send, &names));
        }
        if !step.until.is_empty() {
            self.awaited.push(next);
        }
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

    /// The whole messages that a frame brings, each with its separator; what it cuts is kept.
    pub fn whole<'a>(&mut self, frame: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.dialect.stream {
            return Cow::Borrowed(frame);
        }
        let mut bytes = match self.cut.is_empty() {
            true => Cow::Borrowed(frame),
            false => Cow::Owned([&std::mem::take(&mut self.cut), frame].concat()),
        };
        let whole = self.dialect.whole(&bytes);
        self.cut.extend_from_slice(&bytes[whole..]);
        match &mut bytes {
            Cow::Borrowed(bytes) => *bytes = &bytes[..whole],
            Cow::Owned(bytes) => bytes.truncate(whole),
        }
        bytes
    }

    /// Takes a message; answers go to `send`.
    pub fn hear(&mut self, message: &[u8], send: &mut impl FnMut(&str)) -> Heard {
        if let Some(answer) = self.dialect.pulse(message) {
            if !answer.is_empty() {
                send(answer);
            }
            return Heard::Answered;
        }
        if self.awaited.is_empty() {
            return Heard::Message;
        }
        let text = squeezed(message);
        let place = self.awaited.iter().position(|asked| matches(&text, &asked.step.until));
        let Some(place) = place else {
            return match self.dialect.refusal(message) {
                Some(what) => Heard::Refused(what),
                None => Heard::Message,
            };
        };
        let Numbered { step, .. } = self.awaited.remove(place);
        if let Some([before, behind]) = &step.capture {
            let text = String::from_utf8_lossy(message);
            let found = text.split_once(&**before).and_then(|(_, rest)| rest.split_once(&**behind));
            self.captured = found.map(|(found, _)| found.to_owned()).unwrap_or_default();
        }
        match self.awaited.is_empty() && self.proceed(send) {
            true => Heard::Ready,
            false => Heard::Answered,
        }
    }
}

#[cfg(test)]
mod tests;

//! A server that does everything wrong at regular intervals, and one that remembers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Fault, State};

/// What [`Fault::Regular`] has done.
#[derive(Debug, Default)]
pub struct Injected {
    pub deliveries: u64,
    pub dropped: u64,
    /// By 50 ms.
    pub delayed: u64,
    pub duplicated: u64,
    /// Held back behind the next message to the same subscriber.
    pub reordered: u64,
    /// A byte of the filler was changed.
    pub damaged: u64,
    /// A byte of the stamp was changed.
    pub illegible: u64,
    /// Pauses of 200 ms.
    pub stalls: u64,
}

impl State {
    /// Confirms a subscription and sends what was missed.
    pub(super) fn subscribe(&mut self, index: usize, request: &Value, channel: &str) {
        self.channels.entry(channel.to_owned()).or_default().push(index);
        let log = self.logs.get(channel).cloned().unwrap_or_default();
        let mut data = json!({"status": "subscribed", "channel": channel, "epoch": "e",
            "seq": log.len()});
        let since = request["data"]["since"]["seq"].as_u64();
        if since.is_some() {
            data["recovered"] = true.into();
        }
        let reply = json!({"type": "response", "event": "subscribe", "data": data,
            "correlation_id": request["id"]});
        self.send(index, reply.to_string());
        let since = since.filter(|_| self.fault != Fault::Forget);
        for missed in log.into_iter().skip(since.map_or(usize::MAX, |seq| seq as usize)) {
            self.send(index, missed);
        }
    }

    /// One delivery of [`Fault::Regular`].
    pub(super) fn send_badly(&mut self, index: usize, message: &str) {
        let injected = Arc::clone(&self.injected);
        let mut injected = injected.lock().unwrap();
        injected.deliveries += 1;
        match injected.deliveries {
            number if number.is_multiple_of(1_000) => injected.dropped += 1,
            number if number.is_multiple_of(100) => {
                injected.delayed += 1;
                let at = Instant::now() + Duration::from_millis(50);
                self.delayed.push((at, index, message.to_owned()));
            }
            number if number % 700 == 350 && self.held.is_none() => {
                injected.reordered += 1;
                self.held = Some((index, message.to_owned()));
            }
            number if number % 500 == 250 => {
                injected.duplicated += 1;
                self.send(index, message.to_owned());
                self.send(index, message.to_owned());
            }
            number if number % 900 == 450 => {
                injected.damaged += 1;
                self.send(index, message.replace("xx\"", "xy\""));
            }
            number if number % 800 == 410 => {
                injected.illegible += 1;
                self.send(index, message.replacen(".0", ".1", 1));
            }
            _ => {
                self.send(index, message.to_owned());
                if let Some((_, held)) = self.held.take_if(|(held, _)| *held == index) {
                    self.send(index, held);
                }
            }
        }
    }
}

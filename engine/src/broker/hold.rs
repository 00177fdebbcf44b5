//! Connections that are not received from: for a while, because they sent too much, or until it is
//! known who they are. Each reason ends by itself.

use super::clock::Due;
use super::close::Phase;
use super::connection::Connection;
use super::effect::Effect;
use super::hub::Hub;
use crate::telemetry::Count;
use crate::types::{ConnectionKey, Time};

impl Hub {
    /// Stops receiving from a connection for a while; one that is paused already is no longer so.
    pub(super) fn pause(&mut self, until: Time, key: ConnectionKey) {
        if !self.connections[key.index].flags.paused {
            self.change_hold(key, |connection| connection.flags.paused = true);
            self.due(until, key, Due::Resume);
        }
    }

    /// A pause is over, unless more came meanwhile than was paid for.
    pub(super) fn end_pause(&mut self, now: Time, key: ConnectionKey) {
        let rate = self.access(key).byte_rate;
        match self.connections[key.index].bytes.take(rate, 0, now) {
            Some(wait) => self.due(now + wait, key, Due::Resume),
            None => self.change_hold(key, |connection| connection.flags.paused = false),
        }
    }

    /// Changes what a connection is held for, and tells the shell if it is to be received from now,
    /// or not any more.
    pub(super) fn change_hold(&mut self, key: ConnectionKey, change: impl FnOnce(&mut Connection)) {
        let connection = &mut self.connections[key.index];
        let before = connection.is_held();
        change(connection);
        match (before, connection.is_held()) {
            (false, true) => self.effects.push_back(Effect::PauseReceive(key)),
            // Where the peer has ended its side there is nothing to receive.
            (true, false) if !matches!(connection.phase, Phase::Parting | Phase::Ending) => {
                self.effects.push_back(Effect::ResumeReceive(key));
            }
            _ => {}
        }
    }

    /// Whether a connection is not to be received from.
    pub fn is_held(&self, key: ConnectionKey) -> bool {
        self.connections.get(key).is_some_and(Connection::is_held)
    }

    /// Whether its bytes are counted: then it should be received from a buffer at a time.
    pub fn is_metered(&self, key: ConnectionKey) -> bool {
        self.access(key).byte_rate > 0
    }

    /// Counts inbound bytes; over the rate the client is not read until they are paid for.
    pub(super) fn limit_bytes(&mut self, now: Time, key: ConnectionKey, bytes: usize) {
        let rate = self.access(key).byte_rate;
        let connection = &mut self.connections[key.index];
        let owed = connection.bytes.take(rate, bytes, now);
        if let Some(wait) = owed
            && !connection.flags.paused
        {
            self.recorder.count(Count::BytePauses, 1);
            self.pause(now + wait, key);
        }
    }
}

//! What time brings: deadlines, keepalive, pauses that end, channels nobody uses. No task and no
//! timer per connection: dense tables are swept a twentieth at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::auth::Auth;
use super::channel::{Link, RemoteState};
use super::close::{CloseReason, Phase};
use super::connection::connection_id;
use super::hub::Hub;
use crate::limits::{CHANNEL_IDLE, DUE_PER_CONNECTION, INTEREST_LINGER};
use crate::telemetry::{ConnectionError, Lag, SlowConsumer, keep_slowest};
use crate::types::{ConnectionKey, Now, Time};
use crate::wire::frame::{self, Opcode};

/// Ticks in which every connection and channel is looked at once: with `limits::TICK`, a second.
const ROUND: usize = 20;

/// The clock's own state.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The last reading that was handed in.
    pub(super) now: Time,
    tick: usize,
    token: u32,
    /// What is due, the earliest first; of connections that need it no more, too.
    agenda: BinaryHeap<Reverse<(Time, ConnectionKey, Due)>>,
    /// Laggards by state, as far as this round has looked.
    lagging: [u64; Lag::COUNT],
    /// The slowest of them.
    slowest: Vec<SlowConsumer>,
}

/// What a connection may have to do or to be given by some time; each at most once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Its first frame, where that must show a token.
    FirstFrame,
    /// The end of its pause.
    Resume,
    /// The peer's close frame.
    Close,
    /// The end of what is owed to a peer that has ended its side.
    Part,
    /// The peer's FIN.
    Fin,
}

impl Clock {
    /// A number for a join that no other join of this shard has.
    pub(super) fn next_token(&mut self) -> u32 {
        self.token = self.token.wrapping_add(1);
        self.token
    }
}

/// The `part`th of `ROUND` parts of `0 .. len`.
fn share(part: usize, len: usize) -> std::ops::Range<u32> {
    (part * len / ROUND) as u32..((part + 1) * len / ROUND) as u32
}

impl Hub {
    /// The clock ticked (`limits::TICK`).
    pub fn handle_tick(&mut self, now: Now) {
        self.clock.now = now.mono;
        self.look_at_agenda(now);
        self.expire_tokens(now);
        self.go_on_draining(now);
        self.clock.tick = (self.clock.tick + 1) % ROUND;
        if self.clock.tick == 0 {
            self.feed(now);
            self.end_round();
        }
        self.keep_alive(now);
        for index in share(self.clock.tick, self.channels.slots() as usize) {
            self.look_after(now.mono, index);
        }
    }

    /// Records what looking at everything once has shown.
    fn end_round(&mut self) {
        self.recorder.lagging(std::mem::take(&mut self.clock.lagging));
        let slowest = std::mem::take(&mut self.clock.slowest);
        let channels = &self.channels;
        self.recorder.stood_out(slowest, |index| Some(channels.get(index)?.name.clone()));
    }

    /// Looks after a connection at `at`, unless what it waits for has come by then.
    pub(super) fn due(&mut self, at: Time, key: ConnectionKey, what: Due) {
        self.clock.agenda.push(Reverse((at, key, what)));
        if self.clock.agenda.len() > DUE_PER_CONNECTION * (self.connections.len() + 1) {
            let mut agenda = std::mem::take(&mut self.clock.agenda);
            agenda.retain(|Reverse((_, key, what))| self.is_due(*key, *what));
            self.clock.agenda = agenda;
        }
    }

    /// Whether a connection still waits for something.
    fn is_due(&self, key: ConnectionKey, what: Due) -> bool {
        self.connections.get(key).is_some_and(|connection| match what {
            Due::FirstFrame => {
                let silent = connection.auth.as_deref().is_some_and(Auth::is_silent);
                silent && connection.phase == Phase::Open
            }
            Due::Resume => connection.flags.paused,
            Due::Close => connection.phase == Phase::Closing,
            Due::Part => connection.phase == Phase::Parting,
            Due::Fin => connection.phase == Phase::HalfClosed,
        })
    }

    fn look_at_agenda(&mut self, now: Now) {
        while let Some(&Reverse((at, key, what))) = self.clock.agenda.peek()
            && at <= now.mono
        {
            self.clock.agenda.pop();
            if !self.is_due(key, what) {
                continue;
            }
            match what {
                Due::FirstFrame => self.require_token(now, key, None, CloseReason::AuthTimeout),
                Due::Resume => self.end_pause(now.mono, key),
                Due::Close => {
                    let service = self.connections[key.index].service;
                    self.recorder.connection_error(service, ConnectionError::Timeout);
                    self.half_close(now.mono, key);
                }
                Due::Part => self.part(key),
                Due::Fin => self.end(key),
            }
        }
    }

    /// Entries of the agenda.
    #[cfg(test)]
    pub(super) fn agenda_len(&self) -> usize {
        self.clock.agenda.len()
    }

    /// Pings the silent and gives up those who stay silent; looks whether laggards still have a
    /// log to read.
    fn keep_alive(&mut self, now: Now) {
        let silence = self.config.keepalive.as_secs().max(1) as u32;
        let second = now.mono.seconds();
        for index in share(self.clock.tick, self.connections.slots()) {
            if !self.gate.is_open(index)
                && let Some(laggard) = &self.connections[index].laggard
            {
                self.clock.lagging[laggard.lag() as usize] += 1;
                self.note_slow(now.mono, index);
                self.check_laggard(now.mono, self.connections.key(index));
            }
            if second.saturating_sub(self.last_rx[index as usize]) < silence {
                continue;
            }
            let key = self.connections.key(index);
            let connection = &mut self.connections[index];
            if connection.phase != Phase::Open || connection.is_held() {
                continue;
            }
            if std::mem::replace(&mut connection.flags.pinged, true) {
                self.close(now.mono, key, CloseReason::KeepaliveTimeout);
            } else {
                self.last_rx[index as usize] = second;
                let mut ping = Vec::new();
                frame::encode(Opcode::Ping, &[], &mut ping);
                self.reply(key, ping, false);
            }
        }
    }

    /// Keeps a laggard in mind if it is one of the slowest.
    fn note_slow(&mut self, now: Time, index: u32) {
        let connection = &self.connections[index];
        let Some(laggard) = &connection.laggard else { return };
        let unread =
            laggard.cursors.iter().map(|c| self.channels[c.channel].log.bytes_from(c.next));
        let tail = laggard.tail.as_ref().map_or(0, |tail| tail.bytes().len());
        let owed = (tail + laggard.outbox.len() + unread.sum::<usize>()) as u64;
        keep_slowest(&mut self.clock.slowest, owed, || SlowConsumer {
            id: connection_id(self.shard, self.connections.key(index), connection.nonce),
            peer: connection.peer(),
            service: connection.service,
            owed,
            behind: now.since(laggard.since),
            state: laggard.lag(),
        });
    }

    /// Ages a channel's log, ends interest nobody has, forgets it when idle.
    fn look_after(&mut self, now: Time, index: u32) {
        if self.channels.get(index).is_none() {
            return;
        }
        self.trim(index);
        let channel = &self.channels[index];
        let unused = now.since(channel.used_at);
        if unused >= CHANNEL_IDLE && channel.is_idle() && !self.is_remembered(now, index) {
            return self.forget(index);
        }
        let unheard = channel.live.is_empty() && channel.holds == 0;
        if let Link::Remote(remote) = &channel.link
            && remote.state == RemoteState::Live
            && unheard
            && unused >= INTEREST_LINGER
        {
            self.ask(index, RemoteState::Leaving);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_looks_at_everything_once() {
        for len in [0, 1, 7, 20, 21, 1_000] {
            let seen: Vec<u32> = (0..ROUND).flat_map(|part| share(part, len)).collect();
            assert_eq!(seen, (0..len as u32).collect::<Vec<_>>());
        }
    }
}

//! What time brings: timers that expire, keepalive, channels that are not used, a shutdown that
//! goes on.

use super::channel::Call;
use super::connection::{CloseReason, Pause, State};
use super::core::Core;
use super::lifecycle::Parts;
use super::reconnects;
use super::session::Waiting;
use super::timers::Timer;
use crate::limits::DRAIN_TICKS;
use crate::types::ConnectionKey;
use crate::wire::event_stream;
use crate::wire::frame::{self, Opcode};

/// How far a shutdown is; it goes on with the ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DrainState {
    #[default]
    No,
    /// Delivering what was accepted; ticks so far.
    Finishing(u32),
    Closing,
}

impl DrainState {
    /// Refuses publishes from now on; closes every connection with 1001 once what was accepted
    /// is delivered.
    pub(super) fn begin(&mut self, core: &mut Core) {
        if *self == DrainState::No {
            *self = DrainState::Finishing(0);
            core.cx.draining = true;
        }
    }

    fn go_on(&mut self, parts: &mut Parts) {
        let DrainState::Finishing(ticks) = *self else { return };
        if ticks < DRAIN_TICKS || parts.core.channels.dirty() > 0 {
            *self = DrainState::Finishing(ticks + 1);
            return;
        }
        *self = DrainState::Closing;
        for index in 0..parts.core.connections.slots() as u32 {
            parts.close(parts.core.connections.key(index), CloseReason::Shutdown);
        }
    }
}

impl Parts {
    /// The clock ticked (`limits::TICK`).
    pub(super) fn handle_tick(&mut self, drain: &mut DrainState) {
        while let Some((key, timer)) = self.core.cx.timers.next_expired(self.core.cx.now.mono) {
            if self.needs(key, timer) {
                self.handle_timer(key, timer);
            }
        }
        self.sessions.expire_tokens(&mut self.core);
        self.settle();
        drain.go_on(self);
        let core = &mut self.core;
        if core.cx.timers.begin_tick() {
            self.sessions.send_updates(core);
            core.delivery.end_round(&mut core.cx, &core.channels);
            for key in core.connections.late(&core.cx) {
                self.give_up_message(key);
            }
        }
        for index in self.core.cx.timers.part(self.core.connections.slots()) {
            self.tend_connection(index);
        }
        self.core.patterns.retry_watch();
        self.degradation.go_on(&mut self.core, &self.sessions);
        for slot in self.core.cx.timers.part(self.core.channels.slots() as usize) {
            let core = &mut self.core;
            core.fade(slot);
            match core.channels.tend(&mut core.cx, slot) {
                Some(Call::Leave(home, channel)) => core.links.ask(home, channel),
                Some(Call::Join(channel)) => core.links.join(&mut core.channels, channel),
                Some(Call::GiveUp(channel)) => self.not_followed(channel, None),
                None => {}
            }
        }
    }

    /// Whether a connection still waits for what a timer is set for.
    pub(super) fn needs(&self, key: ConnectionKey, timer: Timer) -> bool {
        self.core.connections.get(key).is_some_and(|connection| match timer {
            Timer::FirstFrame => connection.is_open() && self.sessions.auth().is_silent(key),
            Timer::Resume => connection.is_paused_for(Pause::Rate),
            Timer::Backlog => connection.is_open() && self.sessions.has_deferred(key),
            Timer::Reconnect => connection.is_open() && connection.leaves().is_some(),
            Timer::Close => {
                matches!(connection.state(), State::Closing | State::HalfClosedLocal)
            }
            Timer::FlushDeadline => connection.state() == State::HalfClosedRemote,
        })
    }

    fn handle_timer(&mut self, key: ConnectionKey, timer: Timer) {
        let core = &mut self.core;
        match timer {
            Timer::FirstFrame => {
                self.sessions.first_frame_expired(core, key);
                self.settle();
            }
            Timer::Resume => core.connections.end_pause(&mut core.cx, key),
            Timer::Backlog => match self.sessions.give_up(core, key) {
                Some(Waiting::Close(code)) => self.handle_close(key, code),
                Some(Waiting::End(end)) => self.end_received(key, end),
                Some(Waiting::Message(_)) | None => {}
            },
            Timer::Reconnect => {
                reconnects::close(core, &mut self.sessions, key);
                self.settle();
            }
            Timer::Close => self.give_up_close(key),
            Timer::FlushDeadline => self.shut_write(key),
        }
    }

    /// Pings a silent connection, or gives it up; looks after it if it is a laggard.
    fn tend_connection(&mut self, index: u32) {
        if self.core.channels.is_deflating(index) {
            self.core.choose_context(self.core.connections.key(index));
        }
        let Core { cx, channels, connections, delivery, .. } = &mut self.core;
        if !delivery.tend(cx, channels, connections, index) {
            let key = connections.key(index);
            return self.close(key, CloseReason::SlowConsumer);
        }
        let keepalive = cx.config.keepalive.as_secs().max(1) as u32;
        // Dense tables first: the record of a connection that is not silent is not touched.
        if connections.silence(index, cx.time()) < keepalive {
            return;
        }
        let key = connections.key(index);
        let connection = &connections[key];
        if !connection.is_open() || connection.is_paused() {
            return;
        }
        if connection.is_stream() {
            if connections.is_opening(key) {
                return;
            }
            // Nothing is sent back: a dead peer acknowledges no bytes, which the kernel notices.
            connections.note_sign(index, cx.time());
            cx.reply(key, event_stream::KEEPALIVE.to_vec());
        } else if connections.ping(index, cx.time()) {
            cx.reply(key, frame::encoded(Opcode::Ping, &[]));
        } else {
            self.close(key, CloseReason::KeepaliveTimeout);
        }
    }
}

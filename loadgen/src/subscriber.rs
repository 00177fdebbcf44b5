//! One subscriber's connection, what it keeps from one to the next, and how it reads.

use std::io;
use std::sync::Arc;

use crate::transport::{Tls, Transport};
use rustls::client::{ClientConfig, Resumption};

use crate::client::Client;
use crate::config::Config;
use crate::envelope_reply::{Confirmation, Reply};
use crate::error::ConnectionError;
use crate::handshake_clock::HandshakeClock;
use crate::log_positions::Positions;
use crate::plan_input::SlowMode;
use crate::recorder::Recorder;
use crate::schedule::Channel;

/// Nanoseconds that a subscriber reads, and then does not.
const PAUSE: u64 = 5_000_000_000;
/// Bytes that a subscriber reads at a time, where it only trickles.
const TRICKLE: usize = 4096;
/// TLS sessions that a subscriber keeps; a server gives two.
const SESSIONS: usize = 2;

/// A connection from its first byte on.
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) client: Client,
    pub(crate) out: Vec<u8>,
    /// Until it is upgraded.
    pub(crate) handshake: Option<Box<HandshakeClock>>,
    /// Confirmed in every channel.
    pub(crate) ready: bool,
}

/// What a subscriber keeps from one connection to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) positions: Positions,
    /// With TLS sessions of its own, where they are resumed.
    tls: Option<Tls>,
}

impl Kept {
    /// TLS as this subscriber has it: where sessions are resumed they are its own.
    pub(crate) fn tls(&mut self, config: &Config) -> Option<Tls> {
        let shared = config.endpoint.tls.as_ref()?;
        if !config.plan.resume {
            return Some(shared.clone());
        }
        let own = self.tls.get_or_insert_with(|| {
            let mut own = ClientConfig::clone(&shared.config);
            own.resumption = Resumption::in_memory_sessions(SESSIONS);
            Tls { config: Arc::new(own), server: shared.server.clone() }
        });
        Some(own.clone())
    }
}

/// How much to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Nothing,
    /// So many bytes.
    Some(usize),
    /// All that is there.
    All,
    /// All that will ever come.
    ToTheEnd,
}

impl Reading {
    /// What one that is slow so reads, `now` nanoseconds after the start.
    pub(crate) fn of(mode: SlowMode, now: u64) -> Self {
        match mode {
            SlowMode::Pause if (now / PAUSE).is_multiple_of(2) => Self::All,
            SlowMode::Trickle => Self::Some(TRICKLE),
            SlowMode::Pause | SlowMode::Never => Self::Nothing,
        }
    }

    /// Reads so much. Returns whether more may come.
    pub(crate) fn read(
        self,
        transport: &mut Transport,
        buffer: &mut [u8],
        take: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<bool, ConnectionError> {
        match self {
            Self::Nothing => Ok(true),
            Self::Some(most) => read_some(transport, &mut buffer[..most], take),
            Self::All => transport.read_all(buffer, false, take),
            Self::ToTheEnd => transport.read_all(buffer, true, take),
        }
    }
}

/// Reads once. Returns whether more may come.
fn read_some(
    transport: &mut Transport,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
) -> Result<bool, ConnectionError> {
    match transport.read(buffer) {
        Ok(0) => Ok(false),
        Ok(count) => take(&buffer[..count]).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// A subscription of one that recovers was confirmed.
pub(crate) fn confirm(
    recorder: &mut Recorder,
    positions: &mut Positions,
    channel: Option<Channel>,
    told: &Confirmation,
) {
    let Some(channel) = channel else { return };
    if positions.confirm(channel, told).is_err() {
        recorder.notice("a recovery that is not complete");
    }
}

/// A message without a stamp matters if it is an error, a gap or an event that this run did not
/// publish.
pub(crate) fn note(recorder: &mut Recorder, place: usize, text: &[u8], now: u64) {
    let Some(reply) = Reply::parse(text) else { return };
    match reply.error() {
        Some(code) => recorder.notice(code),
        None if reply.event == Some("gap") => recorder.notice("gap"),
        None if reply.kind == "event" && reply.room.is_some() => recorder.foreign(place, now),
        None => {}
    }
}

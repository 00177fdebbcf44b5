//! When a connection reached which part of its handshake.

use crate::transport::Transport;
use rustls::HandshakeKind;

use crate::figures::HandshakeSample;

/// Times on the shared clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandshakeClock {
    begun: u64,
    connected: Option<u64>,
    secured: Option<u64>,
}

impl HandshakeClock {
    pub(crate) fn begin(now: u64) -> Self {
        Self { begun: now, connected: None, secured: None }
    }

    /// Notes what the transport has reached by `now`.
    pub(crate) fn note(&mut self, transport: &Transport, now: u64) {
        if self.connected.is_none() && transport.stream.peer_addr().is_ok() {
            self.connected = Some(now);
        }
        if self.secured.is_none() && transport.handshake_kind().is_some() {
            self.secured = Some(now);
        }
    }

    /// The upgrade was answered at `now`.
    pub(crate) fn upgraded(self, transport: &Transport, now: u64) -> HandshakeSample {
        let Self { begun, connected, secured } = self;
        let connected = connected.unwrap_or(now);
        HandshakeSample {
            begun,
            tcp: connected - begun,
            tls: secured.map(|secured| secured - connected),
            upgrade: now - secured.unwrap_or(connected),
            resumed: transport.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

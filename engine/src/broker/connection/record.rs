//! One connection's record.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::State;
use super::token_buckets::{Bucket, ByteBucket};
use crate::limits::CONNECTION_RECORD;
use crate::types::{DrainReason, ServiceId, Time, TlsMode, Transport};
use crate::wire::deflate::Deflate;
use crate::wire::frame::Reader;

/// One connection; limits.rs adds up its size.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(super) generation: u16,
    pub(super) state: State,
    pub(super) service: ServiceId,
    pub(super) pauses: u8,
    /// Our close frame is in the kernel.
    pub(crate) close_sent: bool,
    /// The peer's close frame was received, or cannot be any more.
    pub(crate) close_seen: bool,
    /// By what its client shows that it is there.
    pub(super) sign: Sign,
    pub(super) tls_mode: TlsMode,
    pub(super) role: Role,
    /// The random part of the connection's id.
    pub(super) nonce: u64,
    pub(super) ip: [u8; 16],
    pub(super) port: u16,
    /// Second of its admission.
    pub(super) since: u32,
    pub(super) messages: Bucket,
    pub(super) bytes: ByteBucket,
    pub(crate) reader: Reader,
}

// Beside it: operation, subscriptions, authentication, laggard.
const _: () = assert!(size_of::<Connection>() + 4 + 16 + 8 + 8 <= CONNECTION_RECORD);

/// The owner of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    #[default]
    Client,
    /// The engine's own.
    Probe,
    /// A client's that was told to reconnect.
    Leaving(DrainReason),
}

/// By what a client shows that it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sign {
    /// It sends something.
    #[default]
    Sends,
    /// A PING was sent, and nothing received since.
    Answers,
    /// It has sent all with its request for a stream: the kernel finds a socket dead if its bytes
    /// are not acknowledged.
    Acknowledges,
}

/// A reason not to receive from a connection. Each ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Pause {
    /// It sent too much.
    Rate = 1,
    /// Its token is being verified.
    Verification = 2,
    /// Earlier requests of it are under way.
    Order = 4,
}

impl Connection {
    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Makes a legal move, or aborts: an illegal one is our own bug.
    pub(crate) fn become_state(&mut self, next: State) {
        assert!(self.state.may_become(next), "{:?} -> {next:?}", self.state);
        self.state = next;
    }

    /// Second of its admission, since the engine started.
    pub(crate) fn since(&self) -> u32 {
        self.since
    }

    pub(crate) fn service(&self) -> ServiceId {
        self.service
    }

    /// Whether it is the engine's own: not counted, limited or authenticated.
    pub(crate) fn is_probe(&self) -> bool {
        self.role == Role::Probe
    }

    /// Why it was told to reconnect, if it was.
    pub(crate) fn leaves(&self) -> Option<DrainReason> {
        match self.role {
            Role::Leaving(why) => Some(why),
            Role::Client | Role::Probe => None,
        }
    }

    /// By which protocol its client is served.
    pub(crate) fn transport(&self) -> Transport {
        match self.sign {
            Sign::Sends | Sign::Answers => Transport::WebSocket,
            Sign::Acknowledges => Transport::EventStream,
        }
    }

    /// Whether it is a stream of events: its client says nothing behind its request.
    pub(crate) fn is_stream(&self) -> bool {
        self.transport() == Transport::EventStream
    }

    /// What protects it.
    pub(crate) fn tls_mode(&self) -> TlsMode {
        self.tls_mode
    }

    /// What was agreed on compression.
    pub(crate) fn deflate(&self) -> Option<Deflate> {
        self.reader.deflate()
    }

    /// Whole messages that it may send at once now.
    pub(crate) fn messages_left(&self, rate: u32, now: Time) -> u32 {
        self.messages.left(rate, now)
    }

    /// Bytes that it may send at once now.
    pub(crate) fn bytes_left(&self, rate: u32, now: Time) -> u32 {
        self.bytes.left(rate, now)
    }

    /// Whether it is not received from.
    pub(crate) fn is_paused(&self) -> bool {
        self.pauses != 0
    }

    pub(crate) fn is_paused_for(&self, pause: Pause) -> bool {
        self.pauses & pause as u8 != 0
    }

    pub(super) fn set_peer(&mut self, peer: SocketAddr) {
        self.ip = match peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        self.port = peer.port();
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.ip).to_canonical(), self.port)
    }
}

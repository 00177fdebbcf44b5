//! TLS: the handshake by rustls, then records by one of three layers.
//!
//! 1. A [`TlsSession`] drives the handshake from bytes to bytes (`session`, `session/decrypt`).
//! 2. Established over TLS 1.3, it replaces rustls by the `record_layer`, which seals straight into
//!    the send batch; over TLS 1.2 rustls makes the records.
//! 3. Where kernel TLS is configured ([`Kernel`] is what `ktls_support` found), the session becomes
//!    a `ktls_session`: the socket is then used like one without TLS, and only `control_records`
//!    arrive here.
//!
//! A [`SlotTls`] is whichever of them a slot has. `io::Delivery` seals and opens by it.

mod control_records;
mod ktls_session;
mod ktls_support;
mod peer_certificate;
mod record_layer;
mod session;
mod slot_tls;
#[cfg(any(test, fuzzing))]
pub(super) mod tests;

use std::io;

pub(super) use ktls_session::ControlOutcome;
pub(crate) use ktls_support::Kernel;
pub(super) use session::{Opened, TlsProgress, TlsSession};
pub(super) use slot_tls::SlotTls;

/// Why a session has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    #[error("the peer's records cannot be reassembled")]
    Oversize,
    #[error("the traffic keys are used up")]
    Exhausted,
    #[error("the kernel cannot take these keys")]
    Suite,
    #[error("the kernel refuses: {0}")]
    Kernel(#[from] io::Error),
    #[error("the peer broke TLS before")]
    Failed,
}

//! From the listener to an upgraded connection, on monoio: one task per listener and one per
//! handshake.
//!
//! 1. `accept` accepts sockets of `listeners` in batches and starts a task for each;
//! 2. `upgrade` reads the PROXY header, drives TLS ([`super::tls`]) and the HTTP upgrade, within
//!    `limits::HANDSHAKE_TIMEOUT`;
//! 3. `admission` decides whether the client may connect, and reserves its place;
//! 4. `outcome` is how a handshake ends: an [`UpgradedConnection`] or a counted error;
//! 5. `queue` holds upgraded connections until the event loop admits them.
//!
//! `budget` limits the time that handshakes take from the event loop, `idle_eviction` the time that
//! a silent peer may occupy a place of a handshake (`limits::MAX_HANDSHAKES` at most).

mod accept;
mod admission;
mod budget;
mod idle_eviction;
mod listeners;
mod outcome;
mod queue;
mod upgrade;

pub(crate) use admission::AdmissionLimits;
pub(super) use admission::QuotaPermit;
pub(crate) use listeners::Listeners;
pub(super) use outcome::{AcceptedUpgrade, UpgradedConnection};
pub(super) use queue::HandshakeQueue;

//! The clients that `verify` and the commands for publishers and subscribers share: how they
//! `connect` and whom they trust, their `credentials`, a `session` over WebSocket, an
//! `http_exchange`.

pub(crate) mod connect;
pub mod credentials;
pub(crate) mod http_exchange;
pub(crate) mod refusal;
pub(crate) mod session;
pub(crate) mod tls_trust;

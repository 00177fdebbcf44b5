//! TLS records.

pub(super) mod ktls_session;
mod record_layer;
pub(super) mod session;
pub(super) mod slot_tls;

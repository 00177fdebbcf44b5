//! What the broker asks of the shell.

use super::connection::CloseReport;
use crate::types::{ConnectionKey, ServiceId};
use crate::wire::Secret;

/// One thing the shell is to do, in the order given, after the turn's last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Have this token verified, and report `handle_authenticated` once. Bounded by
    /// `limits::VERIFICATIONS_PER_SHARD`.
    Authenticate {
        /// Whose client it is.
        service: ServiceId,
        /// Who showed it.
        key: ConnectionKey,
        /// The token.
        token: Secret,
    },
    /// Stop receiving from this connection until `ResumeReceive`. What already arrived still comes.
    PauseReceive(ConnectionKey),
    /// Receive again.
    ResumeReceive(ConnectionKey),
    /// Report once, by `handle_writable`, when the socket has room again.
    AwaitWritable(ConnectionKey),
    /// Send FIN (over TLS: close_notify first). Receiving goes on.
    ShutdownWrite(ConnectionKey),
    /// End receiving for good, and any pending writability poll. Once their final completions
    /// are in (at once if nothing was armed), report `handle_receive_ended`.
    CancelReceive(ConnectionKey),
    /// Log why a connection is closed.
    Log(CloseReport),
    /// Clear the slot and forget the connection. The index may be admitted again as soon as this
    /// is queued, so do this before the next `Hub::admit`.
    Release(ConnectionKey),
}

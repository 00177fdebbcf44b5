//! Uringcast's engine: takes one event and puts it on a hundred thousand sockets.
//!
//! Start with [`Engine::start`], publish with [`Publisher::try_publish`], end with
//! [`Engine::drain`]; `examples/embed.rs` does all three.
//!
//! # The path of a message
//!
//! ```text
//!  publisher ──► home shard ───────────────► other shards with subscribers
//!                seq, encode once              │ the same bytes by a lane
//!                append to the log             │ append to their log
//!                └► sweep the live set         └► sweep the live set
//!                   gate? SQE. gate? SQE. …       gate? SQE. gate? SQE. …
//!                   one io_uring_enter a batch; exceptions become laggards
//! ```
//!
//! 1. It enters by [`Publisher::try_publish`] into the home shard's [`sync::Mailbox`], or as a
//!    client's message by `broker/session.rs`, perhaps over a [`sync::lane`] to the home.
//! 2. `broker/home.rs` gives it its [`Seq`] and encodes it into a [`shared_frame::Frame`]: the
//!    only encoding it ever gets, WebSocket header included.
//! 3. `broker/retention.rs` appends it to the channel's `broker/log.rs` and marks the channel
//!    dirty.
//! 4. `broker/home.rs` hands a [`sync::PresplitArc`] of it to every shard with subscribers;
//!    `broker/remote.rs` takes it in there.
//! 5. `broker/transmit.rs` sweeps the `broker/live_set.rs`: for each member it asks
//!    `broker/gate.rs` and pushes one write into the [`broker::outlet::WriteSink`].
//! 6. `shard/io/deliver.rs` is that outlet: one submission entry per write, one system call per
//!    batch, and no completion for a write that went out whole.
//! 7. A write that did not makes its connection a laggard: `broker/catch_up.rs` reads the log for
//!    it at its own pace.
//!
//! # The path of a connection
//!
//! 1. `shard/handshake/accept.rs` accepts it on the shard it will live and die on.
//! 2. `shard/handshake/upgrade.rs` drives the handshakes: TLS by `shard/tls/session.rs`, HTTP by
//!    [`wire::upgrade`].
//! 3. The turn admits it (`broker/lifecycle.rs`) and gives its socket to the delivery ring: the
//!    registered slot is the connection from now on, and no task is left.
//! 4. `shard/io/receive.rs` hands its bytes to the hub; [`wire::frame::Reader`] makes messages of
//!    them, `broker/session.rs` answers.
//! 5. `broker/lifecycle.rs` ends it, step by step; its slot is reused only after its last
//!    completion.
//!
//! # Who may import whom
//!
//! types, limits, config ← wire, telemetry ← broker ← shard ← api; [`sync`] ← [`shared_frame`] ←
//! broker. Beside them [`exposition`] ← `websocket_metrics`: the counters of [`telemetry`] in
//! Prometheus's format, and [`WebSocketMetrics`] for programs with sockets of their own. A test
//! (`tests/tidy.rs`) holds the table of these arrows. The broker has no I/O, reads no clock and no
//! environment, so that a seeded simulation can run several shards on one thread (`broker/sim`).
//! docs/ARCHITECTURE.md numbers the invariants that comments cite.

mod api;
pub mod broker;
mod config;
pub mod exposition;
pub mod limits;
mod shard;
pub mod shared_frame;
pub mod sync;
pub mod telemetry;
#[cfg(any(test, fuzzing))]
pub mod tests {
    //! The fuzz targets, which cargo-fuzz calls from outside.
    pub mod fuzz_bodies;
}
mod types;
mod websocket_metrics;
pub mod wire;

pub use api::{
    BatchTicket, ChannelInfo, Engine, Publisher, Ticket, Verification, Verifications, preflight,
};
pub use config::{
    Access, AuthMode, ClientRequest, Config, Correlation, KernelTls, ProbeKey, Protocol, Proxies,
    Retention, Rule, Service, SessionProtocol, StatusRequest, TlsSource,
};
#[doc(hidden)]
pub use shard::RingSink;
pub use types::{
    AuthError, ChannelIndex, ChannelName, ChannelPattern, ClientAction, ClientCommand,
    ConnectionKey, DrainReport, Epoch, EventName, Identity, JoinToken, JsonObject, JsonObjectError,
    LivePosition, NameError, Now, OperationId, Publication, PublishError, RequestId, Seq,
    ServiceId, ShardId, StartError, Target, Time, Verdict,
};
pub use websocket_metrics::{MetricsServer, MetricsServerError, WebSocketMetrics};

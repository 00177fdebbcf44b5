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
//! 2. `broker/home.rs` gives it its [`Seq`] and encodes it into a [`broker::frame::Frame`]: the
//!    only encoding it ever gets, WebSocket header included.
//! 3. `broker/retention.rs` appends it to the channel's `broker/log.rs` and marks the channel
//!    dirty.
//! 4. `broker/home.rs` hands a [`sync::PresplitArc`] of it to every shard with subscribers;
//!    `broker/remote.rs` takes it in there.
//! 5. `broker/transmit.rs` sweeps the `broker/live_set.rs`: for each member it asks
//!    `broker/gate.rs` and pushes one write into the [`broker::outlet::WriteSink`].
//! 6. `shard/deliver.rs` is that outlet: one submission entry per write, one system call per
//!    batch, and no completion for a write that went out whole.
//! 7. A write that did not makes its connection a laggard: `broker/catch_up.rs` reads the log for
//!    it at its own pace.
//!
//! # The path of a connection
//!
//! 1. `shard/accept.rs` accepts it on the shard it will live and die on.
//! 2. `shard/greet.rs` shakes hands: TLS by `shard/tls.rs`, HTTP by [`wire::upgrade`].
//! 3. The turn admits it (`broker/lifecycle.rs`) and gives its socket to the delivery ring: the
//!    registered slot is the connection from now on, and no task is left.
//! 4. `shard/receive.rs` hands its bytes to the hub; [`wire::frame::Reader`] makes messages of
//!    them, `broker/session.rs` answers.
//! 5. `broker/lifecycle.rs` ends it, step by step; its slot is reused only after its last
//!    completion.
//!
//! # Who may import whom
//!
//! types, limits, config ← wire, telemetry ← broker ← shard → sync; engine on top. Beside them
//! [`exposition`] ← `embed`: what telemetry has, as Prometheus reads it, and [`WebSocketMetrics`]
//! for programs with sockets of their own. The broker has
//! no I/O, reads no clock and no environment, so that a seeded simulation can run several shards
//! on one thread (`broker/sim`). docs/ARCHITECTURE.md numbers the invariants that comments cite.

pub mod broker;
mod config;
mod embed;
pub mod engine;
pub mod exposition;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod limits;
mod shard;
pub mod sync;
pub mod telemetry;
mod types;
pub mod wire;

pub use config::{
    Access, AuthMode, Config, Correlation, KernelTls, ProbeKey, Protocol, Proxies, Retention, Rule,
    Service, StatusRequest, TlsSource,
};
pub use embed::{MetricsServer, MetricsServerError, WebSocketMetrics};
pub use engine::{
    BatchTicket, ChannelInfo, DrainReport, Engine, Publisher, StartError, Ticket, Verification,
    Verifications, preflight,
};
#[doc(hidden)]
pub use shard::RingSink;
pub use types::{
    AuthError, ChannelName, ChannelPattern, ClientAction, ClientCommand, ConnectionKey, Epoch,
    EventName, Identity, JsonObject, JsonObjectError, NameError, Now, Publication, PublishError,
    Seq, ServiceId, ShardId, Target, Time, Verdict,
};

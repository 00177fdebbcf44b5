//! Uringcast's engine: takes one event and puts it on a hundred thousand sockets.
//!
//! A program that embeds it is a WebSocket server of its own: it says where to listen and which
//! clients may connect, publishes, and gets counts and latencies back. `examples/embed.rs` is the
//! shortest one, [`Engine`] has it as a snippet. Threads, sockets, TLS, the protocol
//! (docs/PROTOCOL.md) and slow clients are the engine's; it needs Linux 6.1 or later, and has no
//! cargo features: what can be chosen is a field of [`Config`] or [`Service`].
//!
//! * **Start, and end without a loss**: [`Engine::start`] with a [`Config`] of one [`Service`] or
//!   several; [`Engine::drain`].
//! * **Publish from any thread**: [`Engine::publisher`]: [`Publisher::try_publish`] gives a
//!   [`Ticket`], to wait for or to await; a batch, or independent ones:
//!   [`Publisher::try_publish_batch`], [`Publisher::publish_each`].
//! * **Decide which clients connect**: [`Access`]: its [`AuthMode`], [`Origins`] of browsers'
//!   pages, and caps. The program judges tokens: [`Engine::verifications`] hands each over, and
//!   [`Verification::answer`] takes a [`Verdict`] with an [`Identity`].
//! * **Decide which clients subscribe and publish**: [`Rule`]s of channels and permissions in
//!   [`Access`], or the [`ClassRule`] of the channels; the permissions are the [`Identity`]'s.
//! * **Answer requests in a protocol of one's own**: [`Protocol::Custom`] with a
//!   [`SessionProtocol`]; in the engine's own protocol a [`StatusRequest`] asks for a channel's
//!   last event, or the document that [`Engine::set_status`] put in its place.
//! * **See channels and connections, and end clients or subscriptions**: [`Engine::channels`],
//!   [`Engine::connections`] with a [`ConnectionQuery`], [`Engine::disconnect`] with a
//!   [`ClientCommand`].
//! * **Replace settings while it runs**: [`Engine::live_config`], a [`LiveConfig`].
//! * **Share the order of channels with other engines**: an [`ExternalOrder`] gives messages their
//!   positions, and delivers by [`Engine::external_feed`]. It gets reports of presence, and may
//!   keep a [`Roster`] of each channel.
//! * **Hand all connections over to another process**: [`Engine::predecessor`], [`Successor`].
//! * **Encrypt**: [`TlsSource`]: its configuration can be replaced while it runs; [`KernelTls`].
//! * **Bound what a channel keeps, and join small messages**: [`Retention`]; of some
//!   channels otherwise: [`ClassRule`], of which [`ChannelClass`]es are made.
//! * **See what happens**: [`Engine::collect`] into [`telemetry::Totals`]; [`exposition`] makes
//!   Prometheus's text of it; [`Engine::is_ready`].
//! * **Ask beforehand whether the machine can**: [`preflight`].
//! * **Measure sockets that are not the engine's**: [`WebSocketMetrics`];
//!   `examples/own_sockets.rs`.
//!
//! The list of all that is promised is `tests/public_api.txt`, which a test compares with the
//! code. [`limits`] has every bound. Other modules can be reached by benchmarks and tests, are not
//! in this documentation, and change with any version.
//!
//! The rest of this page is for developers of the engine.
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
//! 1. `api/publisher.rs`: `Publisher::try_publish` finds the home shard, a keyed hash of the
//!    channel's name.
//! 2. `sync/mailbox.rs`: the home's `sync::Mailbox` has room for it, or refuses at once.
//! 3. `shard/event_loop.rs`: one iteration pops it, while the broker accepts input.
//! 4. `broker/hub.rs`: `broker::Hub::publish` is the broker's entrance; the type's documentation
//!    is the contract between the broker and its event loop.
//! 5. `broker/core.rs`: refused while the shard drains.
//! 6. `broker/channel/channels.rs`: the channel gives it its `Seq`, unless it is saturated.
//! 7. `wire/encoder.rs`: `wire::encoder::Encoder::broadcast` makes the bytes of a
//!    `shared_frame::Frame`, the only encoding it ever gets, WebSocket header included.
//! 8. `broker/channel/retention.rs`: its bytes are counted; older frames may have to go.
//! 9. `broker/channel/log.rs`: the log keeps it, and the channel is dirty.
//! 10. `broker/delivery.rs`: the sweep walks the live set, checks the write gate for each member
//!     and pushes one write into the `broker::write_sink::WriteSink`.
//! 11. `shard/io/deliver.rs`: that sink; it seals where there is TLS.
//! 12. `engine/ring/src/ring/send_batch.rs`: one submission entry per write, one system call per
//!     batch, and no completion for a write that went out whole.
//!
//! A write that did not makes its connection a laggard: `broker/delivery/catch_up.rs` reads the log
//! for it at its own pace. To other shards with subscribers `broker/channel/home.rs` sends the same
//! bytes by a `sync::spsc` lane; they go on at step 8 there. A client's message begins at
//! `shard/io/receive.rs` and `broker/session.rs`, and goes on at step 5.
//!
//! # The path of a connection
//!
//! 1. `shard/handshake/accept.rs` accepts it on the shard that it stays on.
//! 2. `shard/handshake/upgrade.rs` drives the handshakes: TLS by `shard/tls/session.rs`, HTTP by
//!    `wire::upgrade`.
//! 3. `shard/handshake/queue.rs` holds it until `shard/event_loop.rs` admits it to the hub
//!    (`broker/connection/table.rs`) and gives its socket to the delivery ring: the registered slot
//!    is the connection from now on, and no task is left.
//! 4. `shard/io/receive.rs` hands its bytes to the hub; `wire::frame::Reader` makes messages of
//!    them, `broker/session.rs` answers.
//! 5. `broker/connection/state.rs` has its states and their legal moves; `broker/hub.rs` ends it,
//!    step by step. Its slot is reused only after its last completion.
//!
//! # Which module imports which
//!
//! limits ← types ← config ← wire ← broker ← shard ← api; telemetry beside wire; `sync` ←
//! `shared_frame` ← handover ← wire, broker, shard, api; handover ← `roster` ← broker. Beside them
//! `telemetry` ← `exposition` ← `websocket_metrics`: the counters in Prometheus's format, and
//! `WebSocketMetrics` for programs with sockets of their own. `shard` alone uses the crate
//! `uringcast-ring` (`engine/ring`), which imports nothing of this one. A test
//! (`tests/tidy/arrows.rs`) holds the table of these arrows and that it has no circle. The broker
//! has no I/O, no atomics and no log, and reads no clock and no environment, so that a seeded
//! simulation can run several shards on one thread (`broker/sim/mod.rs`). docs/ARCHITECTURE.md
//! numbers the invariants that comments cite.

mod api;
#[doc(hidden)]
pub mod broker;
mod config;
pub mod exposition;
#[doc(hidden)]
pub mod handover;
pub mod limits;
mod roster;
mod shard;
#[doc(hidden)]
pub mod shared_frame;
#[doc(hidden)]
pub mod sync;
pub mod telemetry;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod tests;
mod types;
mod websocket_metrics;
#[doc(hidden)]
pub mod wire;

pub use api::{
    BatchTicket, ChannelDetail, ChannelInfo, Engine, ExternalFeed, HandedOver, HomeTicket,
    LiveConfig, NotHandedOver, NotTakenOver, Predecessor, Prepared, Publisher, StandingBy, Stopped,
    Successor, Ticket, Verification, Verifications, preflight,
};
pub use broker::{
    AddressFilter, ConnectionDetail, ConnectionInfo, ConnectionQuery, HistoryPosition,
    HistoryRange, LagInfo, LogPage,
};
pub use config::{
    Access, AuthMode, ChannelClass, ChannelPrefix, ClassRetention, ClassRule, ClientRequest,
    Compression, Config, Correlation, ExternalOrder, FollowRequest, Followed, HistoryAccess,
    KernelTls, Origins, PresenceQuestion, PresenceReport, PresenceRequest, ProbeKey, Protocol,
    Proxies, PublishRequest, ReadPage, ReadRequest, Reconnect, Retention, Rule, Service,
    SessionProtocol, SlowPolicy, StatusRequest, TlsSource, Unavailable, WatchRequest,
};
pub use roster::{Roster, RosterChange};
#[doc(hidden)]
pub use shard::Delivery;
pub use types::{
    AuthError, CertificateId, ChannelName, ChannelPattern, ClientAction, ClientCertificate,
    ClientCommand, CloseCodes, ConnectionEnd, DrainReason, DrainReport, Epoch, EventName, FeedItem,
    Identity, JsonLimitError, JsonObject, JsonObjectError, Member, MessageKey, NameError,
    PatternError, PresenceEnd, PresenceList, Present, Publication, PublishError, Reply,
    RevokedCertificates, RevokedTokens, Seq, Sequenced, ServiceId, ServiceLoad, ShardId,
    StartError, StateDocument, StateError, Target, Time, TlsMode, TokenFault, Transport, Verdict,
};
// Of the modules that are hidden.
#[doc(hidden)]
pub use types::{
    ChannelIndex, ConnectionKey, Encoding, JoinToken, LivePosition, Now, OperationId, RequestId,
};
pub use websocket_metrics::{MetricsServer, MetricsServerError, WebSocketMetrics};
pub use wire::{HistoryAnswer, HistoryMessage, NotRecovered};

//! Bounds and defaults of the control plane, each with its reason. The engine's are in its own
//! `limits`.

use std::time::Duration;

/// Bytes of one publish request: a batch of many small messages, or a few of the largest.
pub const MAX_PUBLISH_BODY: usize = 16 << 20;
/// Messages of one publish request: one turn's worth for a shard.
pub const MAX_PUBLISH_BATCH: usize = 1_000;
/// Channels of one page of `GET /v1/channels` unless the request says otherwise.
pub const DEFAULT_PAGE: usize = 100;
/// Channels of one page at most: what the engine gives.
pub const MAX_PAGE: usize = uringcast_engine::limits::CHANNELS_PAGE;
/// Open connections of one HTTP port; further ones wait in the listen queue.
pub const MAX_HTTP_CONNECTIONS: usize = 512;
/// For the headers of an HTTP request; slower clients are cut.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole HTTP request, body and answer.
pub const HTTP_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// For HTTP requests that are still open when the server stops.
pub const HTTP_DRAIN: Duration = Duration::from_secs(1);
/// Bytes of an error message that repeats what a publisher sent.
pub const MAX_ERROR_TEXT: usize = 300;
/// Bytes of a certificate, key, API key or configuration file: the largest CA bundles fit.
pub const MAX_FILE: u64 = 4 << 20;
/// How long an automatic certificate is valid.
pub const AUTO_CERT_LIFE: Duration = Duration::from_secs(365 * 86_400);
/// An automatic certificate with less life left than this is replaced at the next start.
pub const AUTO_CERT_MARGIN: Duration = Duration::from_secs(30 * 86_400);

/// Bytes of a shared secret that clients beyond loopback may meet: what HS256 hashes to.
pub const MIN_JWT_SECRET: usize = 32;
/// Keys of a JWK Set: an issuer has a few, and reading one costs.
pub const MAX_JWKS_KEYS: usize = 100;
/// Keys that one token is tried with: each costs a verification, and the token may be garbage.
pub const MAX_KEY_TRIES: usize = 4;
/// Niceness of the threads that verify tokens: least, so that shards go first.
pub const VERIFIER_NICE: i32 = 19;
/// How often the JWKS file is looked at.
pub const JWKS_INTERVAL: Duration = Duration::from_secs(1);

/// The original family's port.
pub const DEFAULT_PORT: u16 = 8765;
/// Next to the WebSocket port.
pub const DEFAULT_CONTROL_PORT: u16 = 8766;
/// Where Prometheus exporters of instrumented programs usually are.
pub const DEFAULT_METRICS_PORT: u16 = 9464;

const _: () = assert!(DEFAULT_PAGE <= MAX_PAGE);

//! Bounds and defaults of the control plane, each with its reason. The engine's are in its own
//! `limits`.

mod cluster_bounds;
mod handover_bounds;
mod presence_bounds;

use std::time::Duration;

pub use cluster_bounds::*;
pub use handover_bounds::*;
pub use presence_bounds::*;

/// Bytes of one publish request: a batch of many small messages, or a few of the largest.
pub const MAX_PUBLISH_BODY: usize = 16 << 20;
/// Bytes of all bodies under way, those of requests that are read whole and unfinished lines of
/// streams: eight of the largest. Parsed they may be there twice, and once more
/// as they came where the server may be handed over. Bodies of [`MAX_PLAIN_REQUEST`]
/// do not count: each connection has one at most.
pub const HTTP_BODY_BYTES: usize = 128 << 20;
/// Those of one key, or of requests that need none: four of the largest.
pub const HTTP_BODY_BYTES_PER_KEY: usize = HTTP_BODY_BYTES / 2;
/// Messages of one publish request: one turn's worth for a shard.
pub const MAX_PUBLISH_BATCH: usize = 1_000;
/// Messages with an id that are remembered, so that a repeat is known: 65,536 of them with the
/// longest ids and channels are about 50 MB. The oldest of the key that has the most go first.
pub const MAX_REPEATS: usize = 65_536;
/// How long they are remembered: publishers that retry have given up by then.
pub const REPEAT_WINDOW: Duration = uringcast_engine::limits::PUBLISHED_ID_WINDOW;
/// Bytes of a line of a published stream, beyond those of its data: the names, escaped.
pub const PUBLISH_LINE_REST: usize = 8 << 10;
/// For a published stream to go on; an empty line is enough.
pub const PUBLISH_STREAM_IDLE: Duration = Duration::from_secs(300);
/// For the engine to take a message of a published stream, before the publisher must retry.
pub const PUBLISH_STREAM_PATIENCE: Duration = Duration::from_secs(30);
/// Channels of one page of `GET /v1/channels` unless the request says otherwise.
pub const DEFAULT_PAGE: usize = 100;
/// Channels of one page at most: what the engine gives.
pub const MAX_PAGE: usize = uringcast_engine::limits::CHANNELS_PAGE;
/// Connections of one HTTP port of which a request was admitted: those of publishers. When all are
/// taken, the key that has the most of them loses an idle one.
pub const MAX_HTTP_CONNECTIONS: usize = 512;
/// Connections of one HTTP port beside them, of which no request was admitted: new ones, health,
/// readiness, scrapes. The oldest goes for a newer one, so that these always find a place.
pub const NEW_HTTP_CONNECTIONS: usize = 128;
/// A publisher's connection is idle, and may have to go for another, when so long no request began
/// on it, no answer was made and nothing of a body came.
pub const HTTP_IDLE: Duration = Duration::from_secs(1);
/// For which a publisher is to wait where the order of channels is not available: a stream's
/// leader takes some seconds to be replaced.
pub const ORDER_PAUSE: Duration = Duration::from_secs(1);
/// For a peer to take something of an answer, or of a segment; one that takes nothing is cut.
pub const HTTP_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of answers that the kernel keeps for a peer of an HTTP port: its own bound is 4 MB, for
/// each peer that reads none.
pub const HTTP_SEND_BUFFER: usize = 256 << 10;
/// Listen queue of one HTTP port: twice what it serves at once.
pub const HTTP_BACKLOG: u32 = 1_024;
/// Single messages that wait for one round of the control thread to end: one from each connection
/// of four control ports.
pub const PUBLISH_QUEUE: usize = 4 * MAX_HTTP_CONNECTIONS;
/// Bytes of bodies that the control thread receives or parses before it gives way to a shard on the
/// same core: some tens of microseconds.
pub const CPU_TURN: usize = 32 << 10;
/// Bytes of a publish request that is served without hyper, head and body: a few small messages.
pub const MAX_PLAIN_REQUEST: usize = 16 << 10;
/// Bytes of room for one read of such: most are whole then.
pub const PLAIN_READ: usize = 2 << 10;
/// Its headers: those of a client behind a proxy or two.
pub const MAX_PLAIN_HEADERS: usize = 32;
/// Bytes of the head of a request: as much as clients have for an upgrade.
pub const MAX_HTTP_HEAD: usize = 16 << 10;
/// Bytes of room for one read of a body.
pub const HTTP_READ: usize = 64 << 10;
/// For the headers of an HTTP request; slower clients are cut.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// For an HTTP request, from its headers to the head of the response: a slow body of a request
/// is within it, that of a response is not.
pub const HTTP_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks at how many clients are left of those that were told to reconnect: a server
/// with few ends soon.
pub const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// For HTTP requests that are still open when the server stops.
pub const HTTP_DRAIN: Duration = Duration::from_secs(1);
/// The largest window of a body compressed by zstd, as a power of two: 8 MiB, which RFC 9659
/// grants. The other formats bound theirs by definition, the largest is brotli's 16 MiB.
pub const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes of an error message that repeats what a publisher sent.
pub const MAX_ERROR_TEXT: usize = 300;
/// Ends of connections that wait for the access log: those of a second at 65,536 a second, about
/// 15 MB. More are counted and dropped.
pub const ACCESS_LOG_QUEUE: usize = 65_536;
/// Bytes of all that wait for the access log, with a user's name of some length each.
pub const ACCESS_LOG_BYTES: usize = ACCESS_LOG_QUEUE * 240;
/// For the access log to be written when the server stops.
pub const ACCESS_LOG_PATIENCE: Duration = Duration::from_secs(1);
/// Characters of a token's claim in a line of the log: an audience or issuer is a URL mostly.
pub const LOGGED_CLAIM: usize = 100;
/// Revocations of tokens that are kept, of all services together: with the longest names 70 MB. Of
/// several services one may have half of them.
pub const MAX_REVOCATIONS: usize = 65_536;
/// Characters of a user or `jti` that is revoked.
pub const MAX_REVOKED_NAME: usize = 256;
/// Bytes of all revocations in memory, with the longest names.
pub const REVOCATIONS_BYTES: usize = MAX_REVOCATIONS * (4 * MAX_REVOKED_NAME + 64);
/// Bytes of the file of revocations: all of them, with the longest names, escaped.
pub const MAX_REVOCATIONS_FILE: u64 = 256 << 20;
/// How long a revocation is kept without `expires_in`: longer than tokens of clients live.
pub const DEFAULT_REVOCATION: Duration = Duration::from_secs(30 * 86_400);
/// How long a revocation may be kept: tokens of a year, and a month more.
pub const MAX_REVOCATION: Duration = Duration::from_secs(400 * 86_400);
/// Bytes of a certificate, key, API key or configuration file: the largest CA bundles fit.
pub const MAX_FILE: u64 = 4 << 20;
/// The interval of `GET /debug/latency`: long enough for a p99.9 under load, short enough to show
/// what changed.
pub const LATENCY_WINDOW: Duration = Duration::from_secs(10);
/// Seconds that `GET /debug/live` remembers: five minutes, a point each, is what a chart shows.
pub const LIVE_HISTORY: usize = 300;
/// Seconds over which the busiest channels are summed up, so that slow ones do not flicker.
pub const LIVE_HOT_SECONDS: usize = 10;
/// Channels and consumers that a page lists.
pub const LIVE_ROWS: usize = 8;
/// How long a page receives updates after its last request; it requests twice as often.
pub const LIVE_WATCH: Duration = Duration::from_secs(60);
/// For a canary's probe to arrive, and for its connection: beyond, a client would have given up.
pub const CANARY_TIMEOUT: Duration = Duration::from_secs(1);
/// Probes in a row that must fail before a shard counts as not ready: one may be a reconnect.
pub const CANARY_MISSES: u32 = 3;
/// After so many probes one of the canaries connects anew: often enough that a listener which
/// accepts no client is noticed within seconds, seldom enough that its handshakes are no load.
pub const CANARY_RENEWAL: u64 = 10;
/// Connections a round may open for each shard until the kernel has chosen every shard once.
pub const CANARY_DIALS_PER_SHARD: usize = 16;
/// How often canaries probe unless configured.
pub const DEFAULT_CANARY_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest interval: more often, probes would be load.
pub const MIN_CANARY_INTERVAL: Duration = Duration::from_millis(100);
/// Log lines a second of each place in the code: enough to find the cause, few enough that logging
/// is no load.
pub const LOG_LINES_PER_SECOND: u32 = 10;
/// Log lines that wait for standard error: a burst of `debug`, about a megabyte. Beyond, lines are
/// lost and counted.
pub const LOG_QUEUE: usize = 4_096;
/// For a process that panicked to end by itself: standard error may accept nothing of the log and
/// the report.
pub const PANIC_PATIENCE: Duration = Duration::from_secs(2);
/// How long an automatic certificate is valid.
pub const AUTO_CERT_LIFE: Duration = Duration::from_secs(365 * 86_400);
/// An automatic certificate with less life left than this is replaced at the next start.
pub const AUTO_CERT_MARGIN: Duration = Duration::from_secs(30 * 86_400);
/// For which a key seals session tickets.
pub const TICKET_KEY_LIFE: Duration = Duration::from_secs(6 * 3_600);
/// Keys that open session tickets, the one that seals among them: a ticket is good for as many of
/// their lives.
pub const TICKET_KEYS: usize = 2;
/// Certificates of one server: each is a metric's label and two files looked at every second.
pub const MAX_CERTIFICATES: usize = 64;
/// Looks in a row that find changed files which fail before that is logged: a writer in between is
/// done by then, and one that never ends must not hide it.
pub const MAX_TORN_CHECKS: u32 = 5;
/// A certificate with less life left than this is warned about.
pub const EXPIRY_WARNING: Duration = AUTO_CERT_MARGIN;
/// How often it is.
pub const EXPIRY_CHECK: Duration = Duration::from_secs(86_400);
/// For one step of a command that connects: longer than a server waits for a token.
pub const VERIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// For the other side to end a connection that has nothing more to bring: longer than a close takes
/// on any network, and nothing is lost by going after it.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// Lines of standard input that `pub` reads ahead: enough that reading and sending overlap.
pub const STDIN_LINES: usize = 64;
/// How often `top` asks: the server has a new point once a second.
pub const TOP_INTERVAL: Duration = Duration::from_secs(1);
/// Rows of each table that `top` prints.
pub const TOP_ROWS: usize = 8;
/// The longest life of a token for tests, in milliseconds: a year outlives every test.
pub const MAX_TEST_TOKEN: u64 = 365 * 86_400_000;
/// Bytes of an HTTP answer that a command reads: many services' metrics fit.
pub const MAX_VERIFY_ANSWER: usize = 16 << 20;
/// Days before its end that a certificate is warned about.
pub const CERTIFICATE_WARNING: i64 = 30;

/// Bytes of a shared secret that clients beyond loopback may meet: what HS256 hashes to.
pub const MIN_JWT_SECRET: usize = 32;
/// Keys of a JWK Set: an issuer has a few, and reading one costs.
pub const MAX_JWKS_KEYS: usize = 100;
/// Keys that one token is tried with: each costs a verification, and the token may be garbage.
pub const MAX_KEY_TRIES: usize = 4;
/// How long past its `exp` or before its `nbf` a token is taken unless configured: clocks that NTP
/// keeps agree, and the original servers allowed nothing.
pub const DEFAULT_JWT_LEEWAY: Duration = Duration::ZERO;
/// The most that may be allowed, in milliseconds: more is no difference of clocks.
pub const MAX_JWT_LEEWAY: u64 = 300_000;
/// Niceness of the threads that verify tokens: least, so that shards go first.
pub const VERIFIER_NICE: i32 = 19;

/// The original family's port.
pub const DEFAULT_PORT: u16 = 8765;
/// Next to the WebSocket port.
pub const DEFAULT_CONTROL_PORT: u16 = 8766;
/// Where Prometheus exporters of instrumented programs usually are.
pub const DEFAULT_METRICS_PORT: u16 = 9464;

const _: () = assert!(MAX_PUBLISH_BODY <= HTTP_BODY_BYTES_PER_KEY);
const _: () = assert!(MAX_PLAIN_REQUEST <= MAX_HTTP_HEAD);
const _: () = assert!(DEFAULT_PAGE <= MAX_PAGE);

//! Every bound of the engine, with its reason (invariant 3). Those that an operator may change are
//! defaults of [`crate::Config`]; the rest are constants. A test makes docs/LIMITS.md of this file.

mod audience;
mod channel_classes;
mod channel_contexts;
mod compression;
mod drains;
mod event_ids;
mod feeds;
mod footprint;
mod handover;
mod handover_state;
mod history;
mod lanes;
mod repeats;
mod rosters;
mod scrapes;
mod slow;
mod turns;

use std::time::Duration;

pub use audience::*;
pub use channel_classes::*;
pub use channel_contexts::*;
pub use compression::*;
pub use drains::*;
pub use event_ids::*;
pub use feeds::*;
pub use footprint::*;
pub use handover::*;
pub use handover_state::*;
pub use history::*;
pub use lanes::*;
pub use repeats::*;
pub use rosters::*;
pub use scrapes::*;
pub use slow::*;
pub use turns::*;

/// Bytes of a channel name. A name is a key, not a document; the envelope repeats it per message.
pub const MAX_CHANNEL_NAME: usize = 200;
/// Bytes of an event name, as for channels.
pub const MAX_EVENT_NAME: usize = 200;
/// Shards of one engine: each pair of them has lanes, so memory grows with the square of this.
pub const MAX_SHARDS: usize = 64;
/// Services of one engine: the original family's seven, and as many again. Each has counters and
/// histograms of its own in every snapshot.
pub const MAX_SERVICES: usize = 16;
/// Connections one shard can hold: the kernel bounds a ring's registered files by the process's
/// descriptor limit, so this is only the ceiling of the tables.
pub const MAX_CONNECTIONS_PER_SHARD: usize = 1 << 20;
/// Open connections of a service unless configured: the original family's figure.
pub const DEFAULT_MAX_CONNECTIONS: usize = 1_000;
/// Bytes of one inbound message; the original's default.
pub const DEFAULT_MAX_MESSAGE: usize = 1 << 20;
/// Levels of lists and objects in one published document, unless configured: stock parsers recurse,
/// Python's up to about 1,000 levels, and serde_json's up to 127 of an envelope.
pub const DEFAULT_JSON_DEPTH: usize = 128;
/// Levels that may be configured: more is the work of a program that went wrong.
pub const MAX_JSON_DEPTH: usize = 10_000;
/// Characters of one number in a published document: Python refuses integers of more than 4,300
/// digits, and no format of numbers has a use for so many.
pub const MAX_JSON_NUMBER: usize = 1_000;
/// Fragments of one inbound message: what the public conformance suite sends at most.
pub const MAX_FRAGMENTS: u32 = 65_536;
/// Fragments of fewer bytes, but for a message's last, count as messages towards the rate, as PINGs
/// and PONGs do: what they cost is their number.
pub const SMALL_FRAGMENT: usize = 128;
/// Inbound messages a second and connection; the original's default. Burst is 1.5 times that.
pub const DEFAULT_MESSAGE_RATE: u32 = 100;
/// PINGs, PONGs and small fragments a second and connection where messages have no rate: a message
/// of [`MAX_FRAGMENTS`] small ones still comes within [`MESSAGE_TIMEOUT`]. Burst is 1.5 times that.
pub const SMALL_FRAME_RATE: u32 = 10_000;
/// Messages over the rate that one receive answers one by one. Of a flood a receive brings some
/// thousand: further ones are counted and paid for by waiting, and their client is told once.
pub const REFUSALS_PER_RECEIVE: u32 = 64;
/// Bytes of an HTTP upgrade request: browsers with large cookies stay below.
pub const MAX_UPGRADE_REQUEST: usize = 16 << 10;
/// Headers of an HTTP upgrade request: a browser sends some 20, and each proxy and service mesh on
/// the way adds its own.
pub const MAX_UPGRADE_HEADERS: usize = 128;
/// Channels that one subscribe or unsubscribe request may name.
pub const MAX_CHANNELS_PER_REQUEST: usize = 100;
/// Positions that one subscribe request may go on from: one for each channel.
pub const MAX_POSITIONS_PER_REQUEST: usize = MAX_CHANNELS_PER_REQUEST;
/// Subscriptions of one connection: a dashboard of every entity fits, a runaway loop does not.
pub const MAX_SUBSCRIPTIONS: usize = 10_000;
/// Permissions that one service's rules name: a connection holds one bit for each.
pub const MAX_PERMISSIONS: usize = 64;
/// Bytes of all unfinished inbound messages of a shard. Beyond, the connection that holds most is
/// closed: one that holds less loses nothing to it.
pub const UNFINISHED_BYTES_PER_SHARD: usize = 64 << 20;
/// For an inbound message to come whole: the largest, at 35 KB/s. PONGs do not prolong it.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a token; those of the large identity providers have a few thousand.
pub const MAX_TOKEN: usize = 8 << 10;
/// Bytes of one message of a client that is not authenticated: a token and its envelope.
pub const MAX_AUTH_MESSAGE: usize = 2 * MAX_TOKEN;
/// Tokens of one shard that wait for verification: 50 ms of one thread's RSA signatures. Beyond, a
/// client is closed with 1013.
pub const VERIFICATIONS_PER_SHARD: usize = 1_024;
/// Bytes of messages kept while a client's token is verified: it is not read meanwhile, so this is
/// what was on its way.
pub const AUTH_BACKLOG: usize = 64 << 10;
/// Least burst of the limit on bytes a second: one receive buffer does not pause a connection. What
/// passes is the burst and one receive more: a buffer, over TLS with the rest of a record.
pub const MIN_BYTE_BURST: u32 = 64 << 10;
/// Channels of one shard: about 1 KB each at rest, so a gigabyte in all.
pub const MAX_CHANNELS_PER_SHARD: usize = 1 << 20;
/// One part in so many of a shard's places for channels is kept for those that something is
/// published to, or that get a status document: subscribers choose names freely and cannot take it.
pub const PUBLISHED_CHANNELS: usize = 4;
/// One part in so many of a shard's places for channels is the most that the subscribers of one
/// address make of channels that nothing was published to (of IPv6, one /64). Behind a proxy that
/// tells no addresses, all clients share it: of the default, 131,072.
pub const ADDRESS_CHANNELS: usize = 8;
/// One part in so many is the most that one connection makes of them: of the default more than its
/// [`MAX_SUBSCRIPTIONS`].
pub const CONNECTION_CHANNELS: usize = 32;
/// Of what the services of a fleet share on a shard, the most that the clients of one take is one
/// part in so many: channels without publications, verifications, and bytes of laggards, waiting
/// requests, publications and documents. Of unfinished messages the service that holds most loses.
pub const SERVICE_SHARE: usize = 2;
/// Frames a channel's log keeps.
pub const DEFAULT_LOG_FRAMES: usize = 1_000;
/// Bytes a channel's log keeps.
pub const DEFAULT_LOG_BYTES: usize = 1 << 20;
/// How long a channel's log keeps a frame.
pub const DEFAULT_LOG_AGE: Duration = Duration::from_secs(60);
/// Bytes all logs of a shard keep together; the oldest frames go first.
pub const DEFAULT_SHARD_LOG_BYTES: usize = 256 << 20;
/// A channel refuses publishes while this many frames or bytes are not swept yet: they stay in
/// its log regardless of its retention, so that no healthy subscriber loses one.
pub const CHANNEL_UNSWEPT_FRAMES: u64 = 4_096;
/// See [`CHANNEL_UNSWEPT_FRAMES`].
pub const CHANNEL_UNSWEPT_BYTES: usize = 8 << 20;
/// A channel without subscribers is forgotten after this time, once its log holds nothing more;
/// with half the places for channels taken whatever its log holds.
pub const CHANNEL_IDLE: Duration = Duration::from_secs(60);
/// Forgotten channels of a shard whose last position the shard remembers, some 10 MB: it then
/// answers a returning client whether messages are missing. Of other channels it answers that they
/// are.
pub const FORGOTTEN_CHANNELS: usize = 65_536;
/// Bytes that one of them takes: its name, of usual length, with its entry in a map and in a list.
pub const FORGOTTEN_CHANNEL: usize = 160;
/// A channel with a status request keeps its last event this long.
pub const STATUS_AGE: Duration = Duration::from_secs(3_600);
/// Bytes of such events on one shard; beyond, and when half the places for channels are taken,
/// channels without subscribers lose theirs.
pub const STATUS_BYTES_PER_SHARD: usize = 64 << 20;
/// Bytes of one status document: a dashboard's worth.
pub const MAX_STATUS_DOCUMENT: usize = 64 << 10;
/// Bytes of all status documents of one shard, each with [`STATUS_DOCUMENT_REST`]. They stay until
/// they are deleted, so beyond that new ones are refused.
pub const STATUS_DOCUMENT_BYTES_PER_SHARD: usize = 64 << 20;
/// What a document takes beside its own bytes: its channel, which stays for it.
pub const STATUS_DOCUMENT_REST: usize = 1 << 10;
/// A shard keeps its interest in a channel this long after its last subscriber left, so that
/// subscribing again costs no messages between shards.
pub const INTEREST_LINGER: Duration = Duration::from_secs(5);

/// Entries of one submission: long enough to amortise the system call, short enough that its
/// receivers are not kept waiting by the clock read at its end.
pub const BATCH_ENTRIES: usize = 256;
/// Pooled bytes (joined frames, sealed records) one submission may hold.
pub const BATCH_BYTES: usize = 1 << 20;
/// Bytes joined into one send of a coalesced sweep: docs/decisions/0006.
pub const JOIN_BYTES: usize = 256 << 10;
/// Unswept bytes with which a channel's coalescing window ends: one send of more costs what its
/// bytes cost (docs/decisions/0030).
pub const COALESCED_BYTES: usize = 64 << 10;
/// The longest coalescing window: well below what an operation that waits for it is given
/// ([`LEAVE_PATIENCE`]).
pub const MAX_COALESCING: Duration = Duration::from_millis(100);
/// A coalescing window ends up to so much early: the precision of the shell's timer.
pub const COALESCING_PRECISION: Duration = Duration::from_millis(1);
/// Nodes of the tree of what connections are owed by several sweeps: 5 MiB. A sweep for which there
/// are not enough is written by itself: docs/decisions/0027.
pub const CHAIN_NODES: usize = 1 << 17;
/// Joined bytes of such chains that are kept for connections that are owed the same later.
pub const CHAIN_CACHE_BYTES: usize = 1 << 20;
/// Members that one pass marks: a millisecond of a shard. The sweep of a channel with more of them
/// is written by itself.
pub const MARKS_PER_PASS: usize = 1 << 17;
/// Members that are marked so that one reply shares a write with its client's events: a mark costs
/// some 10 ns, a write some 3 µs.
pub const MARKS_PER_REPLY: usize = 256;
/// Subscribe and unsubscribe requests of one connection that may wait for an earlier one to be
/// answered by another shard.
pub const MAX_WAITING_OPERATIONS: usize = 256;
/// Bytes of requests of one connection that may wait for an earlier one: it is not read meanwhile,
/// so this is what was on its way, at most all receive buffers and a message.
pub const REQUEST_BACKLOG: usize = 8 << 20;
/// Bytes of requests of all connections of a shard that may wait.
pub const REQUEST_BACKLOG_PER_SHARD: usize = 64 << 20;
/// How long a client that is slow to take what was accepted before it leaves a channel, is
/// disconnected or loses its token holds that up; and requests a close frame or FIN behind them.
pub const LEAVE_PATIENCE: Duration = Duration::from_secs(1);
/// Unswept bytes of a shard above which it takes nothing more from its mailbox and lanes, and
/// refuses what its clients publish.
pub const SHARD_UNSWEPT_BYTES: usize = 64 << 20;
/// Bytes of one send to a laggard.
pub const LAGGARD_CHUNK: usize = 16 << 10;
/// Bytes of replies a laggard may be owed before it is closed.
pub const DEFAULT_OUTBOX: usize = 16 << 10;
/// Bytes all laggards of a shard may hold (tails and outboxes); beyond, the laggard that needs more
/// is closed.
pub const LAGGARD_BYTES_PER_SHARD: usize = 64 << 20;

/// Publications waiting for one shard from outside the engine (HTTP, [`crate::Publisher`]).
pub const MAILBOX_MESSAGES: usize = 65_536;
/// Bytes of the publications and status documents that wait for one shard from outside: as many as
/// it may have unswept.
pub const MAILBOX_BYTES: usize = 64 << 20;
/// Bytes of the data of one publication by [`crate::Publisher`]: what browsers and stock clients
/// still take in one message.
pub const MAX_PUBLICATION: usize = 16 << 20;
/// Commands (list, count) waiting for one shard beside the publications, so that a full mailbox
/// can still be inspected.
pub const CONTROL_COMMANDS: usize = 1_024;
/// Bytes of data in clients' publications that wait for answers of other shards, of one shard's
/// clients together. Beyond, the shard answers `BUSY`.
pub const PUBLISHING_BYTES_PER_SHARD: usize = 64 << 20;

/// Buffers of a shard's receive ring: 64 for 1,000 sockets let one flooder take 63 of them.
pub const RECEIVE_BUFFERS: u16 = 1_024;
/// Bytes of one receive buffer: nearly every inbound message of the protocol fits.
pub const RECEIVE_BUFFER: usize = 4_096;
/// Submission entries of the delivery ring.
pub const RING_ENTRIES: u32 = 1_024;
/// For the kernel to take entries of a ring again that it had no memory for. Then the process ends:
/// its clients' keepalive is over soon, and others may take its place.
pub const RING_PATIENCE: Duration = Duration::from_secs(5);
/// Completion entries of the delivery ring: what the kernel grants at most.
pub const MAX_COMPLETIONS: usize = 65_536;
/// Undecrypted TLS bytes kept for a connection, before and after its handshake: one record (RFC
/// 5246 6.2.3: 16,384 + 2,048 and a header of 5) or a handshake message in several. A ClientHello
/// has some 2 KB with post-quantum shares, a client's chain of certificates seldom 10.
pub const MAX_PARTIAL_RECORD: usize = 20 << 10;

/// Bytes that are kept of a name that a peer gives: the common name of its certificate, of which
/// X.520 allows 64 characters, and the origin of a page that is refused.
pub const MAX_PEER_NAME: usize = 256;
/// Records sent with one key before the connection is closed to get new ones: AES-GCM allows 2^24
/// (RFC 8446 5.5), less some for what is under way and for the close itself.
pub const MAX_TLS_RECORDS: u32 = (1 << 24) - (1 << 16);
/// KeyUpdates, warnings and, where the engine makes the records, empty ones that a TLS peer may
/// send before the next that has data: as many as OpenSSL takes. Where the engine opens the
/// records, one receive may not hold more either, so that a byte of data behind each forgives
/// nothing. Each costs a key or system calls, and no key of AES-GCM is worn before 2^24 records.
pub const MAX_CONTROL_RECORDS: u16 = 32;
/// Bytes read of a TLS record that is not application data: those that are allowed have 5.
pub const MAX_CONTROL_RECORD: usize = 512;
/// Bytes of a typical broadcast unless configured.
pub const DEFAULT_TYPICAL_MESSAGE: usize = 1_024;
/// Bytes of a typical broadcast from which kernel TLS costs less than TLS in user space
/// (docs/decisions/0017-kernel-tls.md).
pub const KERNEL_TLS_PAYS: usize = 16 << 10;

/// The clock's tick: the precision of deadlines.
pub const TICK: Duration = Duration::from_millis(50);
/// Silence after which the server sends a PING, and after which it closes the connection.
pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(20);
/// For a TLS handshake and upgrade together, and for a closing handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For the closing handshake, half-closed reading included.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes read of a connection that is being closed: what was on its way. Then it is cut.
pub const CLOSING_BYTES: i32 = 256 << 10;
/// For the authentication frame, where authentication is required.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(5);
/// Entries of a shard's timers (pauses that end, deadlines) for each of its connections: a
/// connection has three timers at most, and one may have expired that is not removed yet.
pub const DUE_PER_CONNECTION: usize = 4;
/// A publisher that was refused for a full lane is not read for this long.
pub const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// A subscriber that recovers earlier messages is not a slow consumer for this long.
pub const RECOVERY_GRACE: Duration = Duration::from_secs(10);
/// A shard that has not turned for this long does not serve: twenty ticks.
pub const HEARTBEAT_LIMIT: Duration = Duration::from_secs(1);
/// For standard error to take why the process is aborted.
pub const LAST_WORDS: Duration = Duration::from_secs(1);
/// Handshakes under way on one shard; further connections wait in the listen queue. With a low
/// limit of open files there are fewer, so that some are left for the rest of the process.
pub const MAX_HANDSHAKES: usize = 1_024;
/// Handshakes that a shard may have under way however low the limit of open files is.
pub const LEAST_HANDSHAKES: usize = 16;
/// Time in total that a handshake may wait for its peer while there are [`MAX_HANDSHAKES`]; the
/// longest over it is evicted. Two and a half round trips of a slow mobile network.
pub const HANDSHAKE_PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of a PROXY header: what proxies add to the addresses stays below.
pub const MAX_PROXY_HEADER: usize = 2 << 10;
/// Time for handshakes between two turns of a shard: what a broadcast may have to wait for them,
/// beside one step (a full TLS handshake's is 0.1 to 1 ms).
pub const HANDSHAKE_SLICE: Duration = Duration::from_micros(500);
/// While a shard has deliveries to make, handshakes get 1 / `HANDSHAKE_SHARE` of each turn.
pub const HANDSHAKE_SHARE: i64 = 3;
/// Steps of resumed or nearly complete handshakes done before one of a full one: those are over
/// soon, and these are not starved.
pub const QUICK_STEPS: usize = 7;
/// Connections put on the ring in one turn.
pub const ADMISSIONS_PER_TURN: usize = 32;
/// Connections accepted from one listener in a row, before its shard does other work: a
/// millisecond's work.
pub const ACCEPTS_PER_ROUND: usize = 64;
/// Pause of a listener that has run out of descriptors, so that it does not spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a refused request that are read and thrown away after the answer: closing a socket
/// with unread bytes resets it, and the client would never see the answer.
pub const LINGER_BYTES: usize = 256 << 10;
/// Listen queue of one listener; the kernel caps it at net.core.somaxconn.
pub const LISTEN_BACKLOG: i32 = 4_096;

/// Channel classes of one service that metrics tell apart; further ones are `other`.
pub const MAX_CLASSES: usize = 100;
/// For a class without publications and deliveries to give its place to another and to leave the
/// metrics: those of hourly jobs stay.
pub const CLASS_IDLE: Duration = Duration::from_secs(2 * 3_600);
/// Bytes of a class's name in metrics; classes that agree in so many are one. Each name is repeated
/// in some fifty series.
pub const MAX_CLASS_NAME: usize = 64;
/// Connections a shard reads for one disconnect command, and how many of them it may end: a larger
/// one takes several commands, and turns in between.
pub const DISCONNECT_LOOKS: u32 = 4_096;
/// See [`DISCONNECT_LOOKS`].
pub const DISCONNECTS_AT_ONCE: u64 = 256;
/// Counters of a shard's sketch of busy channels: one with more than a 64th of the publications is
/// among them.
pub const HOT_COUNTERS: usize = 64;
/// Busiest channels in a shard's snapshot: what a page shows.
pub const HOT_CHANNELS: usize = 10;
/// Slowest consumers in a shard's snapshot: what a page shows.
pub const SLOWEST: usize = 8;
/// Channels in one page of a listing: every shard counts their subscribers in one turn.
pub const CHANNELS_PAGE: usize = 1_000;
/// Slots of its channel table that a shard reads for one page of a listing: further ones in
/// further turns.
pub const LISTING_LOOKS: u32 = 4_096;
/// Connections of a shard that are looked at for one page of those that are searched for, laggards
/// once more for each of their channels: some 100 µs. Further ones in further turns.
pub const CONNECTION_LOOKS: usize = 1_024;
/// Connections in one page: what a page of a browser shows.
pub const CONNECTIONS_PAGE: usize = 100;
/// Channels that are shown of one connection.
pub const SUBSCRIPTIONS_SHOWN: usize = 100;
/// Messages as which a question of an operator counts that looks through a table: such questions
/// do not add up within a turn.
pub const LISTING_COST: usize = TURN_MESSAGES;
/// Snapshots of one shard that wait for the collector, and cleared ones that wait for the shard.
pub const SNAPSHOTS_WAITING: usize = 2;
/// How often a shard hands its histograms and counters to the collector.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);

const _: () = assert!(MAX_CHANNELS_PER_SHARD / CONNECTION_CHANNELS > MAX_SUBSCRIPTIONS);
const _: () = assert!(BATCH_ENTRIES <= RING_ENTRIES as usize);
const _: () = assert!(MAX_PUBLICATION <= MAILBOX_BYTES);
const _: () = assert!(JOIN_BYTES <= BATCH_BYTES);
const _: () = assert!(LAGGARD_CHUNK <= 16_384, "one TLS record");
const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two());
const _: () = assert!(RECEIVE_BUFFERS as usize + BATCH_ENTRIES < MAX_COMPLETIONS);

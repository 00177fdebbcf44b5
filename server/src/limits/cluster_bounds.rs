//! Bounds of a node of a cluster.

use std::time::Duration;

/// Messages that one channel holds until those in front of them are read: a read of a busy channel
/// takes some milliseconds. Beyond, the oldest are let go of: the stream has them.
pub const HELD_MESSAGES: usize = 256;
/// Their bytes.
pub const HELD_BYTES: usize = 1 << 20;
/// Bytes that all channels of one stream hold. Beyond, the channel that would hold more lets go of
/// everything.
pub const STREAM_HELD_BYTES: usize = 64 << 20;
/// Messages of one read of the stream: what a server sends without others waiting.
pub const READ_MESSAGES: usize = 256;
/// Bytes of one read of the stream; the message that passes it is the last.
pub const READ_BYTES: usize = 1 << 20;
/// Channels of one question for their newest messages: a server answers 1,024 at most, and the
/// question must fit a message of 1 MiB with the longest names.
pub const NEWEST_CHANNELS: usize = 512;
/// Questions to one stream that are under way at once: a server answers each in about a
/// millisecond, and others wait behind them.
pub const STREAM_QUESTIONS: usize = 64;
/// Channels that a node follows in one stream: as many as a shard may have.
pub const STREAM_CHANNELS: usize = uringcast_engine::limits::MAX_CHANNELS_PER_SHARD;
/// Before a question is asked again that a replica could not answer: most are level within
/// milliseconds. It doubles with each further time.
pub const QUESTION_RETRY: Duration = Duration::from_millis(5);
/// The longest such wait: a restarted replica needs seconds.
pub const QUESTION_RETRY_MAX: Duration = Duration::from_secs(1);
/// Between two audits: the longest time that a message may be missing which was the last of its
/// channel and was lost on its way.
pub const AUDIT_INTERVAL: Duration = Duration::from_secs(30);
/// An audit counts as late when what was stored after the one before it is dropped within
/// this time: its own answers take as long at most.
pub const AUDIT_MARGIN: Duration = Duration::from_secs(10);
/// How often an audit asks the same before it begins again: with growing pauses that is three
/// seconds.
pub const AUDIT_TRIES: u32 = 10;
/// Before a node asks again what it has missed of a stream that no server could tell, for patterns.
pub const COVERAGE_RETRY: Duration = Duration::from_millis(100);
/// Seconds after a stream has elected a leader at which audits begin: what the old leader did not
/// pass on is found by the first, what was stored meanwhile by the others.
pub const ELECTION_AUDITS: [u64; 3] = [0, 1, 5];
/// How long a stream may have less than is known of it before it counts as rolled back: a new
/// leader knows all that was acknowledged when it is elected, and old ones give up before.
pub const ROLLBACK_PATIENCE: Duration = Duration::from_secs(10);
/// How far the clocks of two servers may be apart: a message with a known position and a later time
/// than this is one of another life of the stream.
pub const SERVER_CLOCKS: Duration = Duration::from_secs(2);
/// Publications that wait for one stream: those of a second at what three servers store.
pub const OUTBOX_MESSAGES: usize = 65_536;
/// Their bytes; more is refused as backpressure.
pub const OUTBOX_BYTES: usize = 64 << 20;
/// Publications of one message of a stream. A position in a channel is that of the message times
/// this, so that 2^45 messages of a stream have positions that JavaScript counts exactly.
pub const PACKED_MESSAGES: usize = 256;
/// Their bytes, a quarter of the message that servers take by default; one may have more.
pub const PACKED_BYTES: usize = 256 << 10;
/// For a message's first acknowledgement: what takes longer is sent again. A leader that steps down
/// drops what has come to it without a word. Four times as long as acknowledgements take, if that
/// is more; and each time twice as long as before.
pub const ACK_PATIENCE: Duration = Duration::from_millis(250);
/// At most.
pub const ACK_PATIENCE_MAX: Duration = Duration::from_secs(2);
/// Before a message is sent again that the stream has not taken. It doubles with each time.
pub const PUBLISH_RETRY: Duration = Duration::from_millis(50);
/// The longest such wait.
pub const PUBLISH_RETRY_MAX: Duration = Duration::from_secs(1);
/// For a publication to be stored: an election after a leader's death takes 4 to 9 seconds. Far
/// within the time that a stream knows message ids again.
pub const PUBLISH_PATIENCE: Duration = Duration::from_secs(15);
/// How long a stream knows a message id again.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

const _: () = assert!(DUPLICATE_WINDOW.as_secs() > 4 * PUBLISH_PATIENCE.as_secs());
const _: () = assert!(HELD_BYTES <= STREAM_HELD_BYTES);
/// For the answer to a question: an old leader that cannot answer is asked no longer.
pub const QUESTION_PATIENCE: Duration = Duration::from_secs(2);
/// For the answer to a read, by the replica that is asked first: a frozen one is asked as often as
/// others, and most answer within milliseconds. It doubles with each further one, up to
/// [`QUESTION_PATIENCE`], so that busy servers are not asked ever more.
pub const READ_PATIENCE: Duration = Duration::from_millis(500);
/// Messages of an answer that wait to be taken: the most that servers send, and its end.
pub const ANSWER_MESSAGES: usize = 1_025;
/// How often a channel's older messages are asked for until a replica has them: with growing pauses
/// that is about two seconds.
pub const READ_TRIES: u32 = 30;
/// Messages of a channel that wait while older ones are read for its first follower; beyond, it
/// asks again.
pub const FOLLOW_HELD: usize = 4_096;
/// Events of the connection to the servers that wait; further ones say nothing new.
pub const CONNECTION_EVENTS: usize = 64;
/// For the first connection to a server when the program starts.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// For one server to accept a connection: one that is frozen accepts and says nothing.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two pings of the server: two without an answer, and the connection is given up.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait between two tries to reconnect.
pub const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Messages that wait as they were published; beyond, the client library drops them and says so,
/// and they are read.
pub const LIVE_MESSAGES: usize = 65_536;
/// Of those, how many are taken in one go.
pub const LIVE_CHUNK: usize = 256;
/// For the connection to come back before publications are refused: most do within it.
pub const DISCONNECTED_PATIENCE: Duration = Duration::from_secs(2);
/// For a stream to have a leader before publications are refused: an election after a leader's
/// death takes 4 to 9 seconds.
pub const LEADERLESS_PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions whether a stream has a leader again.
pub const LEADER_PROBE: Duration = Duration::from_secs(1);
/// Between two questions whether a stream's leader is in touch with its followers: each costs the
/// leader a tenth of a millisecond, and a node that is connected to a server that is cut off from
/// the others notices it by nothing else, unless it publishes.
pub const HEALTH_PROBE: Duration = Duration::from_secs(3);
/// How long a leader may hear nothing of a follower before that counts as out of touch: followers
/// are heard every second.
pub const FOLLOWER_SILENCE: Duration = Duration::from_secs(5);
/// How long a server may know of no leader before the node goes to another one: it may be cut off
/// from the others. Some elections take as long; then it costs an audit.
pub const MOVE_PATIENCE: Duration = Duration::from_secs(6);
/// Between two times that the node goes to another server: where too few run, no other is better.
pub const MOVE_INTERVAL: Duration = Duration::from_secs(5);
/// Before what the engine had no room for is offered again.
pub const DELIVERY_RETRY: Duration = Duration::from_millis(2);
/// Reads of older messages under way at once, of all streams; further ones wait.
pub const BACKLOG_READS: usize = 64;
/// How often what metrics and pages show of the cluster is brought up to date.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Streams that share the channels: each has a leader of its own, and audits of its own.
pub const MAX_PARTITIONS: usize = 32;
/// Servers that keep each stream: as NATS recommends, one of three may be lost.
pub const DEFAULT_REPLICAS: usize = 3;
/// The most that NATS allows.
pub const MAX_REPLICAS: usize = 5;
/// How long a stream keeps a message unless configured: a client that was away for an hour gets all
/// that it missed.
pub const DEFAULT_CLUSTER_AGE: Duration = Duration::from_secs(3_600);
/// The shortest time, in milliseconds: audits are done, and message ids forgotten, within it.
pub const MIN_CLUSTER_AGE: u64 = 300_000;
/// Messages of a channel that a stream keeps unless configured: as long as a read of all of them
/// takes some milliseconds.
pub const DEFAULT_CHANNEL_MESSAGES: usize = 1_000;
/// The fewest: the message before the newest must still be there when that is stored.
pub const MIN_CHANNEL_MESSAGES: usize = 16;
/// The most: history is read as a whole.
pub const MAX_CHANNEL_MESSAGES: usize = 10_000;
/// For the client library to take something that is to be sent: it has no room while the server is
/// frozen, and everything else must go on.
pub const SEND_PATIENCE: Duration = Duration::from_millis(50);
/// Messages of the stream that passes disconnects, unsubscribes and revocations to all nodes: as
/// many revocations as a node keeps, and as many of the others as 200 a second come to until they
/// are forgotten. Beyond, further ones are refused.
pub const CONTROL_MESSAGES: usize = 2 * super::MAX_REVOCATIONS;
/// States and status documents of all channels together: each node has all of them, and knows their
/// names. Beyond, further ones are refused.
pub const SHARED_DOCUMENTS: usize = 1 << 17;
/// How long a node can be away and still learn that a document was deleted, by what is in its
/// place; twice as long as it may trust that. After that it reads all of them.
pub const DELETED_AGE: Duration = Duration::from_secs(86_400);
/// How often a node offers its engine a document that it has no room for: two seconds with the
/// pauses between.
pub const DOCUMENT_TRIES: u32 = 20;
/// How long a disconnect or an unsubscribe waits for a node that has lost its connection: clients
/// that it means have been told, or have left, by then.
pub const COMMAND_AGE: Duration = Duration::from_secs(300);
/// Bytes of the body of a message that all nodes read: a state, with its position.
pub const SHARED_BODY: usize = uringcast_engine::limits::MAX_STATE + (1 << 10);
/// For such a message to be stored: an election after a leader's death takes 4 to 9 seconds, and a
/// request that waits has 30.
pub const SHARE_PATIENCE: Duration = Duration::from_secs(10);
/// How often such a message is decided anew when another node was first: with growing pauses that
/// is two seconds.
pub const SHARE_TRIES: u32 = 30;
/// Before a stream that could not be read whole is read again.
pub const SHARED_RETRY: Duration = Duration::from_secs(1);
/// Bytes of a message's subject and headers, with the longest names and ids.
pub const HEADER_BYTES: usize = 4 << 10;
/// Bytes of a message that servers must take: several publications in one, and a question about
/// many channels.
pub const LEAST_PAYLOAD: usize = 2 * PACKED_BYTES;

const _: () = assert!(PACKED_BYTES + HEADER_BYTES <= LEAST_PAYLOAD);

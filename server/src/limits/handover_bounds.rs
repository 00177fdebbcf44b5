//! Bounds of a hand-over of the server to another process (docs/HANDOVER.md).

use std::time::Duration;

use super::{HTTP_READ, MAX_HTTP_HEAD, MAX_PUBLISH_BODY};

/// Before the next successor is awaited after one could not be accepted: short of descriptors, and
/// trying again at once would spin.
pub const HANDOVER_PAUSE: Duration = Duration::from_millis(100);
/// For the HTTP requests that use the engine to have its answers, before it writes its state down;
/// others wait behind them.
pub const HANDOVER_REQUESTS: Duration = Duration::from_secs(1);
/// Bytes of what says where an HTTP connection that is passed on belongs.
pub const PASSED_HEAD: usize = 4 << 10;
/// Bytes of such a connection that were read and not answered: a whole request, and what a read
/// brought beyond it.
pub const PASSED_BYTES: usize = 2 * MAX_PUBLISH_BODY;
/// Connections that are passed on and wait for their port to take them.
pub const PASSED_QUEUE: usize = 16;
/// For a node's publications to be acknowledged without delay, before it is handed over: most
/// elections are over by then. All goes on meanwhile.
pub const HANDOVER_STREAMS: Duration = Duration::from_secs(9);
/// How long the oldest of them may wait for that.
pub const HANDOVER_ACKNOWLEDGED: Duration = Duration::from_millis(500);
/// Bytes of what says how far a node is in one stream: some 200 are written.
pub const HANDOVER_POSITION: usize = 512;
/// Listening sockets in one message to the service manager: fewer than the kernel's 253.
pub const STORED_AT_ONCE: usize = 250;
/// For handshakes that have not ended by a hand-over: then the old process closes what stayed.
pub const HANDOVER_LATE: Duration = Duration::from_secs(5);

const _: () = assert!(HANDOVER_ACKNOWLEDGED.as_nanos() < HANDOVER_REQUESTS.as_nanos());
const _: () = assert!(PASSED_BYTES >= MAX_PUBLISH_BODY + MAX_HTTP_HEAD + 2 * HTTP_READ);

//! Bounds of a hand-over of all connections to another process (docs/HANDOVER.md).

use std::time::Duration;

/// For the first messages of both sides of a hand-over, which need no work.
pub const HANDOVER_HELLO: Duration = Duration::from_secs(2);
/// For the logs to be copied before anything else goes over, while the old process serves. What is
/// left then goes over with the state, in which nothing is delivered.
pub const HANDOVER_HISTORY: Duration = Duration::from_secs(10);
/// Bytes of logs that a shard copies in one iteration: below a millisecond.
pub const HANDOVER_HISTORY_BYTES: usize = 256 << 10;
/// For the old process to copy its logs, and for the new one to make its rings and tables; the old
/// one serves meanwhile.
pub const HANDOVER_PREPARE: Duration = Duration::from_secs(20);
/// For each of the old process's shards to copy its sockets and to end its receives; it delivers
/// meanwhile.
pub const HANDOVER_STOP: Duration = Duration::from_secs(10);
/// For a moment in which no shard has anything to deliver, before all waits: longer than a sweep of
/// 12,000 connections by two shards that share their cores with others.
pub const HANDOVER_SWEEPS: Duration = Duration::from_millis(100);
/// For the shards to be at rest, and for each of them to write its state down: nothing is delivered
/// meanwhile.
pub const HANDOVER_REST: Duration = Duration::from_secs(2);
/// From the new process's rings to the old one's state: both of the former, and the sending.
pub const HANDOVER_COLLECT: Duration = Duration::from_secs(20);
/// For the new process to read the state: nothing is delivered meanwhile.
pub const HANDOVER_READY: Duration = Duration::from_secs(5);
/// For the old process to say that the new one may serve.
pub const HANDOVER_COMMIT: Duration = Duration::from_secs(5);
/// For the new process to answer that it does. After that it is ended: nobody serves meanwhile.
pub const HANDOVER_TAKEN: Duration = Duration::from_secs(1);
/// For the old process to end, once its socket is closed behind its state.
pub const HANDOVER_ENDED: Duration = Duration::from_secs(1);
/// For handshakes to end that were under way when a hand-over began, so that they go over. All else
/// goes on meanwhile.
pub const HANDOVER_OLD_HANDSHAKES: Duration = Duration::from_secs(5);
/// For those to end that have begun since: three round trips of most clients. Nothing is accepted
/// meanwhile, so that a new client waits as long for one that is slow.
pub const HANDOVER_HANDSHAKES: Duration = Duration::from_millis(500);
/// Between two looks at how many handshakes are left, or whether a sweep is under way.
pub const HANDOVER_LOOK: Duration = Duration::from_millis(2);
/// Sockets that a shard copies, and receives that it ends, in one iteration of a hand-over: about
/// 0.1 ms, so that deliveries go on.
pub const HANDOVER_PER_TURN: usize = 256;
/// Descriptors in one message of a Unix socket: fewer than the kernel's 253.
pub const HANDOVER_DESCRIPTORS: usize = 250;
/// Listening sockets that go over: each shard has one for each address of each service.
pub const HANDOVER_SOCKETS: usize = 4_096;
/// Bytes of one message of a hand-over: above the largest state, that of full logs.
pub const HANDOVER_BYTES: u64 = 64 << 30;

const _: () = assert!(HANDOVER_PREPARE.as_nanos() > HANDOVER_HISTORY.as_nanos());
const _: () = assert!(
    HANDOVER_COLLECT.as_nanos() > HANDOVER_OLD_HANDSHAKES.as_nanos() + 7 * HANDOVER_REST.as_nanos()
);
const _: () =
    assert!(HANDOVER_COLLECT.as_nanos() > HANDOVER_STOP.as_nanos() + 3 * HANDOVER_REST.as_nanos());

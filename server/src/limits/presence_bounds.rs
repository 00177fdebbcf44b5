//! Bounds of presence over several nodes.

use std::time::Duration;

/// Between two messages by which a node tells the others that it is there: few enough that a
/// hundred nodes cost each other a hundred small messages a second.
pub const PRESENCE_BEAT: Duration = Duration::from_secs(1);
/// How long a node may be silent before the others take it for dead: some beats may be lost, and a
/// connection to another NATS server takes a second or two.
pub const PRESENCE_SILENCE: Duration = Duration::from_secs(5);
/// How long a node that begins, or was without a connection, listens before it tells anything: all
/// others have said within it that they are there.
pub const PRESENCE_QUIET: Duration = Duration::from_secs(2);
/// A node that has not looked at its clock for so long stood still, and blames nobody for silence.
pub const PRESENCE_STALL: Duration = Duration::from_secs(2);
/// How often times are looked at.
pub const PRESENCE_TICK: Duration = Duration::from_millis(100);
/// Before something is told or asked again that was not answered, or could not be published.
pub const PRESENCE_RETRY: Duration = Duration::from_secs(1);
/// How long homes wait for all nodes to agree who they are, and to tell of all their subscribers.
/// Beyond, they go on with what they know; and so does a process that is to take a node over.
pub const PRESENCE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client or an operator waits for a list: nodes agree again within it after one has
/// died.
pub const PRESENCE_ASK_PATIENCE: Duration = Duration::from_secs(10);
/// Other nodes that a node knows. Further ones have no part in presence.
pub const PRESENCE_NODES: usize = 256;
/// Reports of one message between nodes.
pub const PRESENCE_BATCH: usize = 256;
/// Their bytes, about; the last one may pass it.
pub const PRESENCE_BATCH_BYTES: usize = 64 << 10;
/// Connections in all rosters that a node keeps, each counted for each channel: about 600 MB.
/// Further ones are counted as refused, and are in no list.
pub const PRESENCE_ROSTERS: usize = 1 << 21;
/// Events of presence that a node publishes and whose outcome it does not know yet; those of one
/// channel go together and may pass it.
pub const PRESENCE_UNDER_WAY: usize = 1_024;
/// Bytes of the users' names in a list. Where they are more, the members are counted only.
pub const PRESENCE_LIST_BYTES: usize = 128 << 10;
/// For a node's last message to reach its server when it ends.
pub const FLUSH_PATIENCE: Duration = Duration::from_millis(500);

const _: () = assert!(PRESENCE_SILENCE.as_secs() > 2 * PRESENCE_BEAT.as_secs());
const _: () = assert!(PRESENCE_PATIENCE.as_secs() > PRESENCE_SILENCE.as_secs());
const _: () = assert!(PRESENCE_LIST_BYTES < super::LEAST_PAYLOAD / 2);

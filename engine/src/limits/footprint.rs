//! What a connection takes, in bytes: the figures by which memory is planned, and held small.

/// Bytes of the broker's records of a connection: generation, state, flags and service 10, random
/// part of the id 8, peer 18, second of admission 4, rate buckets 16, reader 16; in tables of their
/// own operation 4, subscriptions 16, and once they are used authentication 8 and laggard 8.
pub const CONNECTION_RECORD: usize = 108;
/// Bytes of the shell's and the ring's records of a slot: generation, what is armed on it, how it
/// ends.
pub const SLOT_RECORD: usize = 16;
/// User-space bytes of an idle plain connection with one subscription: its two records, the gate
/// 4, the second of its last receive 4 and its entry in a live set 4, in tables that may have grown
/// to twice what they hold.
pub const IDLE_CONNECTION: usize = CONNECTION_RECORD + SLOT_RECORD + 4 + 2 * 4 + 2 * 4;
/// Bytes of a connection's record of one subscription, where it has several: channel, place.
pub const SUBSCRIPTION_RECORD: usize = 8;
/// User-space bytes of each further subscription to a shared channel: its record and its entry in
/// a live set, in tables that may have grown to twice what they hold. (The second subscription
/// also allocates the box that holds the table: 32.)
pub const FURTHER_SUBSCRIPTION: usize = 2 * SUBSCRIPTION_RECORD + 2 * 4;
/// User-space bytes that a subscription of a client that negotiated compression adds, to a channel
/// that has it: the place from which its inflater has the context, in a table that may have grown
/// to twice what it holds.
pub const DEFLATING_SUBSCRIPTION: usize = 2 * 8;
/// User-space bytes that TLS adds to an idle connection, measured: docs/BENCHMARKS.md.
pub const TLS_CONNECTION: usize = 3_700;
/// Kernel bytes of one end of an idle connection, measured: docs/BENCHMARKS.md.
pub const KERNEL_CONNECTION: usize = 4_700;

const _: () = assert!(IDLE_CONNECTION <= 256, "an idle connection stays small");
const _: () = assert!(FURTHER_SUBSCRIPTION <= 32, "so does a further subscription");

//! The limits of this host, checked without starting an engine.

use std::io;

use io_uring::opcode;
use uringcast_ring::probe;

use super::{StartError, host_limits};
use crate::limits::{MAX_HANDSHAKES, MAX_SHARDS};
use crate::shard::{Kernel, ring_config};

/// What monoio's ring submits beside [`probe::OPERATIONS`]: the kernel's name of the operation, and
/// its code.
const OPERATIONS: [(&str, u8); 4] = [
    ("ACCEPT", opcode::Accept::CODE),
    ("READ", opcode::Read::CODE),
    ("TIMEOUT", opcode::Timeout::CODE),
    ("WRITE", opcode::Write::CODE),
];

/// Cores that this process may use, by its affinity.
pub fn cores() -> usize {
    host_limits::cores().len().max(1)
}

/// Shards of an engine without that setting: one for each core this process may use, or as many as
/// the CPU time that its control groups grant, if that is less.
pub fn shards() -> usize {
    host_limits::parallelism(cores()).min(MAX_SHARDS)
}

/// Open files (RLIMIT_NOFILE) that `connections` on so many `shards` need: the least an engine
/// starts with, and what also leaves room for uneven shards and a storm of handshakes.
pub fn open_files(connections: usize, shards: usize) -> (usize, usize) {
    let fair = connections.div_ceil(shards);
    let process = host_limits::process_files(shards, 1);
    let handshakes = shards.saturating_mul(MAX_HANDSHAKES).min(connections);
    let ample = host_limits::ample_slots(connections, shards);
    (process.max(fair), process.saturating_add(handshakes).max(ample))
}

/// Descriptors that an engine of so many shards, each with listeners on so many addresses, leaves
/// to the program for connections of its own. To be called once the engine runs.
pub fn other_connections(shards: usize, addresses: usize) -> usize {
    host_limits::other_connections(host_limits::file_limit(), shards, addresses)
}

/// Makes a ring as one of `shards` needs it for its part of `connections`, receives over it, and
/// drops it. Raises this process's limit of open files to the hard one, as an engine does.
///
/// # Errors
/// As for [`crate::Engine::start`].
pub fn ring(connections: usize, shards: usize) -> Result<(), StartError> {
    host_limits::probe_ring()?;
    let files = host_limits::raise_file_limit(shards, 1)?;
    let slots = host_limits::slots(connections, shards, files)?.max(1);
    probe::receive(&ring_config(slots)).map_err(StartError::ring)
}

/// The io_uring operations that an engine submits and this kernel does not support.
///
/// # Errors
/// When there is no io_uring.
pub fn missing_operations() -> io::Result<Vec<&'static str>> {
    let mut missing = probe::missing(&[&probe::OPERATIONS[..], &OPERATIONS].concat())?;
    missing.sort_unstable();
    Ok(missing)
}

/// Tries on loopback sockets whether this kernel takes over TLS.
///
/// # Errors
/// The kernel's error.
pub fn kernel_tls() -> io::Result<()> {
    Kernel::probe().map(drop)
}

/// Hands a socket from one ring to another as a hand-over to another process does.
///
/// # Errors
/// The kernel's error, or that of a filter of system calls.
pub fn hand_over() -> io::Result<()> {
    probe::hand_over()
}

#[cfg(test)]
mod tests;

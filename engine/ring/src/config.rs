//! The sizes of a ring.

use std::io;
use std::time::Duration;

/// How large a ring's tables are. [`Config::new`] has the sizes that a broadcast server with a
/// core for each ring was measured with.
///
/// ```
/// use uringcast_ring::Config;
///
/// let config = Config { receive_buffers: 64, ..Config::new(1_000) };
/// assert_eq!((config.slots, config.batch_entries), (1_000, 256));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sockets that can be on the ring at once: its registered files. The kernel bounds them by
    /// the process's limit of open files (RLIMIT_NOFILE). Other open files do not count.
    pub slots: usize,
    /// Submission entries: what can be queued between two `io_uring_enter`.
    pub entries: u32,
    /// Completion entries at most. The ring requests as many as its slots and buffers can need;
    /// the kernel grants 65,536. Completions beyond are counted as overflows and still reported.
    pub max_completions: usize,
    /// Sends of one batch: fewer than `entries`. Long enough to share the cost of the system call,
    /// short enough that what else the thread serves does not wait.
    pub batch_entries: usize,
    /// Bytes that may be made for one batch: payloads of [`crate::Ring::load_owned`], and sealed
    /// records (together twice as much).
    pub batch_bytes: usize,
    /// Receive buffers, shared by all slots; a power of two.
    pub receive_buffers: u16,
    /// Bytes of one receive buffer.
    pub receive_buffer: u32,
    /// How long the kernel may take no entry, for want of memory or of room for completions,
    /// before the ring panics. It is tried again every millisecond meanwhile.
    pub patience: Duration,
}

impl Config {
    /// For so many sockets: batches of 256 sends and 1 MiB, 1,024 receive buffers of 4 KiB (4 MiB)
    /// and five seconds of patience.
    pub fn new(slots: usize) -> Config {
        Config {
            slots,
            entries: 1_024,
            max_completions: 65_536,
            batch_entries: 256,
            batch_bytes: 1 << 20,
            receive_buffers: 1_024,
            receive_buffer: 4_096,
            patience: Duration::from_secs(5),
        }
    }

    /// # Errors
    /// [`io::ErrorKind::InvalidInput`], with the field at fault, its value and the remedy.
    pub(crate) fn check(&self) -> io::Result<()> {
        let fault = if !(1..=1 << 30).contains(&self.slots) {
            format!("slots is {}: at least 1, at most 2^30", self.slots)
        } else if !(1..self.entries as usize).contains(&self.batch_entries)
            || self.batch_entries > 1 << 16
        {
            let (batch, entries) = (self.batch_entries, self.entries);
            format!("batch_entries is {batch}: at least 1, fewer than entries ({entries})")
        } else if !self.receive_buffers.is_power_of_two() {
            format!("receive_buffers is {}: a power of two", self.receive_buffers)
        } else if !(1..=1 << 30).contains(&self.receive_buffer) {
            format!("receive_buffer is {}: at least 1, at most 2^30", self.receive_buffer)
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, fault))
    }
}

#[cfg(test)]
mod tests;

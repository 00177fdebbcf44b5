//! The submission and the completion queue that the kernel shares with a ring, and the entering.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

use io_uring::types::CancelBuilder;
use io_uring::{IoUring, squeue};
use rustix::event::{EventfdFlags, eventfd};

use crate::config::Config;
use crate::probe;

/// What a ring did since the statistics were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingStats {
    /// `io_uring_enter` calls.
    pub enters: u64,
    /// Entries they submitted.
    pub entries: u64,
    /// Sends that were not whole.
    pub send_completions: u64,
    /// Completions of every kind.
    pub completions: u64,
    /// Times the kernel had to keep completions aside, for want of room in the queue.
    pub overflows: u64,
}

/// See the module.
pub(crate) struct Queues {
    pub(crate) uring: IoUring,
    /// Signalled by the kernel when completions come, while `listen` is on.
    pub(crate) event: OwnedFd,
    /// Entries written but not yet submitted.
    queued: usize,
    /// How many of them leave room for a whole batch.
    max_queued: usize,
    pub(crate) stats: RingStats,
    /// `io_uring_enter` has failed for good: entries of a finished batch may still be queued.
    has_failed: bool,
}

impl Queues {
    pub(crate) fn new(config: &Config) -> io::Result<Queues> {
        // Per slot the final completions of one receive, one poll and one shutdown; beyond what
        // the kernel grants, overflow is counted and nothing is lost.
        let completions = usize::from(config.receive_buffers) + config.batch_entries;
        let completions = (completions + 3 * config.slots).next_power_of_two();
        let completions = completions.min(config.max_completions).max(config.entries as usize);
        let mut uring = probe::builder().setup_cqsize(completions as u32).build(config.entries)?;
        uring.submitter().register_files_sparse(config.slots as u32)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        uring.submitter().register_eventfd(event.as_raw_fd())?;
        uring.completion().disable_eventfd();
        let max_queued = config.entries as usize - config.batch_entries;
        let stats = RingStats::default();
        Ok(Queues { uring, event, queued: 0, max_queued, stats, has_failed: false })
    }

    pub(crate) fn listen(&mut self, listens: bool) {
        match listens {
            true => self.uring.completion().enable_eventfd(),
            false => self.uring.completion().disable_eventfd(),
        }
    }

    /// Whether another entry would take room that a batch may need.
    pub(crate) fn is_full(&self) -> bool {
        self.queued >= self.max_queued
    }

    pub(crate) fn has_queued(&self) -> bool {
        self.queued > 0
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: entries that point at memory come from `send_batch` and `ktls` only, which keep
        // that memory in place until the operation has ended.
        let pushed = unsafe { self.uring.submission().push(entry) };
        pushed.expect("`Ring::queue` leaves room for a batch, and a batch is bounded");
        self.queued += 1;
    }

    /// One `io_uring_enter` that waits for so many completions. Returns whether it succeeded; a
    /// failure passes by itself.
    pub(crate) fn enter(&mut self, completions: usize) -> bool {
        assert!(!self.has_failed, "the ring has failed");
        match self.uring.submit_and_wait(completions) {
            Ok(submitted) => {
                self.stats.enters += 1;
                self.stats.entries += submitted as u64;
                // Short of memory the kernel may take fewer.
                self.queued -= submitted;
                true
            }
            Err(error) => match error.raw_os_error() {
                // Interrupted, or short of memory.
                Some(libc::EINTR | libc::EAGAIN | libc::EBUSY) => false,
                _ => {
                    self.has_failed = true;
                    panic!("io_uring_enter fails: {error}")
                }
            },
        }
    }

    /// Whether the kernel keeps completions aside until there is room for them.
    pub(crate) fn has_overflown(&mut self) -> bool {
        self.uring.submission().cq_overflow()
    }

    /// Whether there is no completion.
    pub(crate) fn is_quiet(&mut self) -> bool {
        // Read the queue after `listen` was made visible.
        fence(Ordering::SeqCst);
        self.uring.completion().is_empty() && !self.has_overflown()
    }

    /// Ends every operation. Returns whether none is left.
    pub(crate) fn cancel_everything(&self) -> bool {
        match self.uring.submitter().register_sync_cancel(None, CancelBuilder::any()) {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
        }
    }
}

//! The submission and the completion queue that the kernel shares with a ring, and the entering.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use io_uring::types::CancelBuilder;
use io_uring::{IoUring, squeue};
use rustix::event::{EventfdFlags, eventfd};

use crate::config::Config;
use crate::probe;

/// Between two attempts to enter while the kernel takes nothing: short for those who wait, long
/// enough that the attempts themselves cost nothing.
const STALL_PAUSE: Duration = Duration::from_millis(1);

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
    /// Times the kernel took no entry, for want of memory or of room for completions.
    pub stalls: u64,
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
    /// Since when the kernel has taken nothing.
    stalled: Option<Instant>,
    /// How long that may go on.
    patience: Duration,
    /// Errors that a test has the next entries meet.
    #[cfg(test)]
    pub(crate) faults: Box<dyn Iterator<Item = i32>>,
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
        Ok(Queues {
            uring,
            event,
            queued: 0,
            max_queued,
            stats,
            has_failed: false,
            stalled: None,
            patience: config.patience,
            #[cfg(test)]
            faults: Box::new(std::iter::empty()),
        })
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
        match self.submit_and_wait(completions) {
            Ok(submitted) => {
                self.stats.enters += 1;
                self.stats.entries += submitted as u64;
                // Short of memory the kernel may take fewer.
                self.queued -= submitted;
                self.stalled = None;
                true
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => false,
                Some(libc::EAGAIN | libc::EBUSY) => {
                    self.stall(&error);
                    false
                }
                _ => self.fail(format_args!("io_uring_enter fails: {error}")),
            },
        }
    }

    fn submit_and_wait(&mut self, completions: usize) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(errno) = self.faults.next() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.uring.submit_and_wait(completions)
    }

    /// The kernel has no memory for an entry, or no room before completions are taken: pauses, so
    /// that the caller takes them and tries again. Where that lasts, nothing would ever be sent.
    #[cold]
    fn stall(&mut self, error: &io::Error) {
        self.stats.stalls += 1;
        let since = *self.stalled.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.patience {
            let patience = self.patience;
            self.fail(format_args!("io_uring_enter takes nothing for {patience:?}: {error}"));
        }
        std::thread::sleep(STALL_PAUSE);
    }

    #[cold]
    fn fail(&mut self, why: std::fmt::Arguments<'_>) -> ! {
        self.has_failed = true;
        panic!("{why}")
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

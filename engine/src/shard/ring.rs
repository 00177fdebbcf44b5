//! The delivery ring: the shard's second io_uring, on which established connections live.
//!
//! A connection is a slot of the ring's registered files; its ordinary descriptor is closed after
//! [`Ring::place`]. Sends are collected in a [`batch`] and end inside the `io_uring_enter` that
//! submits them; receives and polls complete whenever they like and are handed out by
//! [`Ring::next`], whichever enter happened to bring them, so none is lost.
//!
//! `unsafe` is confined to this module and its children: everything that a pointer handed to the
//! kernel must outlive is owned here.

mod batch;
mod buffers;
pub(crate) mod ktls;
mod user_data;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{Ordering, fence};

use io_uring::types::{CancelBuilder, Fixed};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::limits::{
    BATCH_ENTRIES, MAX_COMPLETIONS, RECEIVE_BUFFER, RECEIVE_BUFFERS, RING_ENTRIES,
};
use crate::types::ConnectionKey;

pub(super) use batch::{Exception, Sealed};
pub(super) use buffers::Received;
pub(super) use user_data::Operation;

use batch::Batch;
use buffers::{BufferRing, GROUP};
use user_data::UserData;

/// What the ring did since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RingStats {
    /// `io_uring_enter` calls.
    pub enters: u64,
    /// Entries they submitted.
    pub entries: u64,
    /// Sends that posted a completion.
    pub send_completions: u64,
    /// Completions of every kind.
    pub completions: u64,
    /// Times the kernel had to keep completions aside.
    pub overflows: u64,
}

/// A long-lived operation ended, or a receive brought bytes.
#[derive(Debug)]
pub(super) struct Completion {
    pub operation: Operation,
    /// Whose. The generation tells a late one (invariant 12).
    pub key: ConnectionKey,
    /// As the kernel gave it: bytes, events, or a negative error number.
    pub result: i32,
    /// The buffer that the bytes are in, to be given back.
    pub received: Option<Received>,
    /// The operation is still armed: this was not its final completion.
    pub more: bool,
}

/// The ring with its slots, its receive buffers and the batch being collected.
pub(super) struct Ring {
    uring: IoUring,
    buffers: BufferRing,
    batch: Batch,
    /// Signalled by the kernel when completions come, while `listen` is on.
    event: OwnedFd,
    /// Entries written but not yet submitted.
    queued: usize,
    /// Completions of long-lived operations, in order, not yet handed out.
    backlog: VecDeque<cqueue::Entry>,
    /// How the operation that [`ktls`] waits for ended.
    control: Option<i32>,
    stats: RingStats,
}

impl Ring {
    /// A ring with `slots` empty slots. `sealing` says whether connections are TLS, so that the
    /// memory to seal into is made.
    ///
    /// # Errors
    /// What the kernel said: no io_uring, no permission, too low a descriptor limit.
    pub(super) fn new(slots: usize, sealing: bool) -> io::Result<Ring> {
        // Per slot the final completions of one receive, one poll and one shutdown; beyond what
        // the kernel grants, overflow is counted and nothing is lost.
        let completions = usize::from(RECEIVE_BUFFERS) + BATCH_ENTRIES + 3 * slots;
        let completions = completions.next_power_of_two().min(MAX_COMPLETIONS);
        let mut uring = IoUring::builder()
            .setup_cqsize(completions as u32)
            .setup_coop_taskrun()
            .setup_single_issuer()
            .setup_submit_all()
            .build(RING_ENTRIES)?;
        uring.submitter().register_files_sparse(slots as u32)?;
        let buffers = BufferRing::register(&uring)?;
        let event = event_fd()?;
        uring.submitter().register_eventfd(event.as_raw_fd())?;
        uring.completion().disable_eventfd();
        let batch = Batch::new(sealing);
        let (backlog, stats) = (VecDeque::new(), RingStats::default());
        Ok(Ring { uring, buffers, batch, event, queued: 0, backlog, control: None, stats })
    }

    /// A non-blocking eventfd that becomes readable when completions come, while listened to.
    /// (The ring's own descriptor wakes its pollers after every submission, completions or not:
    /// one turn for nothing per broadcast.)
    ///
    /// # Errors
    /// When no descriptor is to be had.
    pub(super) fn event(&self) -> io::Result<OwnedFd> {
        self.event.try_clone()
    }

    /// Whether completions from now on signal the event. Those before do not: look for them with
    /// [`Ring::is_quiet`] after saying yes and before sleeping.
    pub(super) fn listen(&mut self, listens: bool) {
        match listens {
            true => self.uring.completion().enable_eventfd(),
            false => self.uring.completion().disable_eventfd(),
        }
    }

    /// Puts a socket into an empty slot. Its descriptor may be closed afterwards.
    ///
    /// # Errors
    /// When the kernel refuses, for instance for want of memory.
    pub(super) fn place(&mut self, slot: u32, socket: &impl AsRawFd) -> io::Result<()> {
        self.uring.submitter().register_files_update(slot, &[socket.as_raw_fd()]).map(drop)
    }

    /// Puts sockets into neighbouring empty slots, from `first` on. Their descriptors may be closed
    /// afterwards.
    ///
    /// # Errors
    /// As for [`Ring::place`], with how many were placed before.
    pub(super) fn place_run(
        &mut self,
        first: u32,
        sockets: &[RawFd],
    ) -> Result<(), (usize, io::Error)> {
        let mut placed = 0;
        while placed < sockets.len() {
            // The kernel stops at the first it cannot have, and says why only if asked for that.
            let slot = first + placed as u32;
            match self.uring.submitter().register_files_update(slot, &sockets[placed..]) {
                Ok(more @ 1..) => placed += more,
                Ok(0) => return Err((placed, io::ErrorKind::Other.into())),
                Err(error) => return Err((placed, error)),
            }
        }
        Ok(())
    }

    /// Empties a slot: the socket is closed. Nothing may be armed on it (invariant 12).
    pub(super) fn clear(&mut self, slot: u32) {
        let cleared = self.uring.submitter().register_files_update(slot, &[-1]);
        cleared.expect("an occupied slot can be emptied");
    }

    /// Queues a multishot receive.
    pub(super) fn receive(&mut self, key: ConnectionKey) {
        let entry = opcode::RecvMulti::new(Fixed(key.index), GROUP).build();
        self.queue(entry.user_data(UserData::of(Operation::Receive, key).0));
    }

    /// Queues a receive into one buffer.
    pub(super) fn receive_once(&mut self, key: ConnectionKey) {
        let length = RECEIVE_BUFFER as u32;
        let entry = opcode::Recv::new(Fixed(key.index), std::ptr::null_mut(), length);
        let entry = entry.buf_group(GROUP).build().flags(squeue::Flags::BUFFER_SELECT);
        self.queue(entry.user_data(UserData::of(Operation::Receive, key).0));
    }

    /// Queues a one-shot poll for room to write.
    pub(super) fn poll_writable(&mut self, key: ConnectionKey) {
        let entry = opcode::PollAdd::new(Fixed(key.index), libc::POLLOUT as u32).build();
        self.queue(entry.user_data(UserData::of(Operation::Poll, key).0));
    }

    /// Queues a FIN. Completes like the others: it must be waited for before the slot is emptied.
    pub(super) fn shutdown_write(&mut self, key: ConnectionKey) {
        let entry = opcode::Shutdown::new(Fixed(key.index), libc::SHUT_WR).build();
        self.queue(entry.user_data(UserData::of(Operation::Shutdown, key).0));
    }

    /// Queues the cancellation of an armed operation, whose final completion then comes.
    pub(super) fn cancel(&mut self, operation: Operation, key: ConnectionKey) {
        let entry = opcode::AsyncCancel::new(UserData::of(operation, key).0).build();
        let entry = entry.user_data(UserData::of(Operation::Cancel, key).0);
        self.queue(entry.flags(squeue::Flags::SKIP_SUCCESS));
    }

    /// Submits what is queued, if anything.
    pub(super) fn submit(&mut self) {
        if self.queued > 0 {
            self.enter();
        }
    }

    /// The next completion of a long-lived operation, without entering the kernel.
    pub(super) fn next(&mut self) -> Option<Completion> {
        if self.backlog.is_empty() {
            self.reap();
        }
        let entry = self.backlog.pop_front()?;
        let user_data = UserData(entry.user_data());
        let received = cqueue::buffer_select(entry.flags());
        Some(Completion {
            operation: user_data.operation(),
            key: user_data.key(),
            result: entry.result(),
            received: received.map(|id| Received::new(id, entry.result())),
            more: cqueue::more(entry.flags()),
        })
    }

    /// Whether [`Ring::next`] has nothing.
    pub(super) fn is_quiet(&mut self) -> bool {
        // Look after `listen` was made visible.
        fence(Ordering::SeqCst);
        self.backlog.is_empty()
            && self.uring.completion().is_empty()
            && !self.uring.submission().cq_overflow()
    }

    /// The bytes that a receive brought.
    pub(super) fn bytes(&mut self, received: &Received) -> &mut [u8] {
        self.buffers.bytes(received)
    }

    /// Gives a receive buffer back to the kernel.
    pub(super) fn give_back(&mut self, received: Received) {
        self.buffers.give_back(received);
    }

    /// Submits what is queued and waits until something has completed.
    #[cfg(test)]
    pub(super) fn wait(&mut self) {
        if self.is_quiet() {
            self.queued -= self.uring.submit_and_wait(1).unwrap();
        }
    }

    /// What was counted since the last call.
    pub(super) fn take_stats(&mut self) -> RingStats {
        std::mem::take(&mut self.stats)
    }

    /// Queues an entry that points at no memory, leaving room for a whole batch.
    fn queue(&mut self, entry: squeue::Entry) {
        if self.queued >= RING_ENTRIES as usize - BATCH_ENTRIES {
            self.enter();
        }
        self.push(&entry);
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: entries that point at memory come from `batch` and `ktls` only, which keep that
        // memory in place until the operation has ended.
        let pushed = unsafe { self.uring.submission().push(entry) };
        pushed.expect("`queue` leaves room for a batch, and a batch is bounded");
        self.queued += 1;
    }

    /// Submits all that is queued and reaps what has completed.
    fn enter(&mut self) {
        while self.queued > 0 {
            match self.uring.submit() {
                Ok(submitted) => {
                    self.stats.enters += 1;
                    self.stats.entries += submitted as u64;
                    // Short of memory the kernel may take fewer; then it is asked again.
                    self.queued -= submitted;
                }
                Err(error) if is_passing(&error) => self.reap(),
                Err(error) => panic!("the delivery ring fails: {error}"),
            }
        }
        self.reap();
    }

    /// Sorts all completions: exceptions of sends to the batch, the others to the backlog.
    fn reap(&mut self) {
        loop {
            for entry in self.uring.completion() {
                let user_data = UserData(entry.user_data());
                self.stats.completions += 1;
                match user_data.operation() {
                    Operation::Send => self.batch.except(user_data, entry.result()),
                    Operation::Control => self.control = Some(entry.result()),
                    Operation::Cancel => {} // It found nothing to cancel: the final one is in.
                    _ => self.backlog.push_back(entry),
                }
            }
            if !self.uring.submission().cq_overflow() {
                return;
            }
            // The kernel kept some aside; with room again this call brings them.
            self.stats.overflows += 1;
            if let Err(error) = self.uring.submit().map(|n| self.queued -= n)
                && !is_passing(&error)
            {
                panic!("the delivery ring fails: {error}");
            }
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Receives write into our buffers: end them before the buffers go.
        let cancelled = self.uring.submitter().register_sync_cancel(None, CancelBuilder::any());
        let none_armed = match cancelled {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
        };
        self.buffers.retire(&self.uring, none_armed);
    }
}

fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(event) })
}

/// Errors of `io_uring_enter` that pass by themselves: interrupted, or short of memory.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}

#[cfg(test)]
mod tests;

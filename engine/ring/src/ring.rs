//! The ring: slots, long-lived operations and their completions.

mod copies;
mod send_batch;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode, squeue};

use crate::config::Config;
use crate::queues::{Queues, RingStats};
use crate::receive_buffers::{GROUP, ReceiveBuffers, Received};
use crate::slot_key::SlotKey;
use crate::slots::Slots;
use crate::user_data::{Kind, Operation, UserData};
use send_batch::SendBatch;
pub use send_batch::{Exception, Refused, Sealed, Submitted};

/// A long-lived operation ended, or a receive brought bytes.
#[derive(Debug)]
pub struct Completion {
    /// What completed.
    pub operation: Operation,
    /// The life of the slot that it was armed in.
    pub key: SlotKey,
    /// As from the kernel: bytes, poll events, or a negative error number. A receive ends with 0
    /// at the end of the stream, and with -ENOBUFS when all receive buffers are taken.
    pub result: i32,
    /// The buffer that the bytes are in, to be given back.
    pub received: Option<Received>,
    /// The operation is still armed: this was not its final completion.
    pub more: bool,
}

/// An io_uring for many sockets: its slots, its receive buffers and the batch of sends being
/// collected. `P` holds the bytes of a send: `Vec<u8>`, `Rc<[u8]>`, `&'static str`, an enum.
///
/// For one thread: the kernel refuses submissions of others, and the ring is not [`Send`]. The
/// crate's documentation has the life of a send and of a receive.
///
/// # Panics
/// Every method that enters the kernel panics when `io_uring_enter` fails for good, which only a
/// bug of this crate or of the kernel causes, and when the kernel takes nothing for
/// [`Config::patience`].
pub struct Ring<P> {
    pub(crate) queues: Queues,
    buffers: ReceiveBuffers,
    pub(crate) batch: SendBatch<P>,
    pub(crate) slots: Slots,
    /// Bytes of a receive buffer.
    receive_buffer: u32,
    /// Completions of long-lived operations, in order, not yet reported.
    backlog: VecDeque<Completion>,
    /// The result of the operation that [`crate::ktls`] waits for.
    pub(crate) control: Option<i32>,
}

impl<P> Ring<P> {
    /// A ring with empty slots.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a [`Config`] that cannot work, and the kernel's: no
    /// io_uring, no permission, too low a limit of open files.
    pub fn new(config: &Config) -> io::Result<Ring<P>> {
        config.check()?;
        let queues = Queues::new(config)?;
        let (count, size) = (config.receive_buffers, config.receive_buffer);
        Ok(Ring {
            buffers: ReceiveBuffers::register(&queues.uring, count, size)?,
            queues,
            batch: SendBatch::new(config),
            slots: Slots::new(config.slots),
            receive_buffer: size,
            backlog: VecDeque::new(),
            control: None,
        })
    }

    /// A non-blocking eventfd that becomes readable when completions come, while listened to.
    /// (The ring's own descriptor wakes its pollers after every submission, completions or not.)
    ///
    /// # Errors
    /// Without a free descriptor.
    pub fn event(&self) -> io::Result<OwnedFd> {
        self.queues.event.try_clone()
    }

    /// Whether completions from now on signal the event. Earlier ones do not: call
    /// [`Ring::is_quiet`] after switching it on and before sleeping.
    pub fn listen(&mut self, listens: bool) {
        self.queues.listen(listens);
    }

    /// Puts a socket into an empty slot: the life of `key` begins. Its descriptor may be closed
    /// afterwards.
    ///
    /// # Errors
    /// The kernel's, for instance out of memory; the slot stays empty.
    ///
    /// # Panics
    /// If the slot is occupied or not one of the ring's.
    pub fn place(&mut self, key: SlotKey, socket: &impl AsRawFd) -> io::Result<()> {
        self.place_run([key], &[socket.as_raw_fd()]).map_err(|(_, error)| {
            self.slots.vacate(key);
            error
        })
    }

    /// Puts sockets into neighbouring empty slots by one system call. Their descriptors may be
    /// closed afterwards.
    ///
    /// # Errors
    /// As for [`Ring::place`], with how many were placed before. The others' lives have begun too:
    /// every operation on them fails with EBADF until they are cleared.
    ///
    /// # Panics
    /// As for [`Ring::place`], and if the keys are not neighbours, one for each socket.
    pub fn place_run(
        &mut self,
        keys: impl IntoIterator<Item = SlotKey>,
        sockets: &[RawFd],
    ) -> Result<(), (usize, io::Error)> {
        let mut run: Option<(u32, usize)> = None;
        for key in keys {
            let (first, count) = run.unwrap_or((key.index, 0));
            assert_eq!(key.index as usize, first as usize + count, "the slots are not neighbours");
            self.slots.occupy(key);
            run = Some((first, count + 1));
        }
        let (first, count) = run.unwrap_or_default();
        assert_eq!(count, sockets.len(), "one key for each socket");
        let (files, mut placed) = (self.queues.uring.submitter(), 0);
        while placed < sockets.len() {
            // The kernel stops at the first that fails. It reports why only if that one is the
            // first of a call.
            let slot = first + placed as u32;
            match files.register_files_update(slot, &sockets[placed..]) {
                Ok(more @ 1..) => placed += more,
                Ok(0) => return Err((placed, io::ErrorKind::Other.into())),
                Err(error) => return Err((placed, error)),
            }
        }
        Ok(())
    }

    /// Empties a slot: the life of `key` ends and the socket is closed. Does nothing if the life is
    /// over already.
    ///
    /// # Panics
    /// If an operation is armed on it: see [`Ring::cancel_all`].
    pub fn clear(&mut self, key: SlotKey) {
        if self.slots.vacate(key) {
            let cleared = self.queues.uring.submitter().register_files_update(key.index, &[-1]);
            cleared.expect("an occupied slot can be emptied");
        }
    }

    /// Queues a multishot receive: it stays armed and completes for every piece that arrives.
    ///
    /// # Panics
    /// If the key's life is over, or a receive is armed already.
    pub fn receive(&mut self, key: SlotKey) {
        self.arm(Operation::Receive, key, opcode::RecvMulti::new(Fixed(key.index), GROUP).build());
    }

    /// Queues a receive into one buffer.
    ///
    /// # Panics
    /// As for [`Ring::receive`].
    pub fn receive_once(&mut self, key: SlotKey) {
        let length = self.receive_buffer;
        let entry = opcode::Recv::new(Fixed(key.index), std::ptr::null_mut(), length);
        let entry = entry.buf_group(GROUP).build().flags(squeue::Flags::BUFFER_SELECT);
        self.arm(Operation::Receive, key, entry);
    }

    /// Queues a one-shot poll for room to write.
    ///
    /// # Panics
    /// If the key's life is over, or a poll is armed already.
    pub fn poll_writable(&mut self, key: SlotKey) {
        let entry = opcode::PollAdd::new(Fixed(key.index), libc::POLLOUT as u32).build();
        self.arm(Operation::Poll, key, entry);
    }

    /// Queues a FIN. Completes like the others: its completion must have been reported before the
    /// slot is cleared.
    ///
    /// # Panics
    /// If the key's life is over, or a shutdown is under way.
    pub fn shutdown_write(&mut self, key: SlotKey) {
        let entry = opcode::Shutdown::new(Fixed(key.index), libc::SHUT_WR).build();
        self.arm(Operation::Shutdown, key, entry);
    }

    /// Queues the cancellation of an operation, if it is armed. Its final completion then comes,
    /// with what arrived before and -ECANCELED.
    pub fn cancel(&mut self, operation: Operation, key: SlotKey) {
        if self.slots.is_armed(operation, key) {
            let entry = opcode::AsyncCancel::new(UserData::armed(operation, key).0).build();
            let entry = entry.user_data(UserData::cancel(key).0);
            self.queue(entry.flags(squeue::Flags::SKIP_SUCCESS));
        }
    }

    /// Cancels everything that is armed on a slot. Returns whether nothing is, so that the slot
    /// may be cleared at once; otherwise it may once [`Ring::is_idle`].
    pub fn cancel_all(&mut self, key: SlotKey) -> bool {
        // A shutdown ends by itself.
        self.cancel(Operation::Receive, key);
        self.cancel(Operation::Poll, key);
        self.slots.is_idle(key)
    }

    /// Whether no operation is armed on a slot: all final completions were reported.
    pub fn is_idle(&self, key: SlotKey) -> bool {
        self.slots.is_idle(key)
    }

    /// Submits what is queued, if anything.
    pub fn submit(&mut self) {
        if self.queues.has_queued() {
            self.enter();
        }
    }

    /// Submits what is queued and blocks until there is a completion, for ever if nothing is armed.
    pub fn wait(&mut self) {
        while self.is_quiet() {
            self.queues.enter(1);
        }
    }

    /// The next completion of a long-lived operation, without entering the kernel.
    #[allow(clippy::should_implement_trait)] // An iterator would borrow the ring.
    pub fn next(&mut self) -> Option<Completion> {
        loop {
            if self.backlog.is_empty() {
                self.reap();
            }
            let completion = self.backlog.pop_front()?;
            let Completion { operation, key, more, .. } = completion;
            if self.slots.complete(operation, key, more) {
                return Some(completion);
            }
            // Of an earlier life of the slot.
            if let Some(received) = completion.received {
                self.give_back(received);
            }
        }
    }

    /// Whether [`Ring::next`] has nothing.
    pub fn is_quiet(&mut self) -> bool {
        self.backlog.is_empty() && self.queues.is_quiet()
    }

    /// The bytes that a receive brought.
    ///
    /// # Panics
    /// If `received` is another ring's.
    pub fn bytes(&mut self, received: &Received) -> &mut [u8] {
        self.buffers.bytes(received)
    }

    /// Gives a receive buffer back to the kernel.
    ///
    /// # Panics
    /// If `received` is another ring's.
    pub fn give_back(&mut self, received: Received) {
        self.buffers.give_back(received);
    }

    /// What was counted since the last call.
    pub fn take_stats(&mut self) -> RingStats {
        std::mem::take(&mut self.queues.stats)
    }

    fn arm(&mut self, operation: Operation, key: SlotKey, entry: squeue::Entry) {
        self.slots.arm(operation, key);
        self.queue(entry.user_data(UserData::armed(operation, key).0));
    }

    /// Queues an entry, leaving room for a whole batch.
    pub(crate) fn queue(&mut self, entry: squeue::Entry) {
        if self.queues.is_full() {
            self.enter();
        }
        self.queues.push(&entry);
    }

    /// Submits all that is queued and reaps what has completed.
    pub(crate) fn enter(&mut self) {
        while self.queues.has_queued() {
            if !self.queues.enter(0) {
                self.reap();
            }
        }
        self.reap();
    }

    /// Sorts all completions: exceptions of sends to the batch, the others to the backlog.
    pub(crate) fn reap(&mut self) {
        loop {
            let (mut seen, mut exceptions) = (0, 0);
            for entry in self.queues.uring.completion() {
                let user_data = UserData(entry.user_data());
                seen += 1;
                match user_data.kind() {
                    Kind::Send => {
                        let is_exception = self.batch.complete(user_data, entry.result());
                        exceptions += u64::from(is_exception);
                    }
                    Kind::Control => self.control = Some(entry.result()),
                    Kind::Cancel => {} // It found nothing to cancel: the final one is in.
                    Kind::Armed(operation) => {
                        let (result, flags) = (entry.result(), entry.flags());
                        let buffer = cqueue::buffer_select(flags);
                        let received = buffer.map(|id| self.buffers.take(id, result));
                        let (key, more) = (user_data.key(), cqueue::more(flags));
                        let completion = Completion { operation, key, result, received, more };
                        self.backlog.push_back(completion);
                    }
                }
            }
            self.queues.stats.completions += seen;
            self.queues.stats.send_completions += exceptions;
            if !self.queues.has_overflown() {
                return;
            }
            // The kernel kept some aside; with room again this call brings them.
            self.queues.stats.overflows += 1;
            self.queues.enter(0);
        }
    }
}

impl<P> std::fmt::Debug for Ring<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

impl<P> Drop for Ring<P> {
    fn drop(&mut self) {
        // Receives write into our buffers: end them before the buffers are freed.
        let is_none_armed = self.queues.cancel_everything();
        self.buffers.retire(&self.queues.uring, is_none_armed);
    }
}

#[cfg(test)]
mod tests;

//! The sends of one submission and the bytes they point at.
//!
//! Soundness: a queued send points into a payload of [`Payloads`], into `arena` or into a buffer of
//! `oversize`. None of them moves, changes or is freed before the batch is finished, and
//! [`Submitted`], which finishes it, exists only after the enter that submits every send.
//! `MSG_DONTWAIT` sends end inside that enter.

use io_uring::opcode;
use io_uring::squeue::Flags;
use io_uring::types::Fixed;

use crate::batch_gate::WriteGate;
use crate::config::Config;
use crate::payloads::Payloads;
use crate::ring::Ring;
use crate::slot_key::SlotKey;
use crate::user_data::UserData;

/// A whole send posts no completion, a short one the bytes taken (MSG_WAITALL), a full socket
/// -EAGAIN.
const SEND_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// A kernel-TLS socket refuses MSG_WAITALL, and without it a short send counts as a success: such
/// sends keep their completions.
const KERNEL_TLS_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Room that sealing adds to each record of 16 KiB: header, explicit nonce, type and tag, rounded.
const SEAL_OVERHEAD: usize = 64;

/// A send that did not take everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The slot it was for.
    pub slot: u32,
    /// Index of its payload among those loaded into the batch.
    pub payload: usize,
    /// Bytes taken, fewer than all, or a negative error number: -EAGAIN for a full socket.
    pub result: i32,
    /// Its index among the sends of the batch, for [`Submitted::sealed`].
    pub entry: usize,
}

/// How a closure of [`Ring::send_sealed`] used the room that it got.
#[derive(Debug, PartialEq, Eq)]
pub enum Sealed {
    /// It wrote so many bytes.
    Whole(usize),
    /// It wrote nothing, because it needs room for so many bytes.
    Needs(usize),
}

/// Why a send was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The batch is full: submit it, load the payload again and send again.
    #[error("the batch is full")]
    Full,
    /// The slot was written in this batch: as for [`Refused::Full`].
    #[error("the slot was written in this batch")]
    Written,
    /// The key's life is over.
    #[error("the slot is empty or holds another socket")]
    Stale,
}

/// Where an entry's bytes are. An entry without one sends the loaded payload.
#[derive(Clone, Copy)]
enum Source {
    Payload,
    /// The loaded payload, and the kernel seals: so many bytes.
    KernelTls(usize),
    Arena {
        start: usize,
        len: usize,
    },
    Oversize {
        index: usize,
        len: usize,
    },
}

/// See the module.
pub(crate) struct SendBatch<P> {
    payloads: Payloads<P>,
    /// For each payload, the first entry that sends it.
    starts: Vec<usize>,
    entries: usize,
    max_entries: usize,
    /// The loaded payload's bytes.
    loaded: (*const u8, usize),
    /// Bytes of payloads that were made for this batch.
    owned: usize,
    max_owned: usize,
    exceptions: Vec<Exception>,
    /// Where sealed bytes go; made by the first of them.
    arena: Box<[u8]>,
    used: usize,
    oversize: Vec<Box<[u8]>>,
    /// By entry, up to the last that has one.
    sources: Vec<Source>,
    gate: WriteGate,
}

impl<P> SendBatch<P> {
    pub(crate) fn new(config: &Config) -> SendBatch<P> {
        SendBatch {
            payloads: Payloads::new(),
            starts: Vec::new(),
            entries: 0,
            max_entries: config.batch_entries,
            loaded: (std::ptr::null(), 0),
            owned: 0,
            max_owned: config.batch_bytes,
            exceptions: Vec::new(),
            arena: Box::default(),
            used: 0,
            oversize: Vec::new(),
            sources: Vec::new(),
            gate: WriteGate::new(),
        }
    }

    /// A send has posted a completion. Returns whether it is an exception.
    pub(crate) fn complete(&mut self, user_data: UserData, result: i32) -> bool {
        let entry = usize::from(user_data.entry());
        if let Some(&Source::KernelTls(len)) = self.sources.get(entry)
            && usize::try_from(result) == Ok(len)
        {
            return false;
        }
        let payload = self.starts.partition_point(|start| *start <= entry).saturating_sub(1);
        self.exceptions.push(Exception { slot: user_data.slot(), payload, result, entry });
        true
    }

    fn is_full(&self) -> bool {
        self.entries >= self.max_entries || self.owned >= self.max_owned
    }

    /// Whether the arena may be too small for the loaded payload once more.
    fn is_arena_full(&self) -> bool {
        let len = self.loaded.1;
        self.used + len + (len / (16 << 10) + 1) * SEAL_OVERHEAD > self.arena.len()
    }

    /// Records where the bytes of the entry to be queued are.
    fn set_source(&mut self, source: Source) {
        self.sources.resize(self.entries, Source::Payload);
        self.sources.push(source);
    }

    fn clear(&mut self) {
        self.payloads.clear();
        self.starts.clear();
        self.exceptions.clear();
        self.oversize.clear();
        self.sources.clear();
        (self.entries, self.owned, self.used) = (0, 0, 0);
        self.loaded = (std::ptr::null(), 0);
        self.gate.next_batch();
    }
}

impl<P: AsRef<[u8]>> Ring<P> {
    /// Keeps a payload until the batch is finished; the sends up to the next `load` point at its
    /// bytes.
    pub fn load(&mut self, payload: P) {
        let batch = &mut self.batch;
        // The bytes that `as_ref` borrows stay valid while the payload is neither moved nor
        // changed: it stays in its block, untouched, until the batch is finished.
        let bytes = batch.payloads.push(payload).as_ref();
        batch.loaded = (bytes.as_ptr(), bytes.len());
        batch.starts.push(batch.entries);
    }

    /// As [`Ring::load`], for a payload that exists for this batch only: its bytes count towards
    /// [`Config::batch_bytes`].
    pub fn load_owned(&mut self, payload: P) {
        self.load(payload);
        self.batch.owned += self.batch.loaded.1;
    }

    /// Bytes of the loaded payload.
    pub fn loaded(&self) -> usize {
        self.batch.loaded.1
    }

    /// Queues one send of the loaded payload.
    ///
    /// # Errors
    /// [`Refused`]; nothing is queued then.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::os::unix::net::UnixStream;
    /// use uringcast_ring::{Config, Refused, Ring, SlotKey};
    ///
    /// let mut ring = Ring::new(&Config::new(1))?;
    /// let (ours, _peer) = UnixStream::pair()?;
    /// let key = SlotKey::new(0);
    /// ring.place(key, &ours)?;
    /// ring.load("one");
    /// assert_eq!(ring.send(key), Ok(()));
    /// ring.load("two");
    /// assert_eq!(ring.send(key), Err(Refused::Written));
    /// drop(ring.submit_batch());
    /// ring.load("two");
    /// assert_eq!(ring.send(key), Ok(()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&mut self, key: SlotKey) -> Result<(), Refused> {
        if !self.slots.is_current(key) {
            return Err(Refused::Stale);
        }
        if self.batch.entries > 0 && self.batch.is_full() {
            return Err(Refused::Full);
        }
        if !self.batch.gate.pass(key.index) {
            return Err(Refused::Written);
        }
        self.queue_loaded(key.index);
        Ok(())
    }

    /// As [`Ring::send`] for a caller whose own table lets each slot pass once a batch, and only
    /// while it is occupied. Returns whether the batch is full: it must be submitted before the
    /// next send.
    ///
    /// # Panics
    /// Without room for the entry, after a full batch was not submitted; in debug builds also for
    /// the second send to a slot.
    #[inline]
    pub fn send_gated(&mut self, slot: u32) -> bool {
        self.check_gate(slot);
        self.queue_loaded(slot);
        self.batch.is_full()
    }

    /// As [`Ring::send_gated`], to a socket whose records the kernel seals. Its completion is not
    /// skipped; it is an exception only if the send was not whole.
    #[inline]
    pub fn send_kernel_tls(&mut self, slot: u32) -> bool {
        self.check_gate(slot);
        let (bytes, len) = self.batch.loaded;
        self.batch.set_source(Source::KernelTls(len));
        self.queue_send(slot, bytes, len, KERNEL_TLS_FLAGS);
        self.batch.is_full()
    }

    /// As [`Ring::send_gated`], of bytes that `seal` makes from the loaded payload (its first
    /// argument) for this slot alone. `seal` writes them into its second argument, memory that
    /// stays until the batch is finished.
    ///
    /// # Errors
    /// That of `seal`; nothing is queued then.
    ///
    /// # Panics
    /// As [`Ring::send_gated`], and without a loaded payload.
    pub fn send_sealed<E>(
        &mut self,
        slot: u32,
        mut seal: impl FnMut(&[u8], &mut [u8]) -> Result<Sealed, E>,
    ) -> Result<bool, E> {
        let batch = &mut self.batch;
        if batch.arena.is_empty() {
            batch.arena = vec![0; batch.max_owned].into_boxed_slice();
        }
        let plain = batch.payloads.last().expect("a payload was loaded").as_ref();
        let start = batch.used;
        let (bytes, source) = match seal(plain, &mut batch.arena[start..])? {
            Sealed::Whole(len) => {
                batch.used += len;
                (&batch.arena[start..start + len], Source::Arena { start, len })
            }
            Sealed::Needs(room) => {
                let mut own = vec![0; room].into_boxed_slice();
                let Sealed::Whole(len) = seal(plain, &mut own)? else {
                    unreachable!("sealing asked for {room} bytes and got them");
                };
                let index = batch.oversize.len();
                batch.oversize.push(own);
                (&batch.oversize[index][..len], Source::Oversize { index, len })
            }
        };
        let (bytes, len) = (bytes.as_ptr(), bytes.len());
        batch.set_source(source);
        self.check_gate(slot);
        self.queue_send(slot, bytes, len, SEND_FLAGS);
        Ok(self.batch.is_full() || self.batch.is_arena_full())
    }

    /// Submits the batch, if it holds any send, with everything else that is queued. All its sends
    /// have ended when this returns.
    pub fn submit_batch(&mut self) -> Submitted<'_, P> {
        if self.batch.entries > 0 {
            self.enter();
        }
        Submitted { batch: &mut self.batch }
    }

    /// Sends queued since the last batch was finished.
    pub fn batched(&self) -> usize {
        self.batch.entries
    }

    #[inline]
    fn queue_loaded(&mut self, slot: u32) {
        let (bytes, len) = self.batch.loaded;
        self.queue_send(slot, bytes, len, SEND_FLAGS);
    }

    #[inline]
    fn check_gate(&mut self, slot: u32) {
        if cfg!(debug_assertions) {
            assert!(self.batch.gate.pass(slot), "two writes to slot {slot} in one batch");
        }
    }

    #[inline]
    fn queue_send(&mut self, slot: u32, bytes: *const u8, len: usize, flags: i32) {
        // A longer payload is sent short, and the caller sends its rest as that of any other.
        let len = u32::try_from(len).unwrap_or(1 << 30);
        let user_data = UserData::send(self.batch.entries as u16, slot);
        let entry = opcode::Send::new(Fixed(slot), bytes, len).flags(flags).build();
        let entry = entry.user_data(user_data.0);
        self.queues.push(&match flags & libc::MSG_WAITALL {
            0 => entry,
            _ => entry.flags(Flags::SKIP_SUCCESS),
        });
        self.batch.entries += 1;
    }
}

/// A batch whose sends have ended: what did not go out whole, and the payloads. Dropping it
/// finishes the batch.
pub struct Submitted<'a, P> {
    batch: &'a mut SendBatch<P>,
}

impl<P> Submitted<'_, P> {
    /// Sends that were not whole; all others were.
    pub fn exceptions(&self) -> &[Exception] {
        &self.batch.exceptions
    }

    /// The bytes that the closure of [`Ring::send_sealed`] made for an entry of the batch; `None`
    /// for other sends.
    pub fn sealed(&self, entry: usize) -> Option<&[u8]> {
        match *self.batch.sources.get(entry)? {
            Source::Payload | Source::KernelTls(_) => None,
            Source::Arena { start, len } => Some(&self.batch.arena[start..start + len]),
            Source::Oversize { index, len } => Some(&self.batch.oversize[index][..len]),
        }
    }

    /// Appends the payloads, in the order in which they were loaded, and finishes the batch.
    pub fn finish(self, payloads: &mut Vec<P>) {
        self.batch.payloads.drain_into(payloads);
    }
}

impl<P> Drop for Submitted<'_, P> {
    fn drop(&mut self) {
        self.batch.clear();
    }
}

impl<P> std::fmt::Debug for Submitted<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submitted").field("exceptions", &self.batch.exceptions).finish()
    }
}

#[cfg(test)]
mod tests;

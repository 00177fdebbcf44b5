//! The sends of one submission and the bytes they point at.
//!
//! Soundness: a queued send points into a payload of `payloads`, into `arena` or into a buffer of
//! `oversize`. None of them moves, changes or goes before [`Ring::finish_batch`] has returned from
//! the enter, and `MSG_DONTWAIT` sends end inside the enter that submits them.

use io_uring::opcode;
use io_uring::squeue::Flags;
use io_uring::types::Fixed;

use super::Ring;
use super::user_data::UserData;
use crate::broker::outlet::Payload;
use crate::limits::{BATCH_BYTES, BATCH_ENTRIES};

/// A whole send posts no completion, a short one the bytes taken (MSG_WAITALL), a full socket
/// -EAGAIN.
const SEND_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// A kernel-TLS socket refuses MSG_WAITALL, and without it a short send counts as a success: such
/// sends keep their completions.
const KERNEL_TLS_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Room that sealing adds to each record of 16 KiB: header, explicit nonce, type and tag, rounded.
const SEAL_OVERHEAD: usize = 64;

/// A send that was not whole, as the kernel told it.
#[derive(Debug)]
pub(in crate::shard) struct Exception {
    pub connection: u32,
    /// Place of its payload among those loaded.
    pub run: usize,
    /// Bytes taken, or a negative error number.
    pub result: i32,
    /// Its entry of the batch: what [`Ring::sealed`] wants.
    pub entry: usize,
}

/// How a send's bytes were to be sealed, as told by the one who seals.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shard) enum Sealed {
    /// So many bytes were written.
    Whole(usize),
    /// The room was too small and nothing was done: so many bytes are needed.
    Needs(usize),
}

/// Where an entry's bytes are.
#[derive(Clone, Copy)]
enum Place {
    Loaded,
    /// Loaded, and the kernel seals: so many bytes.
    Kernel(usize),
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
pub(super) struct Batch {
    payloads: Vec<Payload>,
    /// For each payload, the first entry that sends it.
    starts: Vec<usize>,
    entries: usize,
    /// The loaded payload's bytes.
    loaded: (*const u8, usize),
    /// Bytes of `Payload::Owned` and `Payload::Sealed`.
    owned: usize,
    exceptions: Vec<(UserData, i32)>,
    /// Where sealed bytes go; empty without TLS.
    arena: Box<[u8]>,
    used: usize,
    oversize: Vec<Box<[u8]>>,
    /// By entry; kept only with TLS.
    places: Vec<Place>,
    #[cfg(debug_assertions)]
    written: std::collections::HashSet<u32>,
}

impl Batch {
    pub(super) fn new(sealing: bool) -> Batch {
        Batch {
            payloads: Vec::new(),
            starts: Vec::new(),
            entries: 0,
            loaded: (std::ptr::null(), 0),
            owned: 0,
            exceptions: Vec::new(),
            arena: vec![0; if sealing { BATCH_BYTES } else { 0 }].into_boxed_slice(),
            used: 0,
            oversize: Vec::new(),
            places: Vec::new(),
            #[cfg(debug_assertions)]
            written: std::collections::HashSet::new(),
        }
    }

    /// Notes the completion of a send.
    pub(super) fn except(&mut self, user_data: UserData, result: i32) {
        self.exceptions.push((user_data, result));
    }

    fn is_full(&self) -> bool {
        self.entries >= BATCH_ENTRIES || self.owned >= BATCH_BYTES
    }

    /// Whether the arena may be too small for the loaded payload once more.
    fn is_arena_full(&self) -> bool {
        let len = self.loaded.1;
        self.used + len + (len / (16 << 10) + 1) * SEAL_OVERHEAD > self.arena.len()
    }
}

impl Ring {
    /// Keeps a payload until the batch is finished; sends refer to it until the next one.
    pub(in crate::shard) fn load(&mut self, payload: Payload) {
        let batch = &mut self.batch;
        if !matches!(payload, Payload::Frame(..)) {
            batch.owned += payload.bytes().len();
        }
        // What `bytes` points at is on the heap: moving the payload into the list leaves it there.
        batch.loaded = (payload.bytes().as_ptr(), payload.bytes().len());
        batch.payloads.push(payload);
        batch.starts.push(batch.entries);
    }

    /// Queues one send of the loaded payload. Returns whether the batch is full.
    pub(in crate::shard) fn send(&mut self, connection: u32) -> bool {
        let (bytes, len) = self.batch.loaded;
        if !self.batch.arena.is_empty() {
            self.batch.places.push(Place::Loaded);
        }
        self.queue_send(connection, bytes, len, SEND_FLAGS);
        self.batch.is_full()
    }

    /// Queues one send of the loaded payload to a kernel-TLS socket. Returns whether the batch is
    /// full.
    pub(in crate::shard) fn send_to_kernel(&mut self, connection: u32) -> bool {
        let (bytes, len) = self.batch.loaded;
        self.batch.places.push(Place::Kernel(len));
        self.queue_send(connection, bytes, len, KERNEL_TLS_FLAGS);
        self.batch.is_full()
    }

    /// Bytes of the loaded payload.
    pub(in crate::shard) fn loaded(&self) -> usize {
        self.batch.loaded.1
    }

    /// Queues one send of bytes that `seal` makes from the loaded payload. Returns whether the
    /// batch is full.
    ///
    /// # Errors
    /// That of `seal`; nothing is queued then.
    pub(in crate::shard) fn send_sealed<E>(
        &mut self,
        connection: u32,
        mut seal: impl FnMut(&[u8], &mut [u8]) -> Result<Sealed, E>,
    ) -> Result<bool, E> {
        let batch = &mut self.batch;
        let plain = batch.payloads.last().expect("a payload was loaded").bytes();
        let start = batch.used;
        let (bytes, len, place) = match seal(plain, &mut batch.arena[start..])? {
            Sealed::Whole(len) => {
                batch.used += len;
                (batch.arena[start..].as_ptr(), len, Place::Arena { start, len })
            }
            Sealed::Needs(room) => {
                let mut own = vec![0; room].into_boxed_slice();
                let Sealed::Whole(len) = seal(plain, &mut own)? else {
                    unreachable!("sealing asked for {room} bytes and got them");
                };
                let index = batch.oversize.len();
                batch.oversize.push(own);
                (batch.oversize[index].as_ptr(), len, Place::Oversize { index, len })
            }
        };
        batch.places.push(place);
        self.queue_send(connection, bytes, len, SEND_FLAGS);
        Ok(self.batch.is_full() || self.batch.is_arena_full())
    }

    fn queue_send(&mut self, connection: u32, bytes: *const u8, len: usize, flags: i32) {
        #[cfg(debug_assertions)]
        assert!(self.batch.written.insert(connection), "two writes in one batch (invariant 11)");
        // A longer payload goes short, and its rest is owed like any other.
        let len = u32::try_from(len).unwrap_or(1 << 30);
        let user_data = UserData::of_send(self.batch.entries as u16, connection);
        let entry = opcode::Send::new(Fixed(connection), bytes, len).flags(flags).build();
        let entry = entry.user_data(user_data.0);
        self.push(&match flags & libc::MSG_WAITALL {
            0 => entry,
            _ => entry.flags(Flags::SKIP_SUCCESS),
        });
        self.batch.entries += 1;
    }

    /// Submits the batch, if it holds any send, with whatever else is queued. Exceptions go to
    /// `each`, together with the ring for [`Ring::sealed`]; then everything is given up.
    pub(in crate::shard) fn submit_batch(&mut self, exceptions: &mut Vec<Exception>) {
        if self.batch.entries > 0 {
            self.enter();
        }
        let (batch, before) = (&mut self.batch, exceptions.len());
        exceptions.extend(batch.exceptions.drain(..).filter_map(|(user_data, result)| {
            let entry = usize::from(user_data.entry());
            if let Some(&Place::Kernel(len)) = batch.places.get(entry)
                && usize::try_from(result) == Ok(len)
            {
                return None; // Whole.
            }
            let run = batch.starts.partition_point(|start| *start <= entry) - 1;
            Some(Exception { connection: user_data.index(), run, result, entry })
        }));
        self.stats.send_completions += (exceptions.len() - before) as u64;
    }

    /// The ciphertext that an entry sent, if it was sealed. Valid until `finish_batch`.
    pub(in crate::shard) fn sealed(&self, entry: usize) -> Option<&[u8]> {
        match *self.batch.places.get(entry)? {
            Place::Loaded | Place::Kernel(_) => None,
            Place::Arena { start, len } => Some(&self.batch.arena[start..start + len]),
            Place::Oversize { index, len } => Some(&self.batch.oversize[index][..len]),
        }
    }

    /// After `submit_batch`: appends the payloads to `payloads` and starts an empty batch.
    pub(in crate::shard) fn finish_batch(&mut self, payloads: &mut Vec<Payload>) {
        let batch = &mut self.batch;
        debug_assert!(batch.exceptions.is_empty());
        payloads.append(&mut batch.payloads);
        batch.starts.clear();
        batch.places.clear();
        batch.oversize.clear();
        (batch.entries, batch.owned, batch.used) = (0, 0, 0);
        batch.loaded = (std::ptr::null(), 0);
        #[cfg(debug_assertions)]
        batch.written.clear();
    }

    /// Sends queued and not yet submitted or finished.
    pub(in crate::shard) fn batched(&self) -> usize {
        self.batch.entries
    }
}

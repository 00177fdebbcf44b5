//! The receive buffers: owned by the kernel until a completion names one, ours until given back.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use crate::limits::{RECEIVE_BUFFER, RECEIVE_BUFFERS};

/// The only buffer group of the ring.
pub(super) const GROUP: u16 = 0;

/// Page-aligned, as the kernel asks of the ring of entries.
const ENTRIES: Layout =
    match Layout::from_size_align(RECEIVE_BUFFERS as usize * size_of::<BufRingEntry>(), 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("a constant layout"),
    };
const MEMORY: Layout =
    match Layout::from_size_align(RECEIVE_BUFFERS as usize * RECEIVE_BUFFER, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("a constant layout"),
    };

/// A buffer that the kernel filled and that is ours until it is given back.
#[derive(Debug)]
pub(in crate::shard) struct Received {
    id: u16,
    len: usize,
}

impl Received {
    /// From a completion's buffer number and result.
    pub(super) fn new(id: u16, result: i32) -> Received {
        let len = usize::try_from(result).unwrap_or(0).min(RECEIVE_BUFFER);
        Received { id, len }
    }
}

/// The ring of free buffers and their memory.
pub(super) struct BufferRing {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

impl BufferRing {
    /// Makes the buffers and hands all of them to the kernel.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn register(uring: &IoUring) -> io::Result<BufferRing> {
        let entries = allocate(ENTRIES).cast::<BufRingEntry>();
        let mut ring = BufferRing { entries, memory: allocate(MEMORY), tail: 0 };
        // SAFETY: `entries` holds RECEIVE_BUFFERS page-aligned entries, which stay until `retire`.
        let registered = unsafe {
            uring.submitter().register_buf_ring_with_flags(
                entries as u64,
                RECEIVE_BUFFERS,
                GROUP,
                0,
            )
        };
        if let Err(error) = registered {
            ring.free();
            return Err(error);
        }
        for id in 0..RECEIVE_BUFFERS {
            ring.give_back(Received { id, len: 0 });
        }
        Ok(ring)
    }

    /// The bytes in a filled buffer.
    pub(super) fn bytes(&mut self, received: &Received) -> &mut [u8] {
        // SAFETY: the id came from a completion, so it is below RECEIVE_BUFFERS and the kernel has
        // let go of the buffer; `Received` is neither copied nor kept after `give_back`.
        unsafe { std::slice::from_raw_parts_mut(self.buffer(received.id), received.len) }
    }

    /// Hands a buffer back to the kernel.
    pub(super) fn give_back(&mut self, received: Received) {
        let place = usize::from(self.tail & (RECEIVE_BUFFERS - 1));
        let buffer = self.buffer(received.id);
        // SAFETY: `place` is below RECEIVE_BUFFERS, and the kernel reads no entry at or beyond the
        // tail, which is published below. The setters leave the tail, which shares the first
        // entry's memory, alone.
        unsafe {
            let entry = &mut *self.entries.add(place);
            entry.set_addr(buffer as u64);
            entry.set_len(RECEIVE_BUFFER as u32);
            entry.set_bid(received.id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry; it is 2-byte aligned and written only here.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        // Release: the kernel sees the entry before the tail that covers it.
        tail.store(self.tail, Ordering::Release);
    }

    /// Takes the buffers from the kernel. With a receive still armed their memory is left to it.
    pub(super) fn retire(&mut self, uring: &IoUring, none_armed: bool) {
        if uring.submitter().unregister_buf_ring(GROUP).is_ok() && none_armed {
            self.free();
        }
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        debug_assert!(id < RECEIVE_BUFFERS);
        self.memory.wrapping_add(usize::from(id) * RECEIVE_BUFFER)
    }

    fn free(&mut self) {
        // SAFETY: both were made by `allocate` with these layouts, and `free` is called only from
        // `retire` and a failed `register`, after which nothing uses them.
        unsafe {
            dealloc(self.entries.cast(), ENTRIES);
            dealloc(self.memory, MEMORY);
        }
    }
}

/// Zeroed memory, so that every buffer is initialised before the first receive.
fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: both layouts have a size above zero.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

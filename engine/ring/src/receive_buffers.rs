//! The receive buffers: owned by the kernel until a completion names one, and by the ring until
//! given back.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// The only buffer group of the ring.
pub(crate) const GROUP: u16 = 0;

/// The alignment that the kernel requires of the ring of entries.
const PAGE: usize = 4_096;

/// A receive buffer that the kernel has filled. [`crate::Ring::bytes`] has the bytes;
/// [`crate::Ring::give_back`] returns it, without which it is lost to the ring.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost to the ring"]
pub struct Received {
    id: u16,
    len: u32,
}

/// The ring of free buffers and their memory.
pub(crate) struct ReceiveBuffers {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    entries_layout: Layout,
    memory_layout: Layout,
    /// How many; a power of two.
    count: u16,
    /// Bytes of one.
    size: u32,
    tail: u16,
    /// Whether the ring owns a buffer, by id: detects a [`Received`] of another ring.
    lent: Box<[bool]>,
}

impl ReceiveBuffers {
    /// Makes `count` buffers, a power of two, and hands all of them to the kernel.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn register(uring: &IoUring, count: u16, size: u32) -> io::Result<ReceiveBuffers> {
        let layout = |size| Layout::from_size_align(size, PAGE).map_err(io::Error::other);
        let many = usize::from(count);
        let entries_layout = layout(many * size_of::<BufRingEntry>())?;
        let memory_layout = layout(many * size as usize)?;
        let mut buffers = ReceiveBuffers {
            entries: allocate(entries_layout).cast::<BufRingEntry>(),
            memory: allocate(memory_layout),
            entries_layout,
            memory_layout,
            count,
            size,
            tail: 0,
            lent: vec![false; many].into_boxed_slice(),
        };
        // SAFETY: `entries` points at `count` page-aligned entries, which stay until `retire`.
        let registered = unsafe {
            let address = buffers.entries as u64;
            uring.submitter().register_buf_ring_with_flags(address, count, GROUP, 0)
        };
        if let Err(error) = registered {
            buffers.free();
            return Err(error);
        }
        for id in 0..count {
            buffers.publish(id);
        }
        Ok(buffers)
    }

    /// A completion has named a buffer: the ring owns it, with `result` bytes in it.
    pub(crate) fn take(&mut self, id: u16, result: i32) -> Received {
        self.lent[usize::from(id)] = true;
        Received { id, len: u32::try_from(result).unwrap_or(0) }
    }

    /// The bytes in a filled buffer.
    pub(crate) fn bytes(&mut self, received: &Received) -> &mut [u8] {
        assert!(self.is_lent(received), "{received:?} is not of this ring");
        let len = received.len.min(self.size) as usize;
        // SAFETY: the ring owns the buffer: a completion named it, and it was not given back since.
        // So the kernel does not write it, its id is below `count`, and `len` is at most its size.
        // `&mut self` keeps the slice the only one.
        unsafe { std::slice::from_raw_parts_mut(self.buffer(received.id), len) }
    }

    /// Hands a buffer back to the kernel.
    pub(crate) fn give_back(&mut self, received: Received) {
        assert!(self.is_lent(&received), "{received:?} is not of this ring");
        self.lent[usize::from(received.id)] = false;
        self.publish(received.id);
    }

    /// Takes the buffers from the kernel. With a receive still armed their memory is left to it.
    pub(crate) fn retire(&mut self, uring: &IoUring, is_none_armed: bool) {
        if uring.submitter().unregister_buf_ring(GROUP).is_ok() && is_none_armed {
            self.free();
        }
    }

    fn is_lent(&self, received: &Received) -> bool {
        self.lent.get(usize::from(received.id)).is_some_and(|lent| *lent)
    }

    /// Adds a buffer to those that the kernel may fill.
    fn publish(&mut self, id: u16) {
        let place = usize::from(self.tail & (self.count - 1));
        let buffer = self.buffer(id);
        // SAFETY: `place` is below `count`, and the kernel reads no entry at or beyond the tail,
        // which is published below. The setters leave the tail, which shares the first entry's
        // memory, alone.
        unsafe {
            let entry = &mut *self.entries.add(place);
            entry.set_addr(buffer as u64);
            entry.set_len(self.size);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry; it is 2-byte aligned and written only here.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        // Release: the kernel sees the entry before the tail that covers it.
        tail.store(self.tail, Ordering::Release);
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        self.memory.wrapping_add(usize::from(id) * self.size as usize)
    }

    fn free(&mut self) {
        // SAFETY: both were made by `allocate` with these layouts, and `free` is called only from
        // `retire` and a failed `register`, after which nothing uses them.
        unsafe {
            dealloc(self.entries.cast(), self.entries_layout);
            dealloc(self.memory, self.memory_layout);
        }
    }
}

/// Zeroed memory, so that every buffer is initialised before the first receive.
fn allocate(layout: Layout) -> *mut u8 {
    assert!(layout.size() > 0, "`Config::check` refuses empty buffers");
    // SAFETY: the layout has a size above zero.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

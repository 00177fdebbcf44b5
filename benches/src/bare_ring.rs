//! One io_uring with registered sockets and nothing else: what `floor` sends with.
//!
//! Outside the engine this is the only module with `unsafe`: the floor must reach the kernel
//! as the engine does, and by none of the engine's code.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::squeue::Flags;
use io_uring::types::Fixed;
use io_uring::{IoUring, opcode};

/// Sends of one `io_uring_enter`.
const BATCH: usize = 256;

/// A send that was not whole: the socket's slot and the bytes it took.
pub type Short = (u32, usize);

/// A ring with the subscribers' sockets as its registered files.
pub struct BareRing {
    uring: IoUring,
}

impl std::fmt::Debug for BareRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BareRing")
    }
}

impl BareRing {
    /// A ring with `slots` empty slots.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(slots: u32) -> io::Result<BareRing> {
        let uring = IoUring::builder()
            .setup_cqsize(4 * BATCH as u32)
            .setup_coop_taskrun()
            .setup_single_issuer()
            .setup_submit_all()
            .build(BATCH as u32)?;
        uring.submitter().register_files_sparse(slots)?;
        Ok(BareRing { uring })
    }

    /// Puts a socket into a slot; its descriptor may be closed afterwards.
    ///
    /// # Errors
    /// When there is no such slot, or the kernel has no memory.
    pub fn place(&mut self, slot: u32, socket: &impl AsRawFd) -> io::Result<()> {
        self.uring.submitter().register_files_update(slot, &[socket.as_raw_fd()]).map(drop)
    }

    /// Closes the socket of a slot.
    ///
    /// # Errors
    /// When there is no such slot.
    pub fn clear(&mut self, slot: u32) -> io::Result<()> {
        self.uring.submitter().register_files_update(slot, &[-1]).map(drop)
    }

    /// Sends each slot its bytes, once and without waiting: those that did not take all of it
    /// are appended to `short`, those that failed to `dead`.
    ///
    /// # Errors
    /// The kernel's, of the ring itself.
    pub fn sweep<'a>(
        &mut self,
        mut sends: impl Iterator<Item = (u32, &'a [u8])>,
        short: &mut Vec<Short>,
        dead: &mut Vec<u32>,
    ) -> io::Result<()> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        loop {
            let mut queued = 0;
            for (slot, bytes) in sends.by_ref().take(BATCH) {
                self.push(slot, bytes, 0, flags, Flags::SKIP_SUCCESS);
                queued += 1;
            }
            if queued == 0 {
                return Ok(());
            }
            while queued > 0 {
                queued -= self.uring.submit()?;
            }
            for entry in self.uring.completion() {
                let slot = entry.user_data() as u32;
                match entry.result() {
                    taken if taken >= 0 => short.push((slot, taken as usize)),
                    error if -error == libc::EAGAIN => short.push((slot, 0)),
                    _ => dead.push(slot),
                }
            }
        }
    }

    /// Sends the rest of `bytes` to each of `short`, waiting until all have taken it.
    ///
    /// # Errors
    /// The kernel's, of the ring itself.
    pub fn finish(
        &mut self,
        bytes: &[u8],
        short: &mut Vec<Short>,
        dead: &mut Vec<u32>,
    ) -> io::Result<()> {
        let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        while !short.is_empty() {
            let batch: Vec<Short> = short.drain(short.len().saturating_sub(BATCH)..).collect();
            for (slot, taken) in &batch {
                self.push(*slot, bytes, *taken, flags, Flags::empty());
            }
            let (mut queued, mut open) = (batch.len(), batch.len());
            while open > 0 {
                queued -= self.uring.submit_and_wait(1)?;
                for entry in self.uring.completion() {
                    open -= 1;
                    let slot = entry.user_data() as u32;
                    let (_, taken) = *batch.iter().find(|(s, _)| *s == slot).expect("of the batch");
                    match entry.result() {
                        more if more > 0 && taken + (more as usize) < bytes.len() => {
                            short.push((slot, taken + more as usize));
                        }
                        more if more > 0 => {}
                        _ => dead.push(slot),
                    }
                }
            }
            assert_eq!(queued, 0, "every entry was submitted");
        }
        Ok(())
    }

    fn push(&mut self, slot: u32, bytes: &[u8], from: usize, flags: i32, skip: Flags) {
        let rest = &bytes[from..];
        let entry = opcode::Send::new(Fixed(slot), rest.as_ptr(), rest.len() as u32)
            .flags(flags)
            .build()
            .user_data(u64::from(slot))
            .flags(skip);
        // SAFETY: `bytes` is borrowed for longer than the call of `sweep` or `finish`. By its end
        // the send has ended: with MSG_DONTWAIT inside the enter that submitted it, else by the
        // completion that `finish` waits for. (An error of the ring itself ends the program.)
        let pushed = unsafe { self.uring.submission().push(&entry) };
        pushed.expect("no more than a batch is queued");
    }
}

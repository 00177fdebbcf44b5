//! Wakes a parked shard (invariant 7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

use super::parking::Parking;

/// An eventfd that is written only while its owner is parked.
///
/// The owner's loop:
/// 1. Work until nothing is left, then [`park`](Doorbell::park).
/// 2. Check for work once more. If there is some, [`unpark`](Doorbell::unpark) and continue with 1.
/// 3. Wait until the descriptor is readable, then [`drain`](Doorbell::drain),
///    [`unpark`](Doorbell::unpark) and continue with 1.
///
/// Other threads make their work visible, then [`ring`](Doorbell::ring), once per batch.
#[derive(Debug)]
pub struct Doorbell {
    parking: Parking,
    event: OwnedFd,
}

impl Doorbell {
    /// A doorbell for one owner.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Doorbell> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Doorbell { parking: Parking::default(), event })
    }

    /// Wakes the owner if it is parked. Call after the work was made visible.
    pub fn ring(&self) {
        if self.parking.claim_wake() {
            // Fails only where the count is full: the descriptor is readable then too.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// The owner is about to sleep; it must check for work once more afterwards.
    pub fn park(&self) {
        self.parking.park();
    }

    /// The owner is awake: rings cost nothing until the next `park`.
    pub fn unpark(&self) {
        self.parking.unpark();
    }

    /// Makes the descriptor unreadable until the next ring, without waiting. Call after waking and
    /// before checking for work, never between checking and waiting.
    pub fn drain(&self) {
        // Fails only where nothing was rung.
        let _ = rustix::io::read(&self.event, &mut [0_u8; 8]);
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

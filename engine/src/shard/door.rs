//! The delivery ring without a shard, for benchmarks.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use super::deliver::Delivery;
use super::ring::Ring;
use crate::broker::outlet::{Flushed, Outlet, Payload};

/// A shard's outlet on a delivery ring of its own, without TLS.
pub struct RingOutlet(Delivery);

impl RingOutlet {
    /// With `slots` empty slots.
    ///
    /// # Errors
    /// What the kernel said of the ring.
    pub fn new(slots: usize) -> io::Result<RingOutlet> {
        Ok(RingOutlet(Delivery::new(Ring::new(slots, false)?, 0, Instant::now())))
    }

    /// Puts a socket into a slot; its descriptor may be closed afterwards.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn place(&mut self, slot: u32, socket: &impl AsRawFd) -> io::Result<()> {
        self.0.ring.place(slot, socket)
    }
}

impl Outlet for RingOutlet {
    fn load(&mut self, payload: Payload) {
        self.0.load(payload);
    }

    fn push(&mut self, connection: u32) -> bool {
        self.0.push(connection)
    }

    fn flush(&mut self, out: &mut Flushed) {
        self.0.flush(out);
    }
}

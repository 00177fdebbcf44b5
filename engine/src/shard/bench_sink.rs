//! The delivery ring without a shard, for benchmarks.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use uringcast_ring::SlotKey;

use super::delivery_ring::{Ring, ring_config};
use super::io::Delivery;
use crate::broker::write_sink::{Flushed, Payload, WriteSink};

/// A shard's write sink on a delivery ring of its own, without TLS.
pub struct RingSink(Delivery);

impl RingSink {
    /// With `slots` empty slots.
    ///
    /// # Errors
    /// When the kernel refuses the ring.
    pub fn new(slots: usize) -> io::Result<RingSink> {
        Ok(RingSink(Delivery::new(Ring::new(&ring_config(slots))?, 0, Instant::now())))
    }

    /// Puts a socket into a slot; its descriptor may be closed afterwards.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn place(&mut self, slot: u32, socket: &impl AsRawFd) -> io::Result<()> {
        self.0.ring.place(SlotKey::new(slot), socket)
    }
}

impl WriteSink for RingSink {
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

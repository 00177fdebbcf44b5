//! The server's compressor.

use std::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Status};

use super::TAIL;
use crate::limits::{DEFLATE_MEMORY_LEVEL, DEFLATE_ONCE_LEVEL, DEFLATE_WINDOW_BITS};

/// Compresses messages, each ended by a sync flush. Never sets BFINAL: clients with context
/// takeover break on it, some silently.
pub struct Deflater(Deflate);

impl Deflater {
    /// A compressor with zlib's `level` (1 to 9) and a window of 9 to 15 bits.
    pub fn new(level: i32, window_bits: u8) -> Deflater {
        Deflater(Deflate::new_with_config(DeflateConfig {
            level,
            // Negative: without header and checksum.
            window_bits: -i32::from(window_bits),
            mem_level: DEFLATE_MEMORY_LEVEL,
            ..DeflateConfig::default()
        }))
    }

    /// A compressor for [`Deflater::deflate_once`].
    pub fn once() -> Deflater {
        Deflater::new(DEFLATE_ONCE_LEVEL, DEFLATE_WINDOW_BITS)
    }

    /// Appends `plain` as the payload of a compressed message. It may refer back to what was
    /// compressed before.
    pub fn deflate(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if plain.is_empty() {
            // An empty stored block without its tail (RFC 7692, 7.2.3.6).
            return out.push(0);
        }
        let (start, before) = (out.len(), self.0.total_out());
        out.resize(start + bound(plain.len()), 0);
        let status = self.0.compress(plain, &mut out[start..], DeflateFlush::SyncFlush);
        assert_eq!(status, Ok(Status::Ok), "a compressor takes every byte");
        let end = start + (self.0.total_out() - before) as usize;
        // Otherwise there may be more to come.
        assert!(end < out.len(), "the bound holds");
        out.truncate(end);
        assert!(out.ends_with(&TAIL), "a sync flush ends so");
        out.truncate(end - TAIL.len());
    }

    /// Appends `plain` as the payload of a compressed message that refers to no other.
    pub fn deflate_once(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.0.reset();
        self.deflate(plain, out);
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("in", &self.0.total_in()).finish_non_exhaustive()
    }
}

/// More than `len` bytes can become: zlib's own bound for any window and memory level, the flush,
/// and some to spare, so that the output is never full.
fn bound(len: usize) -> usize {
    len + len / 8 + len / 64 + 64
}

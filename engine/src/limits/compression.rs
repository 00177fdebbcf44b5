//! What permessage-deflate may take.

/// Bits of the window with which the server compresses: 4 KiB. One bit less costs 1.1 points of
/// ratio, three more gain as much, and each doubles what a compressor holds.
pub const DEFLATE_WINDOW_BITS: u8 = 12;
/// zlib's memory level of the server's compressors: symbols of one block, entries of the hash.
pub const DEFLATE_MEMORY_LEVEL: i32 = 5;
/// zlib's level of messages that are compressed by themselves.
pub const DEFLATE_ONCE_LEVEL: i32 = 3;
/// Bytes that a shard's inflater keeps between messages; larger messages give theirs back.
pub const INFLATE_BUFFER: usize = 64 << 10;
/// Deflate blocks with BFINAL that one message may have: a peer whose library cannot flush ends
/// each fragment with one. Each costs a reset of the inflater.
pub const FINAL_BLOCKS: u32 = 64;

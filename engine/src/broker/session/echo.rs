//! Sends messages back, compressed where that was agreed on: what conformance suites ask for.

use crate::broker::core::Core;
use crate::limits::DEFLATE_ONCE_LEVEL;
use crate::types::ConnectionKey;
use crate::wire::Message;
use crate::wire::deflate::Deflater;
use crate::wire::frame::{self, Opcode};

pub(super) fn reply(core: &mut Core, key: ConnectionKey, message: Message<'_>) {
    let opcode = match message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
    };
    let (payload, mut out) = (message.payload(), Vec::new());
    match core.connections[key].deflate() {
        // No compressor is kept for so rare a use. zlib has no window of 8 bits.
        Some(deflate) if deflate.window_bits() > 8 || deflate.fits(payload.len()) => {
            let (bits, mut compressed) = (deflate.window_bits().max(9), Vec::new());
            Deflater::new(DEFLATE_ONCE_LEVEL, bits).deflate(payload, &mut compressed);
            frame::encode_compressed(opcode, &compressed, &mut out);
        }
        _ => frame::encode(opcode, payload, &mut out),
    }
    core.cx.reply(key, out);
}

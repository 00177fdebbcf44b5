//! Sessions that send back what they are sent.

use crate::broker::core::Core;
use crate::types::ConnectionKey;
use crate::wire::Message;
use crate::wire::frame::{self, Opcode};

pub(super) fn answer(core: &mut Core, key: ConnectionKey, message: Message<'_>) {
    let opcode = match message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
    };
    let mut out = Vec::new();
    frame::encode(opcode, message.payload(), &mut out);
    core.cx.reply(key, out);
}
